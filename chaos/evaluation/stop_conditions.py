"""When the blast is larger than anybody wanted: stop conditions, judged while the run goes on."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from chaos.model.events import LoadSecond, Sample
from chaos.model.histogram import Histogram, upper_bound
from chaos.scenario import StopCondition

MIN_SAMPLES = 10
"""Of fewer requests than this nobody should conclude that a blast is too large."""


@dataclass
class _Second:
    """What one second holds for one condition."""

    attempted: int = 0
    answered: int = 0
    histogram: Histogram = field(default_factory=Histogram)


@dataclass
class _Watched:
    """One condition and the last stretch of the run that it looks at."""

    condition: StopCondition
    seconds: dict[int, _Second] = field(default_factory=dict)
    readings: deque[tuple[float, bool]] = field(default_factory=deque)

    def load(self, record: LoadSecond) -> None:
        second = self.seconds.setdefault(record.second, _Second())
        for key, name in record.names.items():
            if self.condition.transaction in (None, key):
                second.attempted += name.attempted
                second.answered += name.good + name.degraded
                second.histogram.merge(name.latencies)
                second.histogram.merge(name.failures)

    def broken(self, now: float) -> str:
        """What is broken, with the figures, or ""."""
        self._forget(now - self.condition.over)
        if self.condition.measure == "probe":
            return self._probe(now)
        resolved = sum(second.histogram.n for second in self.seconds.values())
        waiting = sum(max(0, s.attempted - s.histogram.n) for number, s in self.seconds.items() if number < int(now) - 1)
        return self._availability(resolved, waiting) if self.condition.measure == "availability" else self._latency(waiting)

    def _forget(self, before: float) -> None:
        for number in [number for number in self.seconds if number + 1 <= before]:
            del self.seconds[number]
        while self.readings and self.readings[0][0] < before - 1:
            self.readings.popleft()

    def _availability(self, resolved: int, waiting: int) -> str:
        below = self.condition.below
        answered = sum(second.answered for second in self.seconds.values())
        total = resolved + (waiting if answered == 0 else 0)  # nothing at all comes back: who waits is not well off either
        if below is None or total < MIN_SAMPLES or answered >= below * total:
            return ""
        return f"{answered} of {total} answered in the last {self.condition.over:g} s, below {below * 100:g} %"

    def _latency(self, waiting: int) -> str:
        above = self.condition.above
        histogram = Histogram()
        for second in self.seconds.values():
            histogram.merge(second.histogram.counts)
        total = histogram.n + waiting
        if above is None or total < MIN_SAMPLES:
            return ""
        slow = waiting + sum(count for bucket, count in histogram.counts.items() if upper_bound(bucket) > above)
        if slow <= (1 - self.condition.percentile / 100) * total:
            return ""
        return f"{slow} of {total} requests took longer than {above:g} s in the last {self.condition.over:g} s"

    def _probe(self, now: float) -> str:
        if not self.readings or any(ok for _, ok in self.readings) or now - self.readings[0][0] < self.condition.over:
            return ""
        return f"all {len(self.readings)} readings of {self.condition.probe} failed for {self.condition.over:g} s"


class StopWatch:
    """Fed with what happens; answers which condition is broken. Keeps no more than the stretch that it looks at."""

    def __init__(self, conditions: Sequence[StopCondition]) -> None:
        self._watched = [_Watched(condition) for condition in conditions]

    def load(self, record: LoadSecond) -> None:
        for watched in self._watched:
            watched.load(record)

    def sample(self, sample: Sample, mono: float) -> None:
        for watched in self._watched:
            if watched.condition.measure == "probe" and watched.condition.probe == sample.probe and not sample.step:
                watched.readings.append((mono, sample.ok))

    def broken(self, now: float) -> str:
        """`id: what was seen` of the first condition that is broken, or ""."""
        for watched in self._watched:
            if words := watched.broken(now):
                return f"{watched.condition.id}: {words}"
        return ""
