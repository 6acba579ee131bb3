"""`gameday validate`: every mistake of every file, with file, line and column."""

import json
from pathlib import Path

import click

from chaos.errors import BadInput, Problem


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Mistakes as one JSON array; [] when all is well.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when all is well.")
def command(files: tuple[Path, ...], as_json: bool, quiet: bool) -> int:
    """Check scenario, experiment and service files, and everything they refer to. Touches nothing.

    A folder stands for all the .yaml files in it.

    \b
    Examples:
      gameday validate scenarios/payment-provider-dark.yaml
      gameday validate scenarios experiments
    """
    found, checked = _check(_expanded(files))
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], ensure_ascii=False))
    elif found:
        click.echo("\n".join(map(str, found)), err=True)
        click.echo(f"{len(found)} mistake{'s' * (len(found) > 1)}; {checked} file{'s' * (checked > 1)} checked", err=True)
    elif not quiet:
        click.echo(f"{checked} file{'s' * (checked > 1)} checked: all is well")
    return BadInput.exit_code if found else 0


def _check(paths: list[Path]) -> tuple[list[Problem | str], int]:
    from chaos.catalogue import Library, check

    library = Library()
    found: dict[Problem | str, None] = {}
    for path in paths:
        try:
            check(path, library)
        except BadInput as error:
            found.update(dict.fromkeys(error.problems))
    return list(found), len(paths)


def _expanded(files: tuple[Path, ...]) -> list[Path]:
    """Files as given; a folder is the .yaml files below it, those of `services` among them."""
    paths: list[Path] = []
    for file in files:
        if not file.is_dir():
            paths.append(file)
            continue
        inside = sorted(path for path in file.rglob("*.yaml") if not _hidden(path.relative_to(file)))
        if not inside:
            raise BadInput(Problem(str(file), 0, 0, "no .yaml file in this folder"))
        paths += inside
    return list(dict.fromkeys(paths))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _as_json(problem: Problem | str) -> dict[str, object]:
    if isinstance(problem, str):
        return {"message": problem}
    return {key: getattr(problem, key) for key in ("path", "line", "column", "message", "hint")}
