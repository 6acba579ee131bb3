"""`gameday stop`: ends runs under way, and the safety lever that keeps a whole cluster from being struck."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.errors import BadInput, Leftovers, NotReady

if TYPE_CHECKING:
    from chaos.engine.stopping import AtWork


@click.command()
@click.argument("run", default="")
@click.option("--all", "every", is_flag=True, help="Every run under way on this machine.")
@click.option(
    "--within", type=click.FloatRange(min=0.1, max=3600), default=90.0, show_default=True, help="Seconds to wait for the end."
)
@click.option("--lever", type=click.Choice(["on", "off"]), help="Engage or release the safety lever of the cluster --on.")
@click.option("--because", default="", metavar="TEXT", help="With --lever on: why, for whoever finds it engaged.")
@click.option("--on", default="", metavar="WHERE", help="With --lever: sandbox, kind-NAME, or another kubeconfig context.")
@click.option(
    "--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="With --lever. Default: as kubectl finds it."
)
def command(
    *, run: str, every: bool, within: float, lever: str | None, because: str, on: str, kubeconfig: Path | None
) -> int | None:
    """End a run under way: it puts back what it changed and reads it back, and this command waits until it has.

    Needs no RUN when only one is under way. Works from any folder, and needs neither trust nor labels.

    The safety lever is for a whole cluster: while it is engaged, running runs put everything back, from whatever machine
    they were started, and new ones refuse.

    \b
    Examples:
      gameday stop
      gameday stop --all
      gameday stop --lever on --on kind-gameday --because "incident 4711"
    """
    if lever:
        if run or every:
            raise BadInput("--lever is for a whole cluster; end single runs without it")
        return _pull(lever, on, kubeconfig, because)
    if on or kubeconfig or because:
        raise BadInput("--on, --kubeconfig and --because go with --lever on or --lever off")
    return _end(_chosen(run, every=every), within)


def _chosen(run: str, *, every: bool) -> "list[AtWork]":
    from chaos.engine.stopping import at_work

    if run and every:
        raise BadInput("give either a run or --all")
    found = at_work()
    if every:
        return found
    if run:
        return [each for each in found if each.run == run] or _gone(run, found)
    if len(found) > 1:
        raise BadInput(
            "several runs are under way; name one, or give --all:\n"
            + "\n".join(f"  {each.run} on {each.where}" for each in found)
        )
    return found


def _gone(run: str, found: "list[AtWork]") -> "list[AtWork]":
    """No such run is under way: one that left something behind is more than a wrong name."""
    _say_left_overs([run])
    known = ", ".join(each.run for each in found) or "none"
    raise BadInput(f"no run {run} is under way on this machine; under way: {known}")


def _end(runs: "list[AtWork]", within: float) -> int:
    from chaos.clock import RealClock, wait_until
    from chaos.engine.stopping import ask_to_stop, is_at_work

    if not runs:
        click.echo("No run is under way on this machine.")
    for each in runs:
        ask_to_stop(each)
    wait_until(lambda: not any(map(is_at_work, runs)), clock=RealClock(), within=within)
    if late := [each for each in runs if is_at_work(each)]:
        raise Leftovers(
            f"{', '.join(each.run for each in late)}: told to stop {within:g} s ago and still at work; ending the process "
            "makes its watchdog put everything back:",
            commands=tuple(word for each in late for word in (f"kill -9 {each.pid}", f"gameday recover {each.run}")),
        )
    _say_left_overs([each.run for each in runs])
    for each in runs:
        click.echo(f"{each.run}: stopped; everything on {each.where} is put back and read back")
    return 0


def _say_left_overs(runs: list[str]) -> None:
    """Raises where a run that is over has left something open in its ledger."""
    from chaos.ledger import all_open

    left = sorted({contents.header.run for contents in all_open() if contents.header.run in runs and not contents.running})
    if left:
        raise Leftovers(
            f"{', '.join(left)}: ended, but not everything is put back; do this now:",
            commands=tuple(f"gameday recover {run}" for run in left),
        )


def _pull(way: str, on: str, kubeconfig: Path | None, because: str) -> int:
    import getpass
    from datetime import UTC, datetime

    from chaos.cli.shared import connect
    from chaos.engine import lever

    if not on:
        raise BadInput(f"--lever {way}: say for which cluster, for example --on kind-gameday")
    place = connect(on, "", kubeconfig)
    if place.world is None:
        raise BadInput(f"--on {on} has no safety lever: there is no cluster")
    cluster, name = place.world.cluster, place.environment.name
    if way == "off":
        was = lever.release(cluster)
        click.echo(f"{name}: the safety lever {'is released' if was else 'was not engaged'}; runs may strike again")
        return 0
    since = datetime.now(UTC).isoformat(timespec="seconds")
    fresh = lever.engage(cluster, by=getpass.getuser(), since=since, because=because)
    words = lever.engaged(cluster)
    if not words:
        raise NotReady(f"{name}: the safety lever does not read back; somebody released it at this moment")
    click.echo(f"{name}: the safety lever {'is' if fresh else 'was already'} {words}")
    click.echo("New runs refuse; running ones put everything back within a second or two, from whatever machine they run.")
    click.echo(f"Release it: gameday stop --lever off --on {on}")
    return 0
