"""Where a run stands, folded from its events: what the live view draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.engine.timeline import length, schedule
from chaos.model.events import Event
from chaos.model.histogram import Histogram
from chaos.render.gathering import Gathered, gather_one
from chaos.render.happenings import Change
from chaos.story import Story

PHASES = ("preflight", "arm", "warm-up", "baseline", "fault", "recovery", "disarm")
_WINDOW = 60
_RECENT = 5


@dataclass
class Beat:
    """One second of load, all transactions together."""

    attempted: int = 0
    good: int = 0
    degraded: int = 0
    failed: int = 0
    in_flight: int = 0
    took: Histogram = field(default_factory=Histogram)


@dataclass
class Progress:
    """`lengths`: phase -> planned seconds, where they are known."""

    lengths: Mapping[str, float] = field(default_factory=dict)
    now: float = 0.0
    seen: Gathered = field(default_factory=Gathered)
    beats: dict[int, Beat] = field(default_factory=dict)

    def feed(self, event: Event) -> None:
        self.now = max(self.now, event.mono)
        gather_one(self.seen, event)
        if event.kind == "load" and "second" in event.payload:
            self._beat(event)

    def _beat(self, event: Event) -> None:
        beat = self.beats.setdefault(int(event.payload["second"]), Beat())
        for name in (event.payload.get("names") or {}).values():
            for key in ("attempted", "good", "degraded", "failed"):
                setattr(beat, key, getattr(beat, key) + name.get(key, 0))
            for key in ("latencies", "failures"):
                beat.took.merge({int(bucket): count for bucket, count in (name.get(key) or {}).items()})
        if event.payload.get("heartbeat"):
            beat.in_flight += event.payload.get("in_flight") or 0
        for old in [second for second in self.beats if second < max(self.beats) - _WINDOW]:
            del self.beats[old]

    @property
    def recent(self) -> Histogram:
        """How long requests of the last five seconds took."""
        merged = Histogram()
        for second, beat in self.beats.items():
            if second > max(self.beats) - _RECENT:
                merged.merge(beat.took.counts)
        return merged

    @property
    def phase(self) -> str:
        """The phase under way, or the last one."""
        open_ones = [phase.name for phase in self.seen.phases if phase.end is None]
        return open_ones[-1] if open_ones else self.seen.phases[-1].name if self.seen.phases else "preflight"

    def share_of(self, phase: str, now: float) -> float | None:
        """How much of a phase has passed, 0..1; None when its length is not known."""
        for span in self.seen.phases:
            if span.name == phase:
                if span.end is not None:
                    return 1.0
                length = self.lengths.get(phase)
                return min(1.0, (now - span.start) / length) if length else None
        return 0.0

    def left(self, now: float) -> float | None:
        """Seconds until the end of recovery, as planned; None when the lengths are not known."""
        if not self.lengths:
            return None
        left = 0.0
        for phase, planned in self.lengths.items():
            span = next((span for span in self.seen.phases if span.name == phase), None)
            if span is None:
                left += planned
            elif span.end is None:
                left += max(0.0, planned - (now - span.start))
        return left

    @property
    def faults(self) -> list[Change]:
        return [change for change in self.seen.changes.values() if change.strikes]


def lengths_of(story: Story) -> dict[str, float]:
    """Phase -> planned seconds, for the countdown."""
    warm_up = {"warm-up": story.load.warm_up} if story.load else {}
    return {**warm_up, "baseline": story.baseline, "fault": length(schedule(story, "ci")), "recovery": story.recovery}
