"""One reading of a journal into what reports show. A payload that cannot be read is counted as unknown, never fatal."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from chaos.journal import payload_of
from chaos.model.events import (
    DoseResult,
    Event,
    FaultEdge,
    LoadNote,
    Observation,
    PhaseEdge,
    RunEnd,
    Sample,
    StepEdge,
    Stop,
    TransactionCount,
)
from chaos.render.happenings import Change, DoseShown, PhaseSpan, ProbeLine, ReadyLine, StepShown
from chaos.render.series import Series

_MOST_NOTES = 200


@dataclass
class Gathered:
    """What was seen, in monotonic seconds."""

    first: float | None = None
    last: float = 0.0
    series: Series = field(default_factory=Series)
    phases: list[PhaseSpan] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)
    steps: dict[str, StepShown] = field(default_factory=dict)
    doses: list[DoseShown] = field(default_factory=list)
    probes: dict[str, ProbeLine] = field(default_factory=dict)
    ready: dict[str, ReadyLine] = field(default_factory=dict)
    notes: list[tuple[float, LoadNote]] = field(default_factory=list)
    transactions: TransactionCount | None = None
    stop: Stop | None = None
    stopped_at: float | None = None
    end: RunEnd | None = None
    unknown_kinds: dict[str, int] = field(default_factory=dict)

    @property
    def zero(self) -> float:
        """When load started: the warm-up, else the baseline, else the first event."""
        starts = {phase.name: phase.start for phase in reversed(self.phases)}
        return next((starts[name] for name in ("warm-up", "baseline") if name in starts), self.first or 0.0)


def gather(events: Iterable[Event]) -> Gathered:
    seen = Gathered()
    for event in events:
        gather_one(seen, event)
    return seen


def gather_one(seen: Gathered, event: Event) -> None:
    """Take in one event; never raises for what it holds."""
    seen.first = event.mono if seen.first is None else seen.first
    seen.last = max(seen.last, event.mono)
    reader = _READERS.get(event.kind)
    try:
        if reader is None:
            raise ValueError(event.kind)
        reader(seen, event)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError):
        seen.unknown_kinds[event.kind] = seen.unknown_kinds.get(event.kind, 0) + 1


def _load(seen: Gathered, event: Event) -> None:
    seen.series.feed(event.payload)  # read as it stands: there is one of these a second, with hundreds of numbers


def _phase(seen: Gathered, event: Event) -> None:
    edge = payload_of(event, PhaseEdge)
    if edge.edge == "start":
        seen.phases.append(PhaseSpan(edge.phase, event.mono))
        return
    for index, phase in enumerate(seen.phases):
        if phase.name == edge.phase and phase.end is None:
            seen.phases[index] = PhaseSpan(phase.name, phase.start, event.mono)


def _fault(seen: Gathered, event: Event) -> None:
    edge = payload_of(event, FaultEdge)
    change = seen.changes.setdefault(edge.entry, Change(step=edge.step, entry=edge.entry, fault=edge.fault))
    change.dependency = edge.dependency or change.dependency
    change.targets = edge.targets or change.targets
    change.undo = edge.undo or change.undo
    moment = event.mono - (edge.took or 0.0) if edge.edge == "struck" else event.mono
    change.at[edge.edge] = min(change.at.get(edge.edge, moment), moment) if edge.edge == "intent" else moment
    if edge.took is not None:
        change.took[edge.edge] = edge.took
    if edge.edge in ("strike-failed", "undo-failed", "left-over"):
        change.trouble = edge.detail or edge.edge
    elif edge.edge == "verified" and "strike-failed" not in change.at:
        change.trouble = ""


def _dose(seen: Gathered, event: Event) -> None:
    dose = payload_of(event, DoseResult)
    seen.doses.append(DoseShown(event.mono, dose.step, dose.fault, dose.proved, dose.expected, dose.seen, dose.reason))


def _step(seen: Gathered, event: Event) -> None:
    edge = payload_of(event, StepEdge)
    step = seen.steps.setdefault(edge.step, StepShown(edge.step, edge.type))
    step.title = edge.title or step.title
    if edge.edge == "end":
        step.end = event.mono
        return
    step.start = event.mono
    step.listed = step.listed or edge.edge == "listed"
    step.skipped = step.skipped or edge.edge == "skipped"


def _sample(seen: Gathered, event: Event) -> None:
    sample = payload_of(event, Sample)
    seen.probes.setdefault(sample.probe, ProbeLine(sample.probe)).add(event.mono, ok=sample.ok, detail=sample.detail)


def _observe(seen: Gathered, event: Event) -> None:
    looked = payload_of(event, Observation)
    for service, ready in looked.ready.items():
        line = seen.ready.setdefault(service, ReadyLine(service))
        line.desired = max(line.desired, looked.desired.get(service, 0))
        line.add(event.mono, ready)


def _note(seen: Gathered, event: Event) -> None:
    if len(seen.notes) < _MOST_NOTES:
        seen.notes.append((event.mono, payload_of(event, LoadNote)))


def _transactions(seen: Gathered, event: Event) -> None:
    seen.transactions = payload_of(event, TransactionCount)


def _stop(seen: Gathered, event: Event) -> None:
    seen.stop = seen.stop or payload_of(event, Stop)
    seen.stopped_at = event.mono if seen.stopped_at is None else seen.stopped_at


def _end(seen: Gathered, event: Event) -> None:
    seen.end = payload_of(event, RunEnd)


_READERS: dict[str, Callable[[Gathered, Event], None]] = {
    "load": _load,
    "phase": _phase,
    "fault": _fault,
    "dose": _dose,
    "step": _step,
    "sample": _sample,
    "observe": _observe,
    "load-note": _note,
    "transactions": _transactions,
    "stop": _stop,
    "end": _end,
}
