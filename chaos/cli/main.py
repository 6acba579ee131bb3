"""The `gameday` command: arguments -> one command -> an exit code. The only place where failures become exit codes.

    0  held          3  inconclusive, or stopped       70  our own crash, nothing left behind
    1  breached      4  something is not put back
    2  bad input     5  the environment is not ready

Python's own exit code for an uncaught exception is 1, which would read as "breached": nothing may get past `run`.
"""

import gc
import io
import os
import sys
import types
from collections.abc import Sequence

import click

from chaos.cli.lazy import Entry, LazyGroup

BAD_INPUT, STOPPED, LEFTOVERS, CRASHED = 2, 3, 4, 70

_START, _AFTER, _AROUND = "Start here", "After a run", "Around it"

COMMANDS = {
    "demo": Entry("chaos.cli.demo", "See it all once: a shop breaks, is judged, is fixed (2 minutes, needs nothing).", _START),
    "new": Entry("chaos.cli.new", "Write your first scenario, from a sample or from a live namespace.", _START),
    "validate": Entry("chaos.cli.validate", "Check files; every mistake with file, line and column.", _START),
    "plan": Entry("chaos.cli.plan", "Show what a run would touch and how it is put back; changes nothing.", _START),
    "run": Entry("chaos.cli.run", "Strike under load, judge, put everything back, report.", _START),
    "stop": Entry("chaos.cli.stop", "End a run under way, or keep a whole cluster from being struck.", _START),
    "report": Entry("chaos.cli.report", "Show the report of a stored run.", _AFTER),
    "judge": Entry("chaos.cli.judge", "Judge a stored run again, from its journal alone.", _AFTER),
    "runs": Entry("chaos.cli.runs", "List stored runs, or prune old ones.", _AFTER),
    "recover": Entry("chaos.cli.recover", "Put back what a killed run left behind.", _AFTER),
    "list": Entry("chaos.cli.listing", "List faults, scenarios, experiments, services, runs, the roadmap.", _AROUND),
    "sandbox": Entry("chaos.cli.sandbox", "Start or stop the embedded stand-in cluster.", _AROUND),
    "cluster": Entry("chaos.cli.cluster", "Make a kind cluster with the sample shop on it, or take it away.", _AROUND),
    "rbac": Entry("chaos.cli.rbac", "Print the least role with which a scenario can be run.", _AROUND),
    "trust": Entry("chaos.cli.trust", "Say which clusters may be struck.", _AROUND),
    "schema": Entry("chaos.cli.schema", "Print the JSON Schema of a file format, for your editor.", _AROUND),
    "completion": Entry("chaos.cli.completion", "Print the completion script for your shell.", _AROUND),
    "version": Entry("chaos.cli.version", "Show versions: ours, and those of the packages beneath.", _AROUND),
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from chaos.cli.version import lines

        click.echo("\n".join(lines()))
        ctx.exit()


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 held, 1 breached, 2 bad input, 3 inconclusive or stopped, 4 something is not put back, "
    "5 environment not ready, 70 our own crash.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show versions.")
def gameday() -> None:
    """Break things on purpose, under load, and learn whether your customers noticed.

    \b
    First time?       gameday demo
    Your own system:  gameday new my-first --from-namespace NAMESPACE --on CONTEXT
                      gameday plan scenarios/my-first.yaml --on CONTEXT
                      gameday run scenarios/my-first.yaml --on CONTEXT
    """


def main() -> None:
    """The entry point of the installed command."""
    gc.set_threshold(50_000, 20, 50)  # start-up makes many objects and no garbage
    _search_no_plugins()
    _survive_closed_pipes()
    code = run(sys.argv[1:])
    gc.disable()
    gc.freeze()  # the kernel takes everything at once: no last search for garbage
    sys.exit(code)


def _search_no_plugins() -> None:
    """Spare pydantic the search for plugins of its own, which reads the metadata of every installed package: 30 ms of CPU."""
    nothing = types.ModuleType("pydantic.plugin._loader")
    nothing.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules.setdefault(nothing.__name__, nothing)


def run(arguments: Sequence[str]) -> int:
    """Run one command; whatever happens, the answer is one of the documented exit codes."""
    try:
        if any("\0" in argument for argument in arguments):
            raise click.UsageError("an argument holds a NUL byte, which no name and no path can")
        code = gameday.main(args=list(arguments), prog_name="gameday", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (Exception, KeyboardInterrupt) as error:  # the outermost handler: our own mistake must not read as a verdict
        return _failed(error)


def _failed(error: BaseException) -> int:
    from chaos.errors import GamedayError

    if isinstance(error, click.ClickException):
        error.show()
        return BAD_INPUT
    if isinstance(error, click.Abort | KeyboardInterrupt):
        _say("stopped")
        return _unless_left_over(STOPPED)
    if isinstance(error, GamedayError) and error.exit_code != CRASHED:
        _say(f"error: {error}" if len(str(error).splitlines()) == 1 else str(error))
        return _unless_left_over(error.exit_code)
    return _crashed(error)


def _crashed(error: BaseException) -> int:
    from chaos.cli.crash import keep

    place = keep(error)
    _say(
        f"gameday itself failed ({type(error).__name__}: {error}).",
        "This says nothing about your system. Please report it with the details in:",
        f"  {place}",
    )
    return _unless_left_over(CRASHED)


def _unless_left_over(code: int) -> int:
    """The last look: an open ledger entry of a dead run outranks whatever else there is to say."""
    from chaos.errors import GamedayError, NotReady

    ledger = sys.modules.get("chaos.ledger")
    if code == LEFTOVERS or ledger is None or "chaos.engine.run" not in sys.modules:
        return code
    try:
        left = [contents for contents in ledger.all_open() if not contents.running]
    except NotReady:
        return code  # no folder to keep a ledger in: then nothing can have been changed either
    except (GamedayError, OSError, ValueError) as error:
        _say(f"what is left to put back cannot be read: {error}")
        return LEFTOVERS
    if not left or code == BAD_INPUT:
        return code
    runs = sorted({contents.header.run for contents in left})
    _say("Something may not be put back. Do this now:", *(f"  gameday recover --run {run}" for run in runs))
    return LEFTOVERS


def _say(*lines: str) -> None:
    click.echo("\n".join(lines), err=True)


class _Drain(io.FileIO):
    """A file descriptor whose reader may go away: a run must end as it would have, whoever still listens."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


def _survive_closed_pipes() -> None:
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 # as long as the process
            continue
        buffered = io.BufferedWriter(_Drain(descriptor, "w", closefd=False))
        new = io.TextIOWrapper(buffered, encoding=old.encoding, errors="backslashreplace", line_buffering=True)
        setattr(sys, name, new)
