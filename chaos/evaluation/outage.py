"""The longest outage: the longest time without one good answer while customers were trying.

It is read from slots of 50 ms: attempts and failures by the moment they started, good answers by the moment they came. An
outage begins with the first attempt after the last good answer that got none, and ends with the next good answer. So it does
not matter how the service failed:

- refusing, 503, wrong answers: attempts start and fail, and no good answer comes;
- hanging: attempts are in flight and nothing comes back;
- slow: answers come, but (with `good_within`) none in time.

Customers are trying while a request is in flight, and between two attempts that follow each other as usual. When nobody tried
for longer than usual, the clock stops at the last who did: a quiet hour is no outage. A silent stretch counts all the same when
enough arrivals were meant in it.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from operator import add
from typing import Any

from chaos.evaluation.generator import Generator
from chaos.evaluation.windows import Window
from chaos.model.histogram import upper_bound

SLOTS = 20
SLOT = 1.0 / SLOTS
_FINEST = 2.001 * SLOT
"""Shorter stretches are between two answers in neighbouring slots: nothing that could be told from a busy service."""
_MANY_MEANT = 10.0
"""So many arrivals meant and none attempted is harm: by chance it happens once in 20,000 times."""
_USUAL = 5.0
"""A gap between attempts of up to so many times the mean gap is usual."""


@dataclass(frozen=True)
class Outage:
    """One stretch without a good answer."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


class Slots:
    """Attempts, failures and good answers of one transaction in slots of 50 ms, over a fixed range of seconds."""

    def __init__(self, first: int, last: int, *, good_within: float | None = None) -> None:
        self.first = first
        self._limit = good_within
        size = max(0, last - first + 1) * SLOTS
        self._attempted = array("i", bytes(4 * size))
        self._bad = array("i", bytes(4 * size))
        self._good = array("i", bytes(4 * size))  # answers of any speed: they end a request's flight
        self._in_time = bytearray(size)
        self._slowest_failure = array("f", bytes(4 * (size // SLOTS)))

    def add(self, second: int, name: Mapping[str, Any]) -> None:
        """Add what one record says of one second."""
        if not 0 <= (offset := second - self.first) < len(self._slowest_failure):
            return
        if failures := name.get("failures"):
            self._slowest_failure[offset] = max(self._slowest_failure[offset], upper_bound(max(map(int, failures))))
        if (slots := name.get("slots")) is None:
            return
        here = slice(offset * SLOTS, (offset + 1) * SLOTS)
        for mine, key in ((self._attempted, "attempted"), (self._bad, "bad"), (self._good, "good")):
            if any(slots[key]):
                mine[here] = array("i", map(add, mine[here], slots[key]))
        if self._limit is not None:
            for index, (count, fastest) in enumerate(zip(slots["good"], slots["fastest"], strict=True), here.start):
                if count and fastest <= self._limit:
                    self._in_time[index] = 1

    @property
    def attempts(self) -> int:
        return sum(self._attempted)

    def outages(self, generator: Generator, window: Window, *, blind_is_bad: bool = False) -> list[Outage]:
        """All stretches without a good answer inside the window.

        Seconds without data end a stretch; with `blind_is_bad` they count as part of it: the truth lies between the two.
        """
        walk = _Walk(usual=self._usual_gap(generator, window))
        good = self._good if self._limit is None else self._in_time
        in_flight = 0
        for index in range(len(self._attempted)):
            moment = self.first + index / SLOTS
            if moment >= window.end:
                break
            state = generator.at(self.first + index // SLOTS)
            in_flight += self._attempted[index] - self._bad[index] - self._good[index]
            if not state.beats and not state.attempted:
                walk.blind(moment, bad=blind_is_bad)
                continue
            if index % SLOTS == 0 and not state.attempted:
                walk.silent_second(moment, state.intended or 0.0, dropped=state.dropped)
            failing = self._slowest_failure[index // SLOTS] if self._bad[index] else None
            tried = self._attempted[index] > 0
            walk.slot(moment, good=good[index] > 0, tried=tried, waiting=in_flight > 0, failing=failing)
        return walk.finish(window)

    def _usual_gap(self, generator: Generator, window: Window) -> float:
        """Five times the mean gap between attempts of this transaction while the generator was at work."""
        attempts = self.attempts
        seconds = range(self.first, self.first + len(self._slowest_failure))
        working = sum(1 for each in map(generator.at, seconds) if each.beats or each.attempted)
        return max(1.0, _USUAL * working / attempts) if attempts else window.length


class _Walk:
    """Goes through the slots in order and keeps the stretch that is open."""

    def __init__(self, *, usual: float) -> None:
        self._usual = usual
        self._since: float | None = None
        self._tried = 0.0  # until when somebody was surely trying
        self._failing_until = 0.0  # until when requests that fail in the end are in flight
        self._silent_since = self._silent_until = -1.0
        self._meant = 0.0
        self._found: list[Outage] = []

    def slot(self, moment: float, *, good: bool, tried: bool, waiting: bool, failing: float | None) -> None:
        after = moment + SLOT
        if failing is not None:
            self._failing_until = max(self._failing_until, after + failing)
        waiting = waiting or self._failing_until > after
        if good:
            self._close(after)  # where in the slot it came is not known: an outage may be said to be longer, never shorter
            if waiting or failing is not None:  # somebody else still is, or was after it
                self._since, self._tried = moment, after
        elif tried or waiting:
            self._try(moment, after)

    def _try(self, moment: float, until: float) -> None:
        if self._since is not None and moment - self._tried > self._usual:
            self._close(moment)
        self._since = moment if self._since is None else self._since
        self._tried = max(self._tried, until)

    def silent_second(self, moment: float, meant: float, *, dropped: int) -> None:
        """Nothing was attempted in this second; when enough was meant to be, customers were trying all along."""
        if moment != self._silent_until:
            self._silent_since, self._meant = moment, 0.0
        self._silent_until = moment + 1.0
        self._meant += meant
        if dropped or self._meant >= _MANY_MEANT:
            self._since = self._silent_since if self._since is None else self._since
            self._tried = max(self._tried, moment + 1.0)

    def blind(self, moment: float, *, bad: bool) -> None:
        """Nothing is known of this slot."""
        if bad:
            self._try(moment, moment + SLOT)
        else:
            self._close(moment)

    def _close(self, moment: float) -> None:
        if self._since is not None:
            end = moment if moment - self._tried <= self._usual else self._tried
            if end > self._since:
                self._found.append(Outage(self._since, end))
        self._since = None

    def finish(self, window: Window) -> list[Outage]:
        """The stretches, clipped to the window."""
        self._close(window.end)
        clipped = [Outage(max(each.start, window.start), min(each.end, window.end)) for each in self._found]
        return [each for each in clipped if each.length > _FINEST]
