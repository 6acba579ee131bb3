"""Defences that held, named from what was seen while the fault was in effect."""

from collections.abc import Callable
from dataclasses import dataclass

from chaos.evaluation.evidence import Evidence

_QUIET = 0.5
"""Less than this share of the usual calls late in the fault: somebody has stopped calling."""


@dataclass(frozen=True)
class Defence:
    """One defence and the evidence for it."""

    name: str
    words: str


def defences(seen: Evidence) -> list[Defence]:
    """Every defence that the journal shows at work, the most telling first."""
    return [defence for look in _LOOKS if (defence := look(seen))]


def _degraded(seen: Evidence) -> Defence | None:
    counts = seen.during.counts
    if counts.degraded < 3 or counts.degraded < 2 * counts.failed:
        return None
    words = f"{counts.degraded:,} customers got a degraded answer, {counts.failed:,} none"
    return Defence("customers got a degraded answer instead of an error", words)


def _budget(seen: Evidence) -> Defence | None:
    """Pods were asked to leave all at once, and left a few at a time."""
    for asked in seen.asked_to_leave:
        if asked.few_at_a_time:
            told = asked.first
            went = f"let {told.asked - told.stayed} of {told.asked} pods of {asked.whose} leave at once and kept the others"
            return Defence("its disruption budget let pods leave a few at a time", f"disruption budget {told.budget} {went}")
    return None


def _replicas(seen: Evidence) -> Defence | None:
    for service in seen.struck:
        lowest = seen.lowest_ready(service)
        if lowest and 0 < lowest[0] < lowest[1]:
            words = f"{service} went on with {lowest[0]} of {lowest[1]} replicas; {seen.during.counts.failed:,} requests failed"
            return Defence("the other replicas took over", words)
    return None


def _breaker(seen: Evidence) -> Defence | None:
    """Late in the fault the dependency is called far less than usual, and customers do not wait for it."""
    for service in seen.struck:
        for key in ("calls", "received"):
            late, usual = seen.late.for_each_arrival(service, key), seen.before.for_each_arrival(service, key)
            if late is not None and usual and late < _QUIET * usual:
                left = f"{late / usual:.0%} of its usual traffic for each arrival"
                words = f"late in the fault {service} got {left}: callers left it alone"
                return Defence("callers stopped calling what did not answer", words)
    return None


def _quick(seen: Evidence) -> Defence | None:
    """Customers did not wait as long as the dependency took."""
    delay, slow = seen.dependency_delay(), seen.during.took.percentile(0.95)
    if delay is None or delay < 0.2 or slow is None or slow >= 0.7 * delay:
        return None
    it = "gave no answer while we looked" if delay == float("inf") else f"took {delay:.2f} s"
    return Defence(
        "customers did not wait for what did not answer",
        f"the dependency {it}; 19 of 20 customers had their answer in {slow:.2f} s",
    )


_LOOKS: tuple[Callable[[Evidence], Defence | None], ...] = (_degraded, _budget, _replicas, _breaker, _quick)
