"""Whether the service was healthy before anything is struck: an ill one would only be blamed for what it had already."""

from collections.abc import Callable, Iterator

from chaos.evaluation.facts import Facts, read_facts, scope_of
from chaos.evaluation.impact import ImpactMeter
from chaos.evaluation.measures import measure_for
from chaos.evaluation.measuring import Measure, Names
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
    facts = read_facts(story, events())
    baseline = facts.timeline.phase("baseline")
    measures = baseline_measures(story, facts, baseline)
    feed([], events, before=measures)
    return baseline_words(story, facts, baseline, measures)


def feed(measures: list[Measure], events: Events, meter: ImpactMeter | None = None, *, before: list[Measure]) -> None:
    """One reading of the journal for everybody. `before` sees only what was known when the fault phase began."""
    everybody = [*measures, *before]
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
            everybody = measures


def _settled(baseline: Window) -> Window:
    """The part of the baseline whose seconds had been told when it ended: judged then or later, it is the same."""
    end = float(int(baseline.end - _TOLD_AFTER))
    return Window(baseline.name, baseline.start, end) if end > baseline.start else baseline


def _for_baseline(story: Story) -> list[Tolerance]:
    return [each for each in story.tolerances if each.measure in MEASURES]


def baseline_measures(story: Story, facts: Facts, baseline: Window | None) -> list[Measure]:
    if baseline is None:
        return []
    by_load, by_probes = (scope_of(facts, window, settled=False) for window in (_settled(baseline), baseline))
    return [measure_for(each, by_probes if each.measure == "probe" else by_load) for each in _for_baseline(story)]


def baseline_words(story: Story, facts: Facts, baseline: Window | None, measures: list[Measure]) -> str:
    if baseline is None:
        return "there was no baseline"
    attempted = facts.generator.attempted(_settled(baseline).seconds)
    if story.load is not None and attempted < _MIN_REQUESTS:
        return f"only {attempted} requests were attempted in {baseline.length:.1f} s; at least {_MIN_REQUESTS} are needed"
    problems = []
    for tolerance, measure in zip(_for_baseline(story), measures, strict=True):
        found = measure.result()
        if found.value is None:
            of = f" (transaction {tolerance.transaction})" if tolerance.transaction else ""
            problems.append(f"{tolerance.id}{of}: {found.arithmetic}")
        elif not holds(tolerance, found.value):
            problems.append(f"{tolerance.id}: {found.arithmetic}, outside {limit_words(tolerance)}")
    return "; ".join(problems)


def limit_words(tolerance: Tolerance) -> str:
    limit = limit_of(tolerance)
    unit = UNITS.get(tolerance.measure, "share")
    word = "at least" if tolerance.measure in AT_LEAST else "at most"
    if unit == "share":
        return f"{word} {limit * 100:g} %"
    if unit == "count":
        return f"{word} {limit:g}"
    return f"{word} {limit * 1000:,.0f} ms" if limit < 1 else f"{word} {limit:g} s"
