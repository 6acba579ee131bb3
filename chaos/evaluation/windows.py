"""From the journal's edges to the windows that tolerances bind in, and the origins that their clocks start from.

    baseline   the phase of that name
    fault      first strike to last undo
    recovery   last undo to the end of load
    whole      first strike to the end of load

A strike begins when its injector is called, not when it has returned: harm may come before the reply. A load step strikes
too: it begins and ends with its step. A fault that holds no time (killed pods) is over at once; its fault window then lasts
as long as the timeline's own fault phase, since a window of no length would judge nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaos.evaluation.evictions import Asked, by_budget
from chaos.journal import payload_of
from chaos.model.events import (
    DoseResult,
    Event,
    Evictions,
    FaultEdge,
    LoadNote,
    PhaseEdge,
    RunEnd,
    StepEdge,
    Stop,
    TransactionCount,
)
from chaos.model.tolerance import Tolerance

INSTANT = 1.0
"""A fault undone within so many seconds held no time of its own."""


@dataclass(frozen=True)
class Window:
    """A stretch of the run, in monotonic seconds."""

    name: str
    start: float
    end: float

    @property
    def length(self) -> float:
        return max(0.0, self.end - self.start)

    @property
    def seconds(self) -> range:
        """The whole seconds that belong to it: edges go to the nearest one, for counts are kept by the second."""
        first = round(self.start)
        return range(first, max(first, round(self.end)))

    def holds(self, moment: float) -> bool:
        return self.start <= moment < self.end


@dataclass
class Strike:
    """One change of the world, as the journal tells it."""

    step: str
    fault: str
    dependency: str = ""
    intended: float | None = None
    struck: float | None = None
    undone: float | None = None
    failed: str = ""
    verified: bool = False
    left_over: str = ""


@dataclass
class Timeline:
    """What happened when. Built by feeding it every event of a journal, in order."""

    phases: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    entries: dict[str, Strike] = field(default_factory=dict)
    surges: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    doses: dict[str, list[DoseResult]] = field(default_factory=dict)
    evictions: list[tuple[float, Evictions]] = field(default_factory=list)
    notes: list[LoadNote] = field(default_factory=list)
    transactions: TransactionCount | None = None
    stop: Stop | None = None
    end: RunEnd | None = None
    last: float = 0.0  # when the latest event was written
    last_load: int | None = None  # the latest second that load is known of

    def feed(self, event: Event) -> None:
        self.last = max(self.last, event.mono)
        if event.kind == "load":
            second = int(event.payload["second"])
            self.last_load = second if self.last_load is None else max(self.last_load, second)
        elif handler := _HANDLERS.get(event.kind):
            handler(self, event)

    def _phase(self, event: Event) -> None:
        edge = payload_of(event, PhaseEdge)
        start, _ = self.phases.get(edge.phase, (event.mono, None))
        self.phases[edge.phase] = (start, event.mono if edge.edge == "end" else None)

    def _fault(self, event: Event) -> None:
        edge = payload_of(event, FaultEdge)
        strike = self.entries.setdefault(edge.entry, Strike(edge.step, edge.fault, edge.dependency))
        if edge.edge == "intent":
            strike.intended = event.mono if strike.intended is None else strike.intended
        elif edge.edge == "struck":
            strike.struck = event.mono - (edge.took or 0.0)
        elif edge.edge == "strike-failed":
            strike.failed = edge.detail or "the strike failed"
        elif edge.edge == "undone":
            strike.undone = event.mono
        elif edge.edge in ("verified", "left-over"):
            strike.verified = edge.edge == "verified"
            strike.left_over = "" if strike.verified else edge.detail or "not put back"

    def _step(self, event: Event) -> None:
        edge = payload_of(event, StepEdge)
        if edge.type == "load" and edge.edge in ("start", "end"):
            start, _ = self.surges.get(edge.step, (event.mono, None))
            self.surges[edge.step] = (start, event.mono if edge.edge == "end" else None)

    def _dose(self, event: Event) -> None:
        dose = payload_of(event, DoseResult)
        self.doses.setdefault(dose.step, []).append(dose)

    def _rest(self, event: Event) -> None:
        if event.kind == "load-note":
            self.notes.append(payload_of(event, LoadNote))
        elif event.kind == "evictions":
            self.evictions.append((event.mono, payload_of(event, Evictions)))
        elif event.kind == "transactions":
            self.transactions = payload_of(event, TransactionCount)
        elif event.kind == "stop":
            self.stop = self.stop or payload_of(event, Stop)
        else:
            self.end = payload_of(event, RunEnd)

    @property
    def strikes(self) -> list[Strike]:
        """Every fault of the story that was struck, or should have been and failed; fittings in the path are none."""
        return [strike for strike in self.entries.values() if strike.struck is not None or strike.failed]

    @property
    def asked_to_leave(self) -> list[Asked]:
        """The pods that were evicted, or kept, by step and disruption budget."""
        return by_budget(self.evictions, {each.step: each.struck for each in self.strikes if each.struck is not None})

    @property
    def strike(self) -> float | None:
        """When the first fault, or surge, began."""
        begun = [strike.struck for strike in self.entries.values() if strike.struck is not None]
        begun += [start for start, _ in self.surges.values()]
        return min(begun, default=None)

    @property
    def undo(self) -> float | None:
        """When the last fault, or surge, was over."""
        if self.strike is None:
            return None
        over = [strike.undone or self.load_end for strike in self.entries.values() if strike.struck is not None]
        over += [self.load_end if end is None else end for _, end in self.surges.values()]
        return max(over)

    @property
    def load_end(self) -> float:
        """The end of recovery, or of the last phase under load that the run came to; of what is known, when it was cut off."""
        reached = next((self.phases[name] for name in ("recovery", "fault", "baseline") if name in self.phases), None)
        return self.last if reached is None or reached[1] is None else reached[1]

    def phase(self, name: str) -> Window | None:
        if name not in self.phases:
            return None
        start, end = self.phases[name]
        return Window(name, start, self.last if end is None else end)

    def windows(self) -> dict[str, Window]:
        """All windows that this run has."""
        found = {} if (baseline := self.phase("baseline")) is None else {"baseline": baseline}
        begun = self.strike if self.strike is not None else self._nothing_struck()
        if begun is None:
            return found
        over = self.undo if self.undo is not None else begun
        fault_phase = self.phase("fault")
        fault_end = fault_phase.end if over - begun < INSTANT and fault_phase else over
        found["fault"] = Window("fault", begun, max(over, fault_end))
        found["recovery"] = Window("recovery", over, self.load_end)
        found["whole"] = Window("whole", begun, self.load_end)
        return found

    def _nothing_struck(self) -> float | None:
        """Where a story of load and checks alone begins to be judged: when its baseline has ended."""
        fault = self.phase("fault")
        return fault.start if fault and not any(strike.failed for strike in self.entries.values()) else None


_HANDLERS = {
    "phase": Timeline._phase,
    "fault": Timeline._fault,
    "step": Timeline._step,
    "dose": Timeline._dose,
    "load-note": Timeline._rest,
    "evictions": Timeline._rest,
    "transactions": Timeline._rest,
    "stop": Timeline._rest,
    "end": Timeline._rest,
}


def read_timeline(events: Iterable[Event]) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.feed(event)
    return timeline


def bind(tolerance: Tolerance, timeline: Timeline, harm: Mapping[str | None, float]) -> Window | None:
    """The window in which a tolerance binds, from its origin and after its `after`; None when the run never came so far.

    `harm` holds, by transaction, when the first request failed after the strike. Without any harm the clock starts at the
    strike: nothing is excused that never happened.
    """
    windows = timeline.windows()
    window = windows.get(tolerance.window)
    if window is None:
        return None
    start = window.start
    origin = origin_of(tolerance, timeline, harm)
    if tolerance.start is not None and origin is not None:
        start = max(start, origin)
    start += tolerance.after
    return Window(tolerance.window, start, window.end) if start < window.end else None


def origin_of(tolerance: Tolerance, timeline: Timeline, harm: Mapping[str | None, float]) -> float | None:
    """Where the clock of a tolerance starts. Time to recover counts from the undo unless it says otherwise."""
    start = tolerance.start or ("undo" if tolerance.measure == "time-to-recover" else None)
    if start == "undo":
        return timeline.undo
    if start == "first-harm":
        return harm.get(tolerance.transaction, timeline.strike)
    return timeline.strike
