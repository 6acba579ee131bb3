"""Counts requests by the second in which they start; nothing here knows Locust.

A request is *flying* from its start to its answer, *undecided* until the locustfile has said what it thinks of the answer, and
counted once, as good, degraded or failed. Whoever still flies at the end has failed.

The hot path only notes: a greenlet and a mark at the start, the mark and the time at the end of a good one. `absorb` does the
sums a few times a second, which costs less than half of doing them one by one.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from operator import sub
from time import monotonic
from typing import Any, Protocol
from weakref import WeakSet

from chaos.load.child.cell import SLOTS, Cell, runs, slot_of
from chaos.load.child.ids import Ids
from chaos.model.histogram import bucket_of, buckets_of

MOST_NAMES = 1000
OTHER = "other"
_MOST_REASONS = 20


Mark = tuple[float, str]
"""A request: when it started, and the name it goes by."""


class Notes:
    """Good answers that are not counted yet: columns of numbers, since objects that live on cost more than making them."""

    __slots__ = ("ends", "names", "starts")

    def __init__(self) -> None:
        self.starts = array("d")
        self.ends = array("d")
        self.names: list[str] = []

    def take(self) -> tuple[list[float], list[float], list[str]]:
        """The columns so far. They are emptied in place: the hot path holds on to them."""
        taken = (self.starts.tolist(), self.ends.tolist(), self.names.copy())
        del self.starts[:], self.ends[:]
        self.names.clear()
        return taken


class Carrier(Protocol):
    """A session that carries its one request under way with it: a dictionary look-up less on every request."""

    _under_way: Mark | None


class Pending:
    """An answered request that the locustfile has yet to judge."""

    __slots__ = ("context", "end", "mark", "trouble")

    def __init__(self, mark: Mark, end: float, context: dict[str, Any] | None, trouble: BaseException | None) -> None:
        self.mark = mark
        self.end = end
        self.context = context
        self.trouble = trouble  # what the client knows before the locustfile judges


class Recorder:
    """All requests of one generator process. `now` gives monotonic seconds of the runner's machine."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.flying: dict[Any, Mark] = {}  # greenlet -> its request, in the order of their start
        self.carriers: WeakSet[Carrier] = WeakSet()  # who carry their requests themselves
        self.notes = Notes()
        self.undecided: dict[Pending, Any] = {}  # -> the answer that the locustfile is looking at
        self.folded = False  # whether names were folded into `other`
        self.asked: Counter[str] = Counter()  # name -> requests, as far as they were drained
        self.ids = Ids()
        self._names: set[str] = set()
        self._rows: dict[int, dict[str, Cell]] = {}  # second -> name -> cell
        self._dirty: list[Cell] = []
        self._announced: Counter[Mark] = Counter()  # attempts that were counted before their end was known

    def absorb(self) -> None:
        """Count all that was noted."""
        starts, ends, names = self.notes.take()
        if not names:
            return
        if names.count(names[0]) == len(names):
            self._absorb(names[0], starts, ends)
            return
        columns: dict[str, tuple[list[float], list[float]]] = {}
        for start, end, name in zip(starts, ends, names, strict=True):
            if name not in columns:
                columns[name] = ([], [])
            columns[name][0].append(start)
            columns[name][1].append(end)
        for name, (its_starts, its_ends) in columns.items():
            self._absorb(name, its_starts, its_ends)

    def _absorb(self, name: str, starts: list[float], ends: list[float]) -> None:
        """Count good answers of one name. Loops run in C, as far as they can."""
        if ends != sorted(ends):  # some locustfile thought about an answer for a while
            ends, starts = map(list, zip(*sorted(zip(ends, starts, strict=True)), strict=True))
        latencies = list(map(sub, ends, starts))
        for slot, begin, until in runs(ends):
            done = self._cell(slot // SLOTS, name)
            done.good[slot % SLOTS] += until - begin
            best = min(latencies[begin:until])
            if best < done.fastest[slot % SLOTS] or done.fastest[slot % SLOTS] == 0.0:
                done.fastest[slot % SLOTS] = best
        fresh = [start for start in starts if not self._was_announced((start, name))] if self._announced else starts
        for slot, begin, until in runs(sorted(fresh)):
            self._cell(slot // SLOTS, name).attempted[slot % SLOTS] += until - begin
        if int(min(starts)) == int(max(starts)):
            seconds = {int(starts[0]): latencies}
        else:
            seconds = {}
            for start, latency in zip(starts, latencies, strict=True):
                seconds.setdefault(int(start), []).append(latency)
        for second, its_latencies in seconds.items():
            counts = self._cell(second, name).latencies
            for bucket, count in Counter(buckets_of(its_latencies)).items():
                counts[bucket] = counts.get(bucket, 0) + count

    def good(self, mark: Mark, end: float, degraded: bool = False, context: dict[str, Any] | None = None) -> None:
        """Count a request as answered well."""
        self.notes.starts.append(mark[0])
        self.notes.ends.append(end)
        self.notes.names.append(mark[1])
        if degraded:
            self._cell(int(mark[0]), mark[1]).degraded += 1
        if context:
            self.ids.add(context, mark[1], end, "acknowledged", degraded)

    def failed(
        self, mark: Mark, end: float, reason: str, outcome: str = "refused", context: dict[str, Any] | None = None
    ) -> None:
        """Count a request as failed; `outcome` is `unanswered` where the customer was told nothing."""
        cell = self._attempted(mark)
        bucket = bucket_of(end - mark[0])
        cell.failures[bucket] = cell.failures.get(bucket, 0) + 1
        cell.bad[slot_of(mark[0]) % SLOTS] += 1
        errors = cell.errors
        if reason not in errors and len(errors) >= _MOST_REASONS:
            reason = OTHER
        errors[reason] = errors.get(reason, 0) + 1
        if context:
            self.ids.add(context, mark[1], end, outcome)

    def not_sent(self, name: str, reason: str) -> None:
        """Count a customer who could not even be sent as attempted and failed."""
        now = self.now()
        self.failed((now, name), now, f"not sent: {reason}")

    def under_way(self) -> list[Mark]:
        """All requests that have no answer yet."""
        carried = [mark for carrier in self.carriers if (mark := carrier._under_way) is not None]
        return [*self.flying.values(), *carried]

    def close(self) -> None:
        """Whoever is still flying has failed."""
        now = self.now()
        for mark in self.under_way():
            self.failed(mark, now, "open at end", "unanswered")
        self.flying.clear()
        for carrier in self.carriers:
            carrier._under_way = None

    def drain(self, before: int | None = None) -> dict[int, dict[str, Any]]:
        """Take what changed in the seconds before `before` (default: all): second -> name -> `LoadName`."""
        self.absorb()
        self._announce(before)
        taken: dict[int, dict[str, Any]] = {}
        kept = []
        for cell in self._dirty:
            if before is not None and cell.second >= before:
                kept.append(cell)
                continue
            taken.setdefault(cell.second, {})[cell.name] = told = cell.as_json()
            self.asked[cell.name] += told.get("attempted", 0)
        self._dirty = kept
        for second in [second for second in self._rows if before is None or second < before]:
            del self._rows[second]  # what comes late comes as an addition, in a row of its own
        return dict(sorted(taken.items()))

    def _announce(self, before: int | None) -> None:
        """Count the attempts of those that have no end yet, once."""
        marks = [*self.under_way(), *(pending.mark for pending in self.undecided)]
        under_way = Counter(mark for mark in marks if before is None or mark[0] < before)
        for mark in (under_way - self._announced).elements():
            self._attempted(mark)
            self._announced[mark] += 1

    def _was_announced(self, mark: Mark) -> bool:
        """Whether the attempt of a request that now has its end was counted before; to be asked once."""
        count = self._announced.get(mark, 0)
        if count > 1:
            self._announced[mark] = count - 1
        elif count:
            del self._announced[mark]
        return count > 0

    def _attempted(self, mark: Mark) -> Cell:
        """The cell that a request belongs to; its attempt is counted there, once."""
        start, name = mark
        cell = self._cell(int(start), name)
        if not (self._announced and self._was_announced(mark)):
            cell.attempted[slot_of(start) % SLOTS] += 1
        return cell

    def _cell(self, second: int, name: str) -> Cell:
        row = self._rows.setdefault(second, {})
        cell = row.get(name)
        if cell is None:
            known = self._known(name)
            cell = row.get(known)
            if cell is None:
                cell = row[known] = Cell(second, known)
                self._dirty.append(cell)
            row[name] = cell
        return cell

    def _known(self, name: str) -> str:
        """The name that counts: of an address its path, as Locust has it; beyond a thousand names all are one."""
        if "://" in name[:8]:
            name = "/" + name.split("://", 1)[1].partition("/")[2]
        if name not in self._names:
            if len(self._names) >= MOST_NAMES:
                self.folded = True
                return OTHER
            self._names.add(name)
        return name
