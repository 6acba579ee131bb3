"""Load over time in a bounded number of columns, however long the run was: columns double in width when there are too many."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.model.histogram import Histogram

MOST_COLUMNS = 480
_MOST_NAMES = 24
ALL = ""
"""The name under which all transactions are added up."""


@dataclass(slots=True)
class Column:
    """What happened in one stretch of time: counts by the second in which requests started."""

    attempted: int = 0
    good: int = 0
    degraded: int = 0
    failed: int = 0
    took: Histogram = field(default_factory=Histogram)  # of every request: answered or failed

    def add(self, name: Mapping[str, Any]) -> None:
        self.attempted += name.get("attempted", 0)
        self.good += name.get("good", 0)
        self.degraded += name.get("degraded", 0)
        self.failed += name.get("failed", 0)
        counts = self.took.counts
        for key in ("latencies", "failures"):
            for bucket, count in (name.get(key) or {}).items():
                number = int(bucket)
                counts[number] = counts.get(number, 0) + count

    def merge(self, other: "Column") -> None:
        self.attempted += other.attempted
        self.good += other.good
        self.degraded += other.degraded
        self.failed += other.failed
        self.took.merge(other.took.counts)


@dataclass(slots=True)
class Pulse:
    """The generator itself in one stretch of time, summed over its seconds and workers."""

    beats: int = 0
    in_flight: int = 0
    intended: float | None = None
    dropped: int = 0
    cpu: float = 0.0

    def merge(self, other: "Pulse") -> None:
        self.beats += other.beats
        self.in_flight += other.in_flight
        self.dropped += other.dropped
        self.cpu = max(self.cpu, other.cpu)
        if other.intended is not None:
            self.intended = (self.intended or 0.0) + other.intended


@dataclass(frozen=True)
class Point:
    """One column, ready to draw: rates a second, percentiles in seconds."""

    start: float  # seconds after the start of load
    end: float
    attempted: float
    good: float
    degraded: float
    failed: float
    answered: float | None  # share; None where nothing was attempted
    p50: float | None
    p95: float | None
    p99: float | None
    in_flight: float
    intended: float | None


class Series:
    """Fed with `load` payloads in any order; tells the columns of each transaction and of all together."""

    def __init__(self, most: int = MOST_COLUMNS) -> None:
        self.width = 1  # seconds
        self.errors: dict[str, dict[str, int]] = {}
        self._most = most
        self._names: dict[str, dict[int, Column]] = {}
        self._pulse: dict[int, Pulse] = {}

    def feed(self, payload: Mapping[str, Any]) -> None:
        key = int(payload["second"]) // self.width
        for name, counts in (payload.get("names") or {}).items():
            known = name if name in self._names or len(self._names) < _MOST_NAMES else "(other)"
            self._names.setdefault(known, {}).setdefault(key, Column()).add(counts)
            errors = self.errors.setdefault(known, {})
            for error, count in (counts.get("errors") or {}).items():
                errors[error] = errors.get(error, 0) + count
        self._beat(key, payload)
        while self._pulse and max(self._pulse) - min(self._pulse) >= self._most:
            self._double()

    def _beat(self, key: int, payload: Mapping[str, Any]) -> None:
        alive = bool(payload.get("heartbeat"))
        beat = Pulse(
            beats=int(alive),
            in_flight=payload.get("in_flight") or 0 if alive else 0,
            intended=payload.get("intended") if alive else None,
            dropped=payload.get("dropped") or 0,
            cpu=payload.get("cpu_percent") or 0.0,
        )
        self._pulse.setdefault(key, Pulse()).merge(beat)

    def _double(self) -> None:
        self.width *= 2
        for name, columns in self._names.items():
            wider: dict[int, Column] = {}
            for key, column in columns.items():
                wider.setdefault(key // 2, Column()).merge(column)
            self._names[name] = wider
        pulses: dict[int, Pulse] = {}
        for key, pulse in self._pulse.items():
            pulses.setdefault(key // 2, Pulse()).merge(pulse)
        self._pulse = pulses

    @property
    def names(self) -> list[str]:
        """Transactions, the busiest first."""
        return sorted(self._names, key=lambda name: (-self.total(name).attempted, name))

    @property
    def span(self) -> tuple[float, float] | None:
        """Monotonic seconds of the first and after the last column; None without load."""
        if not self._pulse:
            return None
        return float(min(self._pulse) * self.width), float((max(self._pulse) + 1) * self.width)

    @property
    def dropped(self) -> int:
        return sum(pulse.dropped for pulse in self._pulse.values())

    @property
    def busiest(self) -> float:
        return max((pulse.cpu for pulse in self._pulse.values()), default=0.0)

    def total(self, name: str = ALL) -> Column:
        whole = Column()
        for column in self._columns(name).values():
            whole.merge(column)
        return whole

    def _columns(self, name: str) -> dict[int, Column]:
        if name != ALL:
            return self._names.get(name, {})
        merged: dict[int, Column] = {}
        for columns in self._names.values():
            for key, column in columns.items():
                merged.setdefault(key, Column()).merge(column)
        return merged

    def points(self, name: str, zero: float) -> list[Point]:
        """All columns from the first to the last, empty ones too."""
        return list(self._points(self._columns(name), zero))

    def _points(self, columns: Mapping[int, Column], zero: float) -> Iterator[Point]:
        if not self._pulse:
            return
        width, empty, quiet = self.width, Column(), Pulse()
        for key in range(min(self._pulse), max(self._pulse) + 1):
            column, pulse = columns.get(key, empty), self._pulse.get(key, quiet)
            yield Point(
                start=key * width - zero,
                end=(key + 1) * width - zero,
                attempted=column.attempted / width,
                good=column.good / width,
                degraded=column.degraded / width,
                failed=column.failed / width,
                answered=(column.good + column.degraded) / column.attempted if column.attempted else None,
                p50=column.took.percentile(0.50),
                p95=column.took.percentile(0.95),
                p99=column.took.percentile(0.99),
                in_flight=pulse.in_flight / width,
                intended=None if pulse.intended is None else pulse.intended / width,
            )
