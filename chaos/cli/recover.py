"""`gameday recover`: puts back what a killed run left behind."""

from pathlib import Path

import click

from chaos.cli.shared import print_json, table
from chaos.errors import Leftovers


@click.command()
@click.argument("run", default="")
@click.option("--run", "named", default="", metavar="RUN", help="The same as the argument.")
@click.option(
    "--kubeconfig", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Default: the one that the run used."
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
def command(run: str, named: str, kubeconfig: Path | None, as_json: bool) -> int:
    """Put back what a killed run left behind, and read it back to be sure. Works from any folder, and as often as you like.

    Needs no RUN: by default, everything that any run left is put back. Says for each change whether it is clean, dirty
    or unknown by now; exit code 4 when not all is clean.
    """
    from chaos import api

    results = api.recover(run or named, kubeconfig=kubeconfig)
    if as_json:
        print_json([result.as_json() for result in results])
    elif results:
        rows = [[result.run, result.fault, result.state, result.detail] for result in results]
        click.echo(table(rows, ["RUN", "FAULT", "STATE", "DETAIL"]))
    else:
        click.echo("Nothing to put back: no run has left anything open.")
    return 0 if all(result.state == "clean" for result in results) else Leftovers.exit_code
