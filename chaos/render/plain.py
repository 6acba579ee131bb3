"""One calm line a happening, for CI logs and pipes: phases, strikes, doses, harm, undo, proof."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from pydantic import ValidationError

from chaos.journal import payload_of
from chaos.model.events import (
    DoseResult,
    Event,
    Evictions,
    FaultEdge,
    LoadNote,
    PhaseEdge,
    RunEnd,
    Sample,
    StepEdge,
    Stop,
    TransactionCount,
)
from chaos.render import words

_HARM_SHARE = 0.1
"""Harm is told when more than this share of one second's requests failed ..."""
_GOOD_SHARE = 0.95
"""... and its end when this share was answered in two seconds on end."""
_MIN_ATTEMPTS = 3


@dataclass
class _Second:
    attempted: int = 0
    answered: int = 0
    failed: int = 0

    @property
    def good(self) -> bool:
        return self.attempted >= _MIN_ATTEMPTS and self.answered >= _GOOD_SHARE * self.attempted


class PlainView:
    """Writes to the stream that it was handed; a line is never rewritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._zero: float | None = None
        self._seconds: dict[int, _Second] = {}
        self._harmed = False
        self._failing: set[str] = set()

    def __enter__(self) -> "PlainView":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.flush()

    def __call__(self, event: Event) -> None:
        self.on_event(event)

    def on_event(self, event: Event) -> None:
        self._zero = event.mono if self._zero is None else self._zero
        teller = _TELLERS.get(event.kind)
        if teller is None:
            return
        try:
            said = teller(self, event)
        except (ValidationError, ValueError, TypeError, KeyError):
            return  # of a later version, or torn: the journal keeps it
        if said:
            self._stream.write(f"{event.mono - self._zero:7.1f} s  {words.printable(' '.join(said.split()))}\n")
            self._stream.flush()

    # -- what each kind says; "" = nothing worth a line ---------------------------------------------------------------

    def _phase(self, event: Event) -> str:
        edge = payload_of(event, PhaseEdge)
        return f"── {edge.phase} ──" if edge.edge == "start" else ""

    def _fault(self, event: Event) -> str:
        edge = payload_of(event, FaultEdge)
        name = f"{edge.fault}{' at ' + edge.dependency if edge.dependency else ''}"
        took = f" in {words.seconds(edge.took)}" if edge.took is not None else ""
        return {
            "armed": f"armed: {name}{took}",
            "struck": f"STRUCK: {name}{took}",
            "strike-failed": f"strike failed: {name}: {edge.detail}",
            "undone": f"undone: {name}{took}",
            "disarmed": f"taken out of the path: {name}{took}",
            "undo-failed": f"UNDO FAILED: {name}: {edge.detail}",
            "verified": f"put back and read back: {name}",
            "left-over": f"LEFT OVER: {name}: {edge.detail}",
        }.get(edge.edge, "")

    def _dose(self, event: Event) -> str:
        dose = payload_of(event, DoseResult)
        return f"dose proved: {dose.seen}" if dose.proved else f"dose NOT proved ({dose.reason}): {dose.seen}"

    def _evictions(self, event: Event) -> str:
        told = payload_of(event, Evictions)
        if not told.stayed or not told.budget:
            return ""
        declines = ", and declines still" if told.refused else ""
        return f"disruption budget {told.budget} kept {told.stayed} of {told.asked} pods{declines}"

    def _step(self, event: Event) -> str:
        edge = payload_of(event, StepEdge)
        if edge.edge == "listed":
            return f"for people: {edge.title or edge.step}"
        if edge.edge == "skipped":
            return f"skipped: {edge.step}"
        return f"{edge.type} step {edge.step} {edge.edge}s" if edge.type in ("load", "hold", "check") else ""

    def _sample(self, event: Event) -> str:
        sample = payload_of(event, Sample)
        if sample.ok and sample.probe in self._failing:
            self._failing.discard(sample.probe)
            return f"probe {sample.probe}: as expected again"
        if not sample.ok and sample.probe not in self._failing:
            self._failing.add(sample.probe)
            return f"probe {sample.probe}: {sample.detail or 'not as expected'}"
        return ""

    def _note(self, event: Event) -> str:
        note = payload_of(event, LoadNote)
        return f"load {note.what}{': ' + note.detail if note.detail else ''}"

    def _transactions(self, event: Event) -> str:
        seen = payload_of(event, TransactionCount)
        if seen.unreadable:
            return f"transactions: could not be read: {seen.unreadable}"
        kept = f"{seen.acknowledged:,} acknowledged, {seen.stored:,} stored"
        return f"transactions: {kept}, {seen.lost:,} lost, {seen.wrong:,} wrong"

    def _stop(self, event: Event) -> str:
        stop = payload_of(event, Stop)
        return f"STOPPED ({stop.reason}): {stop.detail}"

    def _end(self, event: Event) -> str:
        end = payload_of(event, RunEnd)
        crash = f"; the tool failed: {end.crash}" if end.crash else ""
        return ("everything is put back" if end.clean else f"LEFT OVER: {words.listing(end.left_overs)}") + crash

    def _load(self, event: Event) -> str:
        """Harm and its end, by the second in which requests started."""
        number = int(event.payload["second"])
        second = self._seconds.setdefault(number, _Second())
        for name in (event.payload.get("names") or {}).values():
            second.attempted += name.get("attempted", 0)
            second.answered += name.get("good", 0) + name.get("degraded", 0)
            second.failed += name.get("failed", 0)
        for old in [each for each in self._seconds if each < number - 30]:
            del self._seconds[old]
        return self._harm(number)

    def _harm(self, newest: int) -> str:
        if not self._harmed:
            for second in self._seconds.values():
                if second.attempted >= _MIN_ATTEMPTS and second.failed > _HARM_SHARE * second.attempted:
                    self._harmed = True
                    return f"HARM: {second.failed} of {second.attempted} requests of one second failed"
            return ""
        recent = [self._seconds.get(newest - back) for back in range(2)]
        if all(second and second.good for second in recent):
            self._harmed = False
            self._seconds.clear()
            return "requests are answered again"
        return ""


_TELLERS: dict[str, Callable[[PlainView, Event], str]] = {
    "phase": PlainView._phase,
    "fault": PlainView._fault,
    "dose": PlainView._dose,
    "evictions": PlainView._evictions,
    "step": PlainView._step,
    "sample": PlainView._sample,
    "load-note": PlainView._note,
    "transactions": PlainView._transactions,
    "stop": PlainView._stop,
    "end": PlainView._end,
    "load": PlainView._load,
}
