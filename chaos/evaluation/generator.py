"""What the load generator itself was doing, second by second: alive or not, how busy, how many arrivals were meant.

A second without a heartbeat and without a request is no data. A second with a heartbeat in which nothing was attempted
although arrivals were meant is not silence but harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chaos.evaluation.windows import Window
from chaos.model.events import Event

BUSY_PERCENT = 90.0
"""Above this share of a core the generator's own queue is in what it measures."""


@dataclass(slots=True)
class GeneratorSecond:
    """One second of all workers together."""

    beats: int = 0
    attempted: int = 0
    intended: float | None = None
    dropped: int = 0
    in_flight: int = 0
    busiest: float = 0.0
    users: int = 0


@dataclass
class Generator:
    """Built by feeding it every event. Memory grows with seconds, not with requests."""

    seconds: dict[int, GeneratorSecond] = field(default_factory=dict)
    last_beat: dict[str, int] = field(default_factory=dict)

    def feed(self, event: Event) -> None:
        # the payload is read as it stands: a model for each of these records would cost more than all the judging
        payload = event.payload
        number = int(payload["second"])
        second = self.seconds.get(number)
        if second is None:
            second = self.seconds[number] = GeneratorSecond()
        for name in payload.get("names", {}).values():
            second.attempted += name.get("attempted", 0)
        second.dropped += payload.get("dropped", 0)  # among the attempted: customers who could not be sent have failed
        if (intended := payload.get("intended")) is not None:
            second.intended = (second.intended or 0.0) + intended
        second.busiest = max(second.busiest, payload.get("cpu_percent") or 0.0)
        if payload.get("heartbeat"):
            self._beat(number, second, payload)

    def _beat(self, number: int, second: GeneratorSecond, payload: dict[str, object]) -> None:
        second.beats += 1
        second.in_flight += _whole(payload.get("in_flight"))
        second.users += _whole(payload.get("users"))
        worker = str(payload.get("worker", "local"))
        self.last_beat[worker] = max(number, self.last_beat.get(worker, number))

    def at(self, second: int) -> GeneratorSecond:
        return self.seconds.get(second) or _NOTHING

    def missing(self, window: Window) -> list[int]:
        """Seconds that nothing is known of."""
        return [s for s in window.seconds if not self.at(s).beats and not self.at(s).attempted]

    def lost_workers(self, window: Window) -> list[str]:
        """Workers that had fallen silent three seconds before the end of the window, or earlier."""
        return sorted(worker for worker, last in self.last_beat.items() if last < window.end - 3)

    def attempted(self, seconds: Iterable[int]) -> int:
        return sum(self.at(s).attempted for s in seconds)

    def dropped(self, seconds: Iterable[int]) -> int:
        return sum(self.at(s).dropped for s in seconds)

    def intended(self, seconds: Iterable[int]) -> float | None:
        """Arrivals meant; None when the load is users rather than a rate."""
        meant = [intended for s in seconds if (intended := self.at(s).intended) is not None]
        return sum(meant) if meant else None

    def expected_in_missing(self, window: Window) -> float:
        """How many requests the seconds without data would have held at the rate of the others."""
        missing = len(self.missing(window))
        known = len(window.seconds) - missing
        return missing * self.attempted(window.seconds) / known if missing and known else float(missing)


_NOTHING = GeneratorSecond()


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
