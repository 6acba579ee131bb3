"""`gameday trust`: says which clusters may be struck."""

from datetime import UTC, datetime
from pathlib import Path

import click

from chaos.cli.shared import connect, print_json, table
from chaos.errors import BadInput


@click.command()
@click.option("--on", default="", metavar="CONTEXT", help="The cluster that this kubeconfig context leads to.")
@click.option("--kind", "kind_name", default="", metavar="NAME", help="The same for a kind cluster: its context is kind-NAME.")
@click.option("--list", "listed", is_flag=True, help="All clusters that may be struck.")
@click.option("--remove", default="", metavar="WHAT", help="Trust no longer what bears this name or fingerprint.")
@click.option(
    "--fingerprint",
    "only_fingerprint",
    is_flag=True,
    help="Only print the fingerprint (of the current context by default), for GAMEDAY_TRUST.",
)
@click.option("--i-understand", is_flag=True, help="Needed as well where the name says that it is production.")
@click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="Default: as kubectl finds it.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
def command(  # noqa: PLR0917 - one a flag
    on: str,
    kind_name: str,
    listed: bool,
    remove: str,
    only_fingerprint: bool,
    i_understand: bool,
    kubeconfig: Path | None,
    as_json: bool,
) -> None:
    """Say which clusters may be struck: by fingerprint, since the name of a context can lead anywhere tomorrow.

    The sandbox and the kind clusters that `gameday cluster up` made are trusted by themselves. In CI, set GAMEDAY_TRUST to
    the fingerprint.

    \b
    Examples:
      gameday trust --kind staging
      GAMEDAY_TRUST="$(gameday trust --on my-context --fingerprint)"
      gameday trust --list
    """
    from chaos import trust

    told = sum(map(bool, (on, kind_name, listed, remove)))
    if told > 1 or (not told and not only_fingerprint):
        raise BadInput("say one of --on CONTEXT, --kind NAME, --list, --remove WHAT")
    if listed:
        _list(as_json)
    elif remove:
        if not (gone := trust.remove(remove)):
            raise BadInput(f"nothing trusted bears the name or fingerprint {remove}; gameday trust --list shows what is")
        click.echo("\n".join(f"no longer trusted: {each.name} ({each.fingerprint})" for each in gone))
    else:
        _trust(
            f"kind-{kind_name}" if kind_name else on,
            kubeconfig,
            must_be_kind=bool(kind_name),
            sure=i_understand,
            only_print=only_fingerprint,
        )


def _list(as_json: bool) -> None:
    from chaos import trust

    found = trust.trusted()
    if as_json:
        print_json([each.as_json() for each in found])
    elif found:
        click.echo(
            table(
                [[each.name, each.how, each.when, each.fingerprint] for each in found], ["NAME", "HOW", "WHEN", "FINGERPRINT"]
            )
        )
    else:
        click.echo("No cluster is trusted yet (the sandbox always is): gameday trust --on CONTEXT")


def _trust(context: str, kubeconfig: Path | None, *, must_be_kind: bool, sure: bool, only_print: bool) -> None:
    from chaos import trust

    environment = connect(context, "", kubeconfig).environment
    if must_be_kind and environment.kind != "kind":
        raise BadInput(f"context {context} leads to a cluster that is not made of kind nodes; if that is meant: --on {context}")
    if only_print:
        click.echo(environment.fingerprint)
        return
    if environment.kind == "sandbox":
        click.echo("The sandbox is trusted by itself.")
        return
    if trust.looks_like_production(context) and not sure:
        raise BadInput(f"{context} says that it is production; if it is meant to be struck all the same, add --i-understand")
    added = trust.add(environment, how="asked", when=datetime.now(UTC).strftime("%Y-%m-%d"))
    click.echo(f"trusted: {added.name} ({environment.version}, fingerprint {added.fingerprint})")
    click.echo(f"to take it back: gameday trust --remove {added.name}")
