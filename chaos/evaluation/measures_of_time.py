"""Measures of how long it was bad: longest outage, time to recover."""

from array import array

from chaos.evaluation.measuring import MeasureBase, Measured, Names, Scope, buckets, ms, nothing_attempted
from chaos.evaluation.outage import Slots
from chaos.model.histogram import upper_bound
from chaos.model.tolerance import LongestOutage, TimeToRecover
from chaos.model.units import format_percent


class OutageMeasure(MeasureBase):
    """The longest time without one good answer while customers were trying."""

    def __init__(self, tolerance: LongestOutage, scope: Scope) -> None:
        super().__init__(tolerance, scope)
        span = scope.span
        self._slots = Slots(span.start, min(span.stop - 1, int(scope.window.end)), good_within=tolerance.good_within)

    def load(self, second: int, names: Names) -> None:
        super().load(second, names)
        if name := names.of(self.tolerance.transaction):
            self._slots.add(second, name)

    def result(self) -> Measured:
        window, generator = self.scope.window, self.scope.generator
        found = self._slots.outages(generator, window)
        blind = self._slots.outages(generator, window, blind_is_bad=True) if generator.missing(window) else found
        if not found and not self.counts.attempted:
            return nothing_attempted(window)
        if not self._slots.attempts and self.counts.attempted:
            return Measured(
                value=None, arithmetic="the records hold no slots of 50 ms to read an outage from", missing="no-data"
            )
        longest = max(found, key=lambda each: each.length, default=None)
        limit = self.tolerance.good_within
        within = f" within {ms(limit)}" if limit is not None else ""
        words = f"every stretch without a good answer{within} was shorter than 0.1 s"
        if longest is not None:
            since = self.scope.timeline.strike or window.start
            words = (
                f"no good answer{within} from {longest.start - since:+.2f} s to {longest.end - since:+.2f} s"
                f" (from the strike) = {longest.length:.2f} s, the longest of {len(found)} such stretches"
            )
        return Measured(
            value=longest.length if longest else 0.0,
            worst=max((each.length for each in blind), default=0.0),
            n=self.counts.attempted,
            arithmetic=words + self.blind_words(),
        )


class RecoveryMeasure(MeasureBase):
    """From the origin until every further second is good."""

    def __init__(self, tolerance: TimeToRecover, scope: Scope) -> None:
        super().__init__(tolerance, scope)
        origin = scope.origin if scope.origin is not None else scope.window.start
        self._origin = origin + tolerance.after
        # requests of the second in which the fault was undone were partly sent before it
        first = -int(-self._origin // 1) if (tolerance.start or "undo") == "undo" else int(self._origin)
        self._seconds = range(first, max(first, round(scope.timeline.load_end)))
        self._attempted = array("i", bytes(4 * len(self._seconds)))
        self._answered = array("i", bytes(4 * len(self._seconds)))
        self._limit = tolerance.good_within
        self._share = tolerance.good_share

    def load(self, second: int, names: Names) -> None:
        name = names.of(self.tolerance.transaction) if second in self._seconds else None
        if name is None:
            return
        index = second - self._seconds.start
        self.counts.add(name)
        self._attempted[index] += name.get("attempted", 0)
        answered = name.get("good", 0) + name.get("degraded", 0)
        if self._limit is not None:
            answered -= sum(count for bucket, count in buckets(name, "latencies").items() if upper_bound(bucket) > self._limit)
        self._answered[index] += answered

    def result(self) -> Measured:
        if not self._seconds or not self.counts.attempted:
            return nothing_attempted(self.scope.window)
        bad = [second for index, second in enumerate(self._seconds) if self._is_bad(index)]
        missing = [second for second in self._seconds if not self._known(second)]
        last = bad[-1] if bad else None
        words = f"every second from {self._seconds.start - self._origin:+.1f} s on was good"
        if last is not None:
            index = last - self._seconds.start
            words = (
                f"the last second below {format_percent(self._share)} good ended {last + 1 - self._origin:.1f} s"
                f" after the {self.tolerance.start or 'undo'} ({self._answered[index]} of {self._attempted[index]} good)"
            )
        over = last is not None and last + 1 >= self._seconds.stop
        return Measured(
            value=self._since(last),
            worst=self._since(max([*bad, *missing], default=None)),
            n=self.counts.attempted,
            arithmetic=words
            + (", which is when load ended: it had not recovered" if over else "")
            + f"; {len(bad)} bad seconds",
            missing="not-reached" if over else "",
        )

    def _is_bad(self, index: int) -> bool:
        attempted = self._attempted[index]
        if not attempted:  # nobody tried, or everybody was still waiting
            state = self.scope.generator.at(self._seconds.start + index)
            return (state.in_flight > 0 and state.attempted == 0 and (state.intended or 0) >= 1) or state.dropped > 0
        return self._answered[index] < self._share * attempted

    def _known(self, second: int) -> bool:
        state = self.scope.generator.at(second)
        return bool(state.beats or state.attempted)

    def _since(self, last: int | None) -> float:
        return 0.0 if last is None else max(0.0, last + 1 - self._origin)
