"""Time as a value: monotonic inside, wall clock for display only.

On Linux the monotonic clock is the same for all processes of a machine, so the runner and its Locust child share it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets the time from; tests hand in one that jumps."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> datetime:
        """The time of day, in UTC, for people."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait so long, or until `stop` is set; tells whether it is set."""


class RealClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(max(0.0, seconds))


@dataclass
class VirtualClock:
    """A clock for tests: waiting moves it, and nothing else does."""

    at: float = 1000.0
    start: datetime = field(default_factory=lambda: datetime(2026, 1, 5, 9, 0, tzinfo=UTC))

    def now(self) -> float:
        return self.at

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.start.timestamp() + self.at - 1000.0, UTC)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        if not stop.is_set():
            self.at += max(0.0, seconds)
        return stop.is_set()


def since_boot() -> float:
    """Monotonic seconds that also pass while the machine sleeps: a lease runs out with the lid closed as well."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(
    holds: Callable[[], bool], *, clock: Clock, within: float, every: float = 0.1, stop: threading.Event | None = None
) -> bool:
    """Wait until `holds` answers true; false when `within` seconds have passed or `stop` is set before that."""
    stop = stop or threading.Event()
    deadline = clock.now() + within
    while not (ok := holds()) and clock.now() < deadline and not stop.is_set():
        clock.wait(stop, min(every, max(0.001, deadline - clock.now())))
    return ok
