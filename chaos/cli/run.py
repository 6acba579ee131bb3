"""`gameday run`: one scenario or many; one summary, and the worst exit code wins."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from chaos.cli.shared import connect, guard_options, print_json, story_paths, table, where_options
from chaos.errors import BadInput, GamedayError, Leftovers

if TYPE_CHECKING:
    from chaos.api import RunOptions, RunResult
    from chaos.engine.place import Place
    from chaos.model.events import Event
    from chaos.model.run import Plan
    from chaos.story import Story

WORST_LAST = (0, 5, 3, 2, 1, 70, 4)
"""Exit codes from harmless to worst: something left behind outranks all, our own crash every verdict, a breach the rest."""
ENDED_BY_PEOPLE = ("signal", "kill-switch", "operator")


@click.command()
@click.argument("files", nargs=-1)
@where_options
@click.option("--release", default="", metavar="NAME", help="What is tested, for the record: a version, a tag.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="PLAN",
    help="Run exactly what this plan says (gameday plan -o PLAN), or nothing: other files, cluster or targets are refused.",
)
@click.option("--seed", type=int, help="The same seed chooses the same targets. Default: a new one, recorded.")
@click.option("--tag", "tags", multiple=True, help="Only scenarios with this tag (repeatable: any of them).")
@click.option("--keep-going", is_flag=True, help="Go on with the next file after one that did not hold.")
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)
@guard_options
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON array.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    files: tuple[str, ...],
    on: str,
    url: str,
    kubeconfig: Path | None,
    release: str,
    plan_file: Path | None,
    seed: int | None,
    tags: tuple[str, ...],
    keep_going: bool,
    reports: Path,
    guard: bool,
    ttl: float,
    as_json: bool,
) -> int:
    """Strike under load, judge, put everything back, report.

    FILES are scenarios or experiments: paths, folders, or ids from `gameday list`. All are checked before the first one
    runs. Ctrl-C stops: what was changed is put back and read back first.

    \b
    Examples:
      gameday run payments-slow-not-dead
      gameday run scenarios/checkout.yaml --on kind-gameday --release 2.4.1
      gameday run scenarios --tag vendor --keep-going
      gameday run --plan plan.json
    """
    from chaos import api
    from chaos.catalogue import load_stories

    plan = read_plan(plan_file) if plan_file else None
    if plan is not None:
        if tags or len(files) > 1 or seed not in (None, plan.seed):
            raise BadInput("--plan goes with one file, and brings its own seed: no --tag, no --seed")
        files = files or (plan.asked,)
        on = plan.environment.on if ctx.get_parameter_source("on") is ParameterSource.DEFAULT else on
    elif not files:
        raise click.UsageError("Missing argument 'FILES...', or --plan PLAN.")
    stories = load_stories(story_paths(files), tags)
    place = connect(on, url, kubeconfig)
    options = api.RunOptions(reports=reports, release=release, seed=seed, plan=plan, guard=guard, ttl=ttl)
    suite = Suite(place, options, quiet=as_json)
    if not as_json:
        click.echo(f"on {place.environment.kind} {place.environment.name}: {len(stories)} to run")
    suite.play(stories, keep_going=keep_going)
    if as_json:
        print_json(suite.rows)
    elif len(stories) > 1:
        click.echo("\n" + suite.summary())
    return suite.exit_code


def read_plan(path: Path) -> "Plan":
    """The plan that `gameday plan -o` wrote."""
    from chaos.model.run import Plan

    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no plan that `gameday plan -o` wrote: {str(error).splitlines()[0]}") from None


@dataclass
class Suite:
    """Several stories, one after another, at one place."""

    place: "Place"
    options: "RunOptions"
    quiet: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False

    def play(self, stories: Sequence["Story"], *, keep_going: bool) -> None:
        """Stops at the first one that did not hold, unless told otherwise; always when people stop it or something is left."""
        for story in stories:
            code = self._one(story)
            if self.interrupted or code == Leftovers.exit_code or (code and not keep_going):
                break
        done = {row["scenario"] for row in self.rows}
        self.rows += [{"scenario": each.id, "outcome": "not run", "exit_code": None} for each in stories if each.id not in done]

    def _one(self, story: "Story") -> int:
        try:
            result = self.show(story)
        except GamedayError as error:
            if error.exit_code == GamedayError.exit_code:
                raise
            click.echo(f"{story.id}: {error}", err=True)
            return self._add(
                story, "not ready" if not isinstance(error, BadInput) else "bad input", error.exit_code, str(error)
            )
        row = {"run": result.verdict.run, "folder": str(result.folder), "reason": result.verdict.reason}
        return self._add(story, result.verdict.outcome, result.exit_code, **row)

    def _add(self, story: "Story", outcome: str, code: int, error: str = "", **more: str) -> int:
        told = {"error": error} if error else more
        self.rows.append({"scenario": story.id, "title": story.title, "outcome": outcome, "exit_code": code, **told})
        return code

    def show(self, story: "Story") -> "RunResult":
        """Run one story, with a live view and its summary unless `quiet`."""
        from chaos import api

        if self.quiet:
            return api.run(story, self.place, self.options, on_event=self._noticing(lambda _: None))
        from rich.console import Console

        from chaos.render import live, terminal

        with live.view_for(sys.stdout, story) as view:
            result = api.run(story, self.place, self.options, on_event=self._noticing(view))
        terminal.summary(result.data, Console())
        click.echo(f"\nreport: {result.folder / 'report.html'}")
        return result

    def _noticing(self, tell: Callable[["Event"], None]) -> Callable[["Event"], None]:
        """Pass events on, and remember that somebody ended this run: then the next one must not start either."""

        def heard(event: "Event") -> None:
            if event.kind == "stop" and event.payload.get("reason") in ENDED_BY_PEOPLE:
                self.interrupted = True
            tell(event)

        return heard

    @property
    def exit_code(self) -> int:
        return max((row["exit_code"] for row in self.rows if row["exit_code"] is not None), key=WORST_LAST.index, default=0)

    def summary(self) -> str:
        cells = [[row["scenario"], row["outcome"], row.get("run") or row.get("error", "")] for row in self.rows]
        held = sum(row["outcome"] == "held" for row in self.rows)
        return table(cells, ["SCENARIO", "OUTCOME", "RUN"]) + f"\n\n{held} of {len(self.rows)} held"
