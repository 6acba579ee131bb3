"""What every measure shares: where it looks, what it answers, how it counts requests and says so in words.

A measure answers with its value, with what the value would be if the seconds without data had all been bad (`worst`), with how
many requests it stands on, and with the arithmetic in words, so that a reader can do the sum again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chaos.evaluation.generator import Generator
from chaos.evaluation.windows import Timeline, Window
from chaos.model.events import Event
from chaos.model.verdict import ReasonCode

MIN_SAMPLES = 20
"""A share or a percentile of fewer requests than this proves nothing."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one measure found. `missing` is the reason code when there is no value, or only part of one."""

    value: float | None
    n: int = 0
    arithmetic: str
    worst: float | None = None
    missing: ReasonCode = ""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a measure looks."""

    window: Window
    timeline: Timeline
    generator: Generator
    origin: float | None = None  # where the clock of the tolerance starts
    settled: bool = True  # false: what is in flight may still be answered

    @property
    def span(self) -> range:
        """All seconds that load is known of."""
        seconds = self.generator.seconds
        return range(min(seconds), max(seconds) + 1) if seconds else range(0)


class Names:
    """What one record of load says, by transaction; and of all transactions together, added up once for whoever asks."""

    __slots__ = ("_whole", "by_name")

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.by_name = names
        self._whole: Mapping[str, Any] | None = None

    def of(self, transaction: str | None) -> Mapping[str, Any] | None:
        """What it says of one transaction, or (None) of all."""
        if transaction is not None:
            return self.by_name.get(transaction)
        if self._whole is None:
            parts = list(self.by_name.values())
            self._whole = parts[0] if len(parts) == 1 else _added(parts)
        return self._whole


_COUNTED = ("attempted", "good", "degraded", "failed")


def _added(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        key: sum(part.get(key, 0) for part in parts) for key in ("attempted", "good", "degraded", "failed")
    }
    for key in ("latencies", "failures", "errors"):
        counts: dict[str, int] = {}
        for part in parts:
            for each, count in part.get(key, {}).items():
                counts[each] = counts.get(each, 0) + count
        whole[key] = counts
    slots = [each for part in parts if (each := part.get("slots"))]
    if slots:
        beside = {key: zip(*(each[key] for each in slots), strict=True) for key in ("attempted", "bad", "good", "fastest")}
        fastest = [min(filter(None, each), default=0.0) for each in beside.pop("fastest")]
        whole["slots"] = {key: list(map(sum, each)) for key, each in beside.items()} | {"fastest": fastest}
    return whole


class Listener(Protocol):
    """Fed with everything that a journal says."""

    def load(self, second: int, names: Names) -> None:
        """One record of load."""

    def sample(self, event: Event) -> None:
        """One reading of a probe."""


class Measure(Listener, Protocol):
    """Built for one tolerance; asked once."""

    def result(self) -> Measured:
        """What was found."""


@dataclass
class Counts:
    """Requests by how they ended. What was never answered has failed; with `settled` false it may still be answered."""

    sent: int = 0
    good: int = 0
    degraded: int = 0
    told_failed: int = 0
    settled: bool = True

    def add(self, name: Mapping[str, Any]) -> None:
        self.sent += name.get("attempted", 0)
        self.good += name.get("good", 0)
        self.degraded += name.get("degraded", 0)
        self.told_failed += name.get("failed", 0)

    @property
    def attempted(self) -> int:
        return self.sent if self.settled else self.answered + self.told_failed

    @property
    def answered(self) -> int:
        return self.good + self.degraded

    @property
    def failed(self) -> int:
        return max(0, self.attempted - self.answered)


@dataclass
class MeasureBase:
    """What most measures share: they look at one transaction in one window, and at no probe."""

    tolerance: Any
    scope: Scope
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.counts.settled = self.scope.settled

    def load(self, second: int, names: Names) -> None:
        if second in self.scope.window.seconds and (name := names.of(self.tolerance.transaction)):
            self.counts.add(name)
            self.take(name)

    def take(self, name: Mapping[str, Any]) -> None:
        """More than the counts, where a measure needs more."""

    def sample(self, event: Event) -> None:
        """Only probes look at samples."""

    @property
    def unseen(self) -> int:
        """How many requests the seconds without data may have held."""
        return round(self.scope.generator.expected_in_missing(self.scope.window))

    def blind_words(self) -> str:
        missing = len(self.scope.generator.missing(self.scope.window))
        return f"; {missing} s without data (about {self.unseen} requests)" if missing else ""


def buckets(name: Mapping[str, Any], key: str) -> dict[int, int]:
    """Log buckets; JSON has turned their numbers into text."""
    return {int(bucket): count for bucket, count in name.get(key, {}).items()}


def nothing_attempted(window: Window) -> Measured:
    return Measured(
        value=None,
        arithmetic=f"nothing was attempted, or nothing came back, in {window.length:.1f} s: no data",
        missing="no-data",
    )


def too_few(n: int) -> ReasonCode:
    return "too-few-samples" if n < MIN_SAMPLES else ""


def percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def ordinal(percentile: float) -> str:
    return f"{percentile:g}th"
