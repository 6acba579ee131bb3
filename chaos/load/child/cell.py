"""One name in one second, and the 50 ms slots that a second is made of."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

SLOTS = 20
"""Slots of one second: 50 ms each."""


class Cell:
    """One name in one second: the counts that have not been sent yet."""

    __slots__ = (
        "attempted",
        "bad",
        "degraded",
        "errors",
        "failures",
        "fastest",
        "good",
        "latencies",
        "name",
        "second",
    )

    def __init__(self, second: int, name: str) -> None:
        self.second = second
        self.name = name
        self.attempted = [0] * SLOTS
        self.bad = [0] * SLOTS
        self.good = [0] * SLOTS
        self.fastest = [0.0] * SLOTS
        self.degraded = 0
        self.errors: dict[str, int] = {}
        self.latencies: dict[int, int] = {}
        self.failures: dict[int, int] = {}

    def as_json(self) -> dict[str, Any]:
        """A `LoadName`; zeros are left out."""
        answered = sum(self.latencies.values())
        counts = {
            "attempted": sum(self.attempted),
            "good": answered - self.degraded,
            "degraded": self.degraded,
            "failed": sum(self.failures.values()),
            "errors": self.errors,
            "latencies": self.latencies,
            "failures": self.failures,
        }
        counts = {key: value for key, value in counts.items() if value}
        counts["slots"] = {"attempted": self.attempted, "bad": self.bad, "good": self.good, "fastest": self.fastest}
        return counts


def slot_of(moment: float) -> int:
    """The number of the 50 ms slot that holds this moment."""
    return int(moment) * SLOTS + int((moment - int(moment)) * SLOTS)


def runs(moments: list[float]) -> Iterator[tuple[int, int, int]]:
    """Sorted moments by the slot that holds them: slot, index of its first, index after its last."""
    begin = 0
    while begin < len(moments):
        slot = slot_of(moments[begin])
        until = bisect_left(moments, slot + 1, begin, key=slot_of)
        yield slot, begin, until
        begin = until
