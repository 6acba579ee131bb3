"""`gameday recover`: puts back what a killed run left behind."""

from pathlib import Path

import click
from click.core import ParameterSource

from chaos.cli.shared import print_json, table
from chaos.errors import BadInput, Leftovers


@click.command()
@click.argument("run", default="")
@click.option("--run", "named", default="", metavar="RUN", help="The same as the argument.")
@click.option(
    "--kubeconfig", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Default: the one that the run used."
)
@click.option("--cluster", "from_cluster", is_flag=True, help="From the ledgers in the cluster --on, whoever ran it, wherever.")
@click.option("--on", default="sandbox", show_default=True, metavar="WHERE", help="With --cluster: where it ran.")
@click.option("--namespace", default="", metavar="NAMESPACE", help="With --cluster: only there. Default: everywhere.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    run: str,
    named: str,
    kubeconfig: Path | None,
    from_cluster: bool,
    on: str,
    namespace: str,
    as_json: bool,
) -> int:
    """Put back what a killed run left behind, and read it back to be sure. Works from any folder, and as often as you like.

    Needs no RUN: by default, everything that any run of this machine left is put back. With --cluster, everything that any
    run left in that cluster, from whatever machine it was started. Needs neither trust nor labels. Says for each change
    whether it is clean, dirty or unknown by now; exit code 4 when not all is clean.

    \b
    Examples:
      gameday recover
      gameday recover --cluster --on kind-gameday
    """
    from chaos import api

    if from_cluster:
        place = api.connect(on, kubeconfig=kubeconfig)
        results = api.recover_from_cluster(place, run or named, namespace=namespace)
    elif namespace or ctx.get_parameter_source("on") is not ParameterSource.DEFAULT:
        raise BadInput("--on and --namespace go with --cluster")
    else:
        results = api.recover(run or named, kubeconfig=kubeconfig)
    if as_json:
        print_json([result.as_json() for result in results])
    elif results:
        rows = [[result.run, result.fault, result.state, result.detail] for result in results]
        click.echo(table(rows, ["RUN", "FAULT", "STATE", "DETAIL"]))
    else:
        click.echo("Nothing to put back: no run has left anything open.")
    return 0 if all(result.state == "clean" for result in results) else Leftovers.exit_code
