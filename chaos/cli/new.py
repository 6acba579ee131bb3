"""`gameday new`: the first scenario, from a sample that came with the program or from a namespace that is already there."""

import re
from pathlib import Path

import click

from chaos.cli.shared import connect, where_options, write
from chaos.errors import BadInput

SAMPLE = "payments-dark-on-the-busiest-day"
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCHEMA_LINE = re.compile(r"^# yaml-language-server:.*\n", re.M)
_ID_LINE = re.compile(r"^id:.*$", re.M)


@click.command()
@click.argument("name")
@click.option("--from", "sample", default=SAMPLE, show_default=True, metavar="ID", help="The scenario to begin with.")
@click.option("--from-namespace", metavar="NAMESPACE", help="Begin with what runs in this namespace instead.")
@click.option("--entry", default="", metavar="SERVICE", help="With --from-namespace: the Service that customers enter by.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Project folder; default: here.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@where_options
def command(
    *,
    name: str,
    sample: str,
    from_namespace: str | None,
    entry: str,
    into: Path,
    force: bool,
    on: str,
    url: str,
    kubeconfig: Path | None,
) -> None:
    """Write a scenario, and the service file, locustfile and experiments that it needs.

    With --from-namespace, the live namespace is read (and not changed): its entrance, its dependencies, and the first
    fault worth trying: one pod dies.

    \b
    Examples:
      gameday new provider-down
      gameday new first-kill --from-namespace shop --on kind-gameday
    """
    if not _ID.fullmatch(name):
        raise BadInput(f"{name}: use lower-case letters, digits and dashes only, at most 63 of them")
    if from_namespace is None:
        files = from_sample(name, sample)
    else:
        from chaos.cli.from_namespace import files_for

        world = connect(on, url, kubeconfig).world
        if world is None:
            raise BadInput("--on none has no namespaces: say where to look, for example --on kind-gameday")
        files = files_for(name, world.cluster, from_namespace, entry=entry)
    _write_all(into, files, own=f"scenarios/{name}.yaml", force=force)
    click.echo(f"\nNext: edit scenarios/{name}.yaml, then\n  gameday validate {into / 'scenarios' / name}.yaml")


def from_sample(name: str, sample: str) -> dict[str, str]:
    """All files of a known scenario, the scenario itself under its new name."""
    from chaos.catalogue import ids, load_story
    from chaos.source import nearest

    known = ids("scenarios")
    if sample not in known:
        raise BadInput(f"there is no sample {sample}; {nearest(sample, known) or 'known: ' + ', '.join(sorted(known))}")
    story = load_story(known[sample])
    files = {path: content.decode() for path, content in story.files.items()}
    text = _ID_LINE.sub(f"id: {name}", files.pop(story.entry), count=1)
    return {f"scenarios/{name}.yaml": text, **files}


def _write_all(into: Path, files: dict[str, str], *, own: str, force: bool) -> None:
    """Write what is not there yet; the scenario itself is never overwritten unless asked for."""
    if (into / own).exists() and not force:
        raise BadInput(f"{into / own} is there already; choose another name, or --force")
    for name, text in {**files, **_schemas()}.items():
        path = into / name
        if path.exists() and not force:
            click.echo(f"kept   {path}")
            continue
        write(path, _with_schema(name, text))
        click.echo(f"wrote  {path}")


def _schemas() -> dict[str, str]:
    from chaos.cli.schema import FOLDER, KINDS

    return {f"scenarios/.schema/{kind}.json": (FOLDER / f"{kind}.json").read_text() for kind in KINDS}


def _with_schema(name: str, text: str) -> str:
    """The line that lets editors find the schema, which lies beside the scenarios so that a colleague's clone has it too."""
    if not name.endswith(".yaml"):
        return text
    kind = {"services": "service", "experiments": "experiment"}.get(Path(name).parent.name, "scenario")
    folder = {"service": "../.schema", "experiment": "../scenarios/.schema", "scenario": ".schema"}[kind]
    return f"# yaml-language-server: $schema={folder}/{kind}.json\n" + _SCHEMA_LINE.sub("", text, count=1)
