"""Measures that count answers: availability, latency percentile, throughput kept, graceful degradation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.evaluation.measuring import (
    Counts,
    MeasureBase,
    Measured,
    Names,
    ms,
    nothing_attempted,
    ordinal,
    percent,
    too_few,
)
from chaos.evaluation.windows import Window
from chaos.model.histogram import Histogram


class AvailabilityMeasure(MeasureBase):
    """Share of attempted requests that were answered."""

    def result(self) -> Measured:
        tried = self.counts.attempted
        if not tried:
            return nothing_attempted(self.scope.window)
        words = f"{self.counts.answered:,} of {tried:,} answered"
        if self.counts.degraded:
            words += f" ({self.counts.degraded:,} of them degraded)"
        if dropped := self.scope.generator.dropped(self.scope.window.seconds):
            words += f"; {dropped:,} arrivals could not even be sent, too many were waiting, and count as failed"
        share = self.counts.answered / tried
        return Measured(
            value=share,
            worst=self.counts.answered / (tried + self.unseen),
            n=tried,
            arithmetic=f"{words} = {percent(share)}{self.blind_words()}",
            missing=too_few(tried),
        )


@dataclass
class LatencyMeasure(MeasureBase):
    """A percentile over all attempted requests, by the upper bounds of log buckets: never too low."""

    _counted: dict[str, int] = field(default_factory=dict)  # buckets as JSON writes them: read as numbers once, at the end

    def take(self, name: Mapping[str, Any]) -> None:
        counted = self._counted
        for key in ("latencies", "failures"):
            for bucket, count in name.get(key, {}).items():
                counted[bucket] = counted.get(bucket, 0) + count

    @property
    def histogram(self) -> Histogram:
        found = Histogram()
        for bucket, count in self._counted.items():
            found.merge({int(bucket): count})
        return found

    def result(self) -> Measured:
        if not self.counts.attempted:
            return nothing_attempted(self.scope.window)
        histogram = self.histogram
        unknown = max(0, self.counts.attempted - histogram.n)
        share = self.tolerance.percentile / 100
        value = _percentile_with(histogram, share, never=unknown)
        worst = _percentile_with(histogram, share, never=unknown + self.unseen)
        words = f"{ordinal(self.tolerance.percentile)} percentile of {self.counts.attempted:,} requests"
        words += f" ({self.counts.failed:,} failed, counted with the time they took)" if self.counts.failed else ""
        words += f"; {unknown:,} never came back" if unknown else ""
        words += f" = {ms(value)}" if value != float("inf") else " = no answer at all"
        value = self.scope.window.length if value == float("inf") else value
        return Measured(
            value=value,
            worst=worst,
            n=self.counts.attempted,
            arithmetic=words + self.blind_words(),
            missing=too_few(self.counts.attempted),
        )


@dataclass
class ThroughputMeasure(MeasureBase):
    """Answers a second against the baseline's."""

    before: Counts = field(default_factory=Counts)

    def load(self, second: int, names: Names) -> None:
        super().load(second, names)
        baseline = self.scope.timeline.phase("baseline")
        if baseline and second in baseline.seconds and (name := names.of(self.tolerance.transaction)):
            self.before.add(name)

    def result(self) -> Measured:
        baseline = self.scope.timeline.phase("baseline")
        if baseline is None or not self.before.answered:
            return Measured(
                value=None, arithmetic="there was no good answer in the baseline to compare with", missing="no-data"
            )
        if not self.counts.attempted and self.scope.generator.missing(self.scope.window):
            return nothing_attempted(self.scope.window)
        rate, rate_before = self._per_second(self.counts, self.scope.window), self._per_second(self.before, baseline)
        changed = self._changed_by(baseline)
        value = rate / rate_before / changed
        seen = 1 - len(self.scope.generator.missing(self.scope.window)) / max(1, len(self.scope.window.seconds))
        words = f"{rate:.2f} good answers/s against {rate_before:.2f}/s in the baseline"
        words += f", with {changed:.2f} times the arrivals" if abs(changed - 1) > 0.005 else ""
        return Measured(
            value=value,
            worst=value * seen,
            n=self.counts.attempted,
            arithmetic=f"{words} = {percent(value)}{self.blind_words()}",
            missing=too_few(self.before.attempted),
        )

    def _per_second(self, counts: Counts, window: Window) -> float:
        known = len(window.seconds) - len(self.scope.generator.missing(window))
        return counts.answered / max(1, known)

    def _changed_by(self, baseline: Window) -> float:
        """By which factor the intended rate changed; 1 with users instead of a rate."""
        generator, window = self.scope.generator, self.scope.window
        meant, meant_before = generator.intended(window.seconds), generator.intended(baseline.seconds)
        if not meant or not meant_before:
            return 1.0
        return (meant / len(window.seconds)) / (meant_before / len(baseline.seconds))


class DegradationMeasure(MeasureBase):
    """Of what could not be answered in full, the share with a degraded answer."""

    def result(self) -> Measured:
        if not self.counts.attempted:
            return nothing_attempted(self.scope.window)
        short = self.counts.degraded + self.counts.failed
        if not short:
            words = f"all {self.counts.attempted:,} requests were answered in full: nothing to degrade"
            return Measured(value=1.0, worst=0.0 if self.unseen else 1.0, n=0, arithmetic=words + self.blind_words())
        share = self.counts.degraded / short
        words = f"{self.counts.degraded:,} degraded answers of {short:,} requests that could not be answered in full"
        return Measured(
            value=share,
            worst=self.counts.degraded / (short + self.unseen),
            n=short,
            arithmetic=f"{words} = {percent(share)}{self.blind_words()}",
        )


def _percentile_with(histogram: Histogram, share: float, *, never: int) -> float:
    """The percentile when `never` more requests never came back."""
    total = histogram.n + never
    rank = -int(-share * total // 1)
    if rank > histogram.n:
        return float("inf")
    return histogram.percentile(min(1.0, rank / histogram.n)) or 0.0
