"""Whether the service was healthy before anything is struck: an ill one would only be blamed for what it had already."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from chaos.evaluation.facts import Facts, read_facts, scope_of
from chaos.evaluation.impact import ImpactMeter
from chaos.evaluation.measures import measure_for
from chaos.evaluation.measuring import Listener, Measure, Measured, Names
from chaos.evaluation.windows import Window
from chaos.model.events import Event
from chaos.model.tolerance import AT_LEAST, Tolerance, holds, limit_of
from chaos.story import Story

Events = Callable[[], Iterator[Event]]
"""A journal that can be read more than once, without ever being in memory as a whole."""

MEASURES = ("availability", "latency", "longest-outage", "probe")
"""What must hold before anything is struck, whichever window its tolerance binds in."""
_MIN_REQUESTS = 20
_TOLD_AFTER = 0.2
"""A second is told by the generator, and read by us, at most so long after its end."""
UNITS = {
    "latency": "s",
    "longest-outage": "s",
    "time-to-recover": "s",
    "lost-transactions": "count",
    "wrong-transactions": "count",
}
"""Units of the measures; of all others: share."""


def baseline_problem(story: Story, events: Events) -> str:
    """Why nothing may be struck: what was outside its tolerance, or unknown, in the baseline. "" = healthy."""
    baseline = Baseline(story, read_facts(story, events()))
    feed([], events, before=baseline.listeners)
    return baseline.problem()


def feed(measures: list[Measure], events: Events, meter: ImpactMeter | None = None, *, before: list[Listener]) -> None:
    """One reading of the journal for everybody. `before` sees only what was known when the fault phase began."""
    everybody: list[Listener] = [*measures, *before]
    for event in events():
        if event.kind == "load" and event.payload.get("names"):
            second, names = int(event.payload["second"]), Names(event.payload["names"])
            for measure in everybody:
                measure.load(second, names)
            if meter:
                meter.load(second, names)
        elif event.kind == "sample":
            for measure in everybody:
                measure.sample(event)
        elif event.kind == "phase" and event.payload.get("phase") == "fault":
            everybody = list(measures)


def _settled(baseline: Window) -> Window:
    """The part of the baseline whose seconds had been told when it ended: judged then or later, it is the same."""
    end = float(int(baseline.end - _TOLD_AFTER))
    return Window(baseline.name, baseline.start, end) if end > baseline.start else baseline


class Baseline:
    """What was measured before anything is struck. Fed with the journal, it says what was wrong then."""

    def __init__(self, story: Story, facts: Facts) -> None:
        self._with_load = story.load is not None
        self._generator = facts.generator
        self._window = window = facts.timeline.phase("baseline")
        self._measures: list[tuple[Tolerance, Measure]] = []
        self._failures = _Failures(_settled(window).seconds if window else ())
        if window:
            by_load, by_probes = (scope_of(facts, each, settled=False) for each in (_settled(window), window))
            self._measures = [
                (each, measure_for(each, by_probes if each.measure == "probe" else by_load))
                for each in story.tolerances
                if each.measure in MEASURES
            ]

    @property
    def listeners(self) -> list[Listener]:
        return [*(measure for _, measure in self._measures), self._failures]

    def problem(self) -> str:
        """What was outside its tolerance, or unknown, and how requests failed. "" = healthy."""
        if self._window is None:
            return "there was no baseline"
        attempted = self._generator.attempted(_settled(self._window).seconds)
        if self._with_load and attempted < _MIN_REQUESTS:
            return (
                f"only {attempted} requests were attempted in {self._window.length:.1f} s; at least {_MIN_REQUESTS} are needed"
            )
        problems = [words for tolerance, measure in self._measures if (words := _outside(tolerance, measure.result()))]
        if problems and (failures := self._failures.words()):
            problems.append(failures)
        return "; ".join(problems)


def _outside(tolerance: Tolerance, found: Measured) -> str:
    if found.value is None:
        of = f" (transaction {tolerance.transaction})" if tolerance.transaction else ""
        return f"{tolerance.id}{of}: {found.arithmetic}"
    return "" if holds(tolerance, found.value) else f"{tolerance.id}: {found.arithmetic}, outside {limit_words(tolerance)}"


class _Failures:
    """How requests failed in these seconds."""

    def __init__(self, seconds: Collection[int]) -> None:
        self._seconds = seconds
        self._errors: Counter[str] = Counter()

    def load(self, second: int, names: Names) -> None:
        if second in self._seconds:
            self._errors.update((names.of(None) or {}).get("errors", {}))

    def sample(self, event: Event) -> None:
        """Of no interest."""

    def words(self) -> str:
        most = self._errors.most_common(3)
        return f"requests failed by {', '.join(f'{reason} ({count})' for reason, count in most)}" if most else ""


def limit_words(tolerance: Tolerance) -> str:
    limit = limit_of(tolerance)
    unit = UNITS.get(tolerance.measure, "share")
    word = "at least" if tolerance.measure in AT_LEAST else "at most"
    if unit == "share":
        return f"{word} {limit * 100:g} %"
    if unit == "count":
        return f"{word} {limit:g}"
    return f"{word} {limit * 1000:,.0f} ms" if limit < 1 else f"{word} {limit:g} s"
