"""`gameday demo`: one weakness found and one fix proved, on a stand-in cluster of its own that is gone afterwards."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from chaos.errors import GamedayError

if TYPE_CHECKING:
    from chaos.api import RunResult
    from chaos.story import Story

SCENARIO = "payments-dark-on-the-busiest-day"
WEAKNESS = "no-timeout"


class DemoFailed(GamedayError):
    """The weak shop held, or the fixed one did not: the demonstration shows nothing."""

    exit_code = 3


@click.command()
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports/demo"), show_default=True)
def command(reports: Path) -> None:
    """See it all once, in two minutes: a shop whose payment provider goes dark breaches its tolerance; fixed, it holds.

    Brings its own stand-in cluster and takes it away again. Touches nothing else of yours; the reports stay.
    Exits with 0 although it shows a breach, for that is what it is there to show.
    """
    from chaos.catalogue import load_story
    from chaos.catalogue.library import shipped

    story = load_story(shipped() / "scenarios" / f"{SCENARIO}.yaml")
    with _own_sandbox():
        _chapter(1, f"The story: {story.title}", story.text)
        _chapter(
            2,
            "The shop as it is",
            "It waits for its payment provider for as long as that takes. Customers come in; then the provider goes dark.",
        )
        weak = _play(story, frozenset({WEAKNESS}), reports)
        _chapter(
            3,
            "The same story once more, with the fix",
            "Now the shop gives up on its provider after a moment, and takes the order to charge it later.",
        )
        fixed = _play(story, frozenset(), reports)
    _conclude(weak, fixed)


def _chapter(number: int, title: str, text: str) -> None:
    click.secho(f"\n{number}. {title}", bold=True)
    click.echo(click.wrap_text(text, width=96, initial_indent="   ", subsequent_indent="   ") + "\n")


@contextmanager
def _own_sandbox() -> Iterator[None]:
    """A sandbox with a state folder of its own, gone at the end; ours alone, so that nobody's work is in the way."""
    from chaos.engine.reaching import sandbox_folder
    from chaos.sandbox import control

    before = os.environ.get("GAMEDAY_STATE")
    with _ended_like_ctrl_c(), tempfile.TemporaryDirectory(prefix="gameday-demo-") as state:
        os.environ["GAMEDAY_STATE"] = state
        try:
            control.up(sandbox_folder(), die_with_parent=True)
            yield
        finally:
            control.down(sandbox_folder())
            if before is None:
                del os.environ["GAMEDAY_STATE"]
            else:
                os.environ["GAMEDAY_STATE"] = before


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that what was started is taken away."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play(story: "Story", weak: frozenset[str], reports: Path) -> "RunResult":
    from chaos import api
    from chaos.cli.run import Suite
    from chaos.cli.sandbox import deploy_shop

    deploy_shop(weak)
    suite = Suite(
        api.connect("sandbox"), api.RunOptions(reports=reports, mode="demo", release="weak" if weak else "fixed", seed=1)
    )
    result = suite.show(story)
    if suite.interrupted:
        raise DemoFailed("the demonstration was stopped; everything was put back")
    return result


def _conclude(weak: "RunResult", fixed: "RunResult") -> None:
    """Say what was seen; the pair must come out as it should, or this is no demonstration."""
    if (weak.verdict.outcome, fixed.verdict.outcome) != ("breached", "held"):
        raise DemoFailed(
            f"expected a breach and then a fix that holds, but saw: {weak.verdict.outcome}"
            f" ({weak.verdict.reason or 'no reason'}), then {fixed.verdict.outcome} ({fixed.verdict.reason or 'no reason'}).\n"
            "On a very busy machine this may happen; the reports say why:\n"
            f"  {weak.folder / 'report.html'}\n  {fixed.folder / 'report.html'}"
        )
    saves = [finding.title for finding in weak.findings if finding.kind == "save"]
    click.secho("\nWhat this showed", bold=True)
    click.echo("   breached without the fix" + (f": {saves[0]}" if saves else ""))
    click.echo("   held with it; everything that was changed has been put back and read back\n")
    click.echo(f"   the breach, to look at in a browser:  {(weak.folder / 'report.html').resolve()}")
    click.echo(f"   the fix:                              {(fixed.folder / 'report.html').resolve()}")
    if weak.items:
        click.echo(f"   the work that follows from it:        {weak.folder.parent / 'roadmap'}")
    click.echo("\nNext, your own: gameday new my-first --from-namespace NAMESPACE --on CONTEXT")
