"""What a journal tells about why: how requests failed and how long that took, what reached the dependencies, who was ready.

Gathered in one reading, for one transaction (or all), in the stretches before, during and after the fault. What was not
recorded is None, never a guess.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.evaluation.evictions import Asked
from chaos.evaluation.measuring import Counts, Names, buckets
from chaos.evaluation.windows import Timeline, Window
from chaos.model.events import Event, TransactionCount
from chaos.model.histogram import Histogram, upper_bound
from chaos.story import Story


@dataclass
class Stretch:
    """One stretch of the run, added up."""

    window: Window
    counts: Counts = field(default_factory=Counts)
    answers: Histogram = field(default_factory=Histogram)
    failures: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    arrivals: int = 0  # of all transactions
    first_traffic: dict[str, dict[str, float]] = field(default_factory=dict)
    last_traffic: dict[str, dict[str, float]] = field(default_factory=dict)
    looked: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # service -> the first and the last look at its counters

    def load(self, names: Names, transaction: str | None) -> None:
        self.arrivals += (names.of(None) or {}).get("attempted", 0)
        if name := names.of(transaction):
            self.counts.add(name)
            self.answers.merge(buckets(name, "latencies"))
            self.failures.merge(buckets(name, "failures"))
            self.errors.update(name.get("errors", {}))

    def observe(self, moment: float, traffic: Mapping[str, Mapping[str, float]]) -> None:
        for service, counters in traffic.items():
            self.looked[service] = (self.looked.get(service, (moment, moment))[0], moment)
            self.first_traffic.setdefault(service, dict(counters))
            self.last_traffic[service] = dict(counters)

    def moved(self, service: str, key: str) -> float | None:
        """By how much a counter of a service rose; None where it was not there."""
        first, last = self.first_traffic.get(service, {}), self.last_traffic.get(service, {})
        if key not in last:
            return None
        return max(0.0, last[key] - first.get(key, 0.0))

    def for_each_arrival(self, service: str, key: str) -> float | None:
        """By how much a counter rose for each arrival, while it was looked at; None where that cannot be told."""
        first, last = self.looked.get(service, (0.0, 0.0))
        moved = self.moved(service, key)
        if moved is None or last <= first or not self.arrivals:
            return None
        return moved / (last - first) * self.window.length / self.arrivals

    @property
    def took(self) -> Histogram:
        """How long requests took, however they ended."""
        both = Histogram(self.answers.counts)
        both.merge(self.failures.counts)
        return both


def share_between(histogram: Histogram, low: float, high: float) -> float:
    """The share of values in (low, high], by upper bounds of buckets."""
    inside = sum(count for bucket, count in histogram.counts.items() if low < upper_bound(bucket) <= high)
    return inside / histogram.n if histogram.n else 0.0


@dataclass(frozen=True)
class Amplification:
    """How many times the usual calls a service got for every arrival."""

    service: str
    factor: float
    words: str


@dataclass
class Evidence:
    """All of it, for one finding."""

    story: Story
    timeline: Timeline
    transaction: str | None
    before: Stretch
    during: Stretch
    late: Stretch  # the second half of the fault
    after: Stretch
    bad_seconds: dict[int, tuple[int, int]] = field(default_factory=dict)  # second -> attempted, failed
    ready: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    desired: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    restarts: int = 0

    # -- facts that several hypotheses ask for ------------------------------------------------------------------------

    @property
    def limit(self) -> float | None:
        """When our customers give up."""
        return self.story.load.request_timeout if self.story.load else None

    @property
    def entry(self) -> str:
        load = self.story.load
        return load.target.service if load and load.target else ""

    @property
    def struck(self) -> list[str]:
        """Services and workloads that were hit."""
        moved = {name for asked in self.asked_to_leave if asked.first.stayed < asked.first.asked for name in asked.services}
        return sorted({strike.dependency for strike in self.timeline.strikes if strike.dependency} | moved)

    @property
    def asked_to_leave(self) -> list[Asked]:
        """The pods that were evicted, or kept by disruption budgets."""
        return self.timeline.asked_to_leave

    @property
    def transactions(self) -> TransactionCount | None:
        return self.timeline.transactions

    @property
    def failed_share(self) -> float:
        return self.during.counts.failed / self.during.counts.attempted if self.during.counts.attempted else 0.0

    def failures_at_our_limit(self) -> float | None:
        """The share of failures that took as long as customers wait at all; None without failures or limit."""
        if self.limit is None or not self.during.failures.n:
            return None
        return share_between(self.during.failures, 0.93 * self.limit, float("inf"))

    def dependency_delay(self) -> float | None:
        """How long the dependency took, read from outside while the fault was in effect; inf = it did not answer."""
        delays = []
        for results in self.timeline.doses.values():
            for line in results[-1].readings:
                during = line.get("during", {})
                if during.get("n") and "median_ms" in during:
                    hangs = not during.get("ok") and during["median_ms"] >= 500
                    delays.append(float("inf") if hangs else during["median_ms"] / 1000)
        return max(delays, default=None)

    def amplification(self, service: str) -> Amplification | None:
        """Calls (or bytes) that the service got for each arrival, against the baseline; None where nobody counted."""
        calls, keys = self.during.moved(service, "calls"), self.during.moved(service, "keys")
        if calls is not None and calls < self.during.counts.attempted:
            return None  # called less often than customers came: trying again is not what hurts here
        if calls and keys:
            return Amplification(
                service, calls / keys, f"{service} got {calls:.0f} calls for {keys:.0f} different transactions"
            )
        for key, unit in (("calls", "calls"), ("received", "bytes")):
            each, usual = self.during.for_each_arrival(service, key), self.before.for_each_arrival(service, key)
            if each and usual:
                words = f"{service} got {each:,.2f} {unit} for each arrival, against {usual:,.2f} in the baseline"
                return Amplification(service, each / usual, words)
        return None

    def observed(self) -> list[str]:
        """Services whose traffic was counted."""
        return sorted(self.during.last_traffic)

    def lowest_ready(self, service: str) -> tuple[int, int] | None:
        """The fewest ready endpoints during the fault, and how many replicas were asked for at that moment."""
        window = self._harm_window()
        seen = [(count, moment) for moment, count in self.ready.get(service, []) if window.holds(moment)]
        if not seen:
            return None
        count, moment = min(seen)
        wanted = [number for at, number in self.desired.get(service, []) if at <= moment]
        return (count, wanted[-1]) if wanted else None

    def failed_while_ready(self, service: str) -> tuple[int, int] | None:
        """Failures in seconds in which all replicas of a service looked ready, and all failures during the fault."""
        if service not in self.ready or service not in self.desired:
            return None
        looked_ready: dict[int, bool] = {}
        for (moment, count), (_, wanted) in zip(self.ready[service], self.desired[service], strict=False):
            second = int(moment)
            looked_ready[second] = looked_ready.get(second, True) and count >= wanted > 0
        seconds = self._harm_window().seconds
        failures = {s: failed for s, (_, failed) in self.bad_seconds.items() if failed and s in seconds}
        return sum(count for s, count in failures.items() if looked_ready.get(s)), sum(failures.values())

    def _harm_window(self) -> Window:
        return Window("harm", self.during.window.start, max(self.during.window.end, self.after.window.end))


def gather(story: Story, timeline: Timeline, events: Iterable[Event], transaction: str | None) -> Evidence | None:
    """The evidence for one transaction; None when nothing was struck."""
    windows = timeline.windows()
    if "fault" not in windows or "baseline" not in windows:
        return None
    fault = windows["fault"]
    late = Window("late", fault.start + fault.length / 2, fault.end)
    stretches = [Stretch(window) for window in (windows["baseline"], fault, late, windows["recovery"])]
    before, during, second_half, after = stretches
    evidence = Evidence(story, timeline, transaction, before, during, second_half, after)
    restarts: list[int] = []
    for event in events:
        if event.kind == "load":
            _load(evidence, stretches, event.payload)
        elif event.kind == "observe":
            _observe(evidence, stretches, event)
            restarts.append(sum(event.payload.get("restarts", {}).values()))
    evidence.restarts = max(0, restarts[-1] - restarts[0]) if restarts else 0
    return evidence


def _load(evidence: Evidence, stretches: list[Stretch], payload: Mapping[str, Any]) -> None:
    if not payload.get("names"):
        return
    second, names = int(payload["second"]), Names(payload["names"])
    for stretch in stretches:
        if second in stretch.window.seconds:
            stretch.load(names, evidence.transaction)
    if name := names.of(evidence.transaction):
        attempted, failed = evidence.bad_seconds.get(second, (0, 0))
        evidence.bad_seconds[second] = (attempted + name.get("attempted", 0), failed + name.get("failed", 0))


def _observe(evidence: Evidence, stretches: list[Stretch], event: Event) -> None:
    for stretch in stretches:
        if stretch.window.holds(event.mono):
            stretch.observe(event.mono, event.payload.get("traffic", {}))
    for kept, key in ((evidence.ready, "ready"), (evidence.desired, "desired")):
        for service, count in event.payload.get(key, {}).items():
            kept.setdefault(service, []).append((event.mono, count))
