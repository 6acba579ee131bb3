"""Counts requests by the second in which they start; nothing here knows Locust.

A request is *flying* from its start to its answer, *undecided* until the locustfile has said what it thinks of the answer, and
counted once, as good, degraded or failed. Whoever still flies at the end has failed.

The hot path only notes: a greenlet and a mark at the start, the mark and the time at the end of a good one. `absorb` does the
sums a few times a second, which costs less than half of doing them one by one.
"""

from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from chaos.model.histogram import bucket_of, buckets_of

SLOTS = 20
"""Slots of one second: 50 ms each."""
MOST_NAMES = 1000
OTHER = "other"
_MOST_REASONS = 20


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


Mark = tuple[float, str]
"""A request: when it started, and the name it goes by."""


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
        self.done: list[tuple[Mark, float]] = []  # answered well, and when; not counted yet
        self.undecided: dict[Pending, Any] = {}  # -> the answer that the locustfile is looking at
        self.folded = False  # whether names were folded into `other`
        self.asked: Counter[str] = Counter()  # name -> requests, as far as they were drained
        self._ids: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._rows: dict[int, dict[str, Cell]] = {}  # second -> name -> cell
        self._dirty: list[Cell] = []
        self._announced: dict[int, Mark] = {}  # attempts that were counted before their end was known

    def absorb(self) -> None:
        """Count all that was noted."""
        done = self.done.copy()
        self.done.clear()  # the list itself stays: the hot path holds on to it
        row: dict[str, Cell] = {}
        current, announced = -1, self._announced
        for (mark, end), bucket in zip(done, buckets_of([end - mark[0] for mark, end in done]), strict=True):
            start, name = mark
            second = int(start)
            if second != current:
                row, current = self._rows.setdefault(second, {}), second
            cell = row.get(name) or self._cell(second, name)
            if not announced or announced.pop(id(mark), None) is None:
                cell.attempted[int((start - second) * SLOTS)] += 1
            cell.latencies[bucket] = cell.latencies.get(bucket, 0) + 1
            if end >= second + 1:
                cell, second = self._cell(int(end), name), int(end)
                current = -1
            slot, latency = int((end - second) * SLOTS), end - start
            cell.good[slot] += 1
            if latency < cell.fastest[slot] or cell.fastest[slot] == 0.0:
                cell.fastest[slot] = latency

    def good(self, mark: Mark, end: float, degraded: bool = False, context: dict[str, Any] | None = None) -> None:
        """Count a request as answered well."""
        self.done.append((mark, end))
        if degraded:
            self._cell(int(mark[0]), mark[1]).degraded += 1
        if context:
            self._identify(mark, context, "acknowledged", degraded)

    def failed(
        self, mark: Mark, end: float, reason: str, outcome: str = "refused", context: dict[str, Any] | None = None
    ) -> None:
        """Count a request as failed; `outcome` is `unanswered` where the customer was told nothing."""
        cell = self._attempted(mark)
        bucket = bucket_of(end - mark[0])
        cell.failures[bucket] = cell.failures.get(bucket, 0) + 1
        cell.bad[int((mark[0] - cell.second) * SLOTS)] += 1
        errors = cell.errors
        if reason not in errors and len(errors) >= _MOST_REASONS:
            reason = OTHER
        errors[reason] = errors.get(reason, 0) + 1
        if context:
            self._identify(mark, context, outcome, False)

    def sent(self, mark: Mark, context: dict[str, Any]) -> None:
        """Remember that this transaction is on its way; its id may also be known from the answer only."""
        self._identify(mark, context, "sent", False)

    def not_sent(self, name: str, reason: str) -> None:
        """Count a customer who could not even be sent as attempted and failed."""
        now = self.now()
        self.failed((now, name), now, f"not sent: {reason}")

    def close(self) -> None:
        """Whoever is still flying has failed."""
        now = self.now()
        while self.flying:
            _, mark = self.flying.popitem()
            self.failed(mark, now, "open at end", "unanswered")

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

    def take_ids(self) -> list[dict[str, Any]]:
        ids, self._ids = self._ids, []
        return ids

    def _announce(self, before: int | None) -> None:
        """Count the attempts of those that have no end yet, once."""
        waiting = [*self.flying.values(), *(pending.mark for pending in self.undecided)]
        for mark in waiting:
            if id(mark) not in self._announced and (before is None or mark[0] < before):
                self._attempted(mark)
                self._announced[id(mark)] = mark

    def _attempted(self, mark: Mark) -> Cell:
        """The cell that a request belongs to; its attempt is counted there, once."""
        start = mark[0]
        second = int(start)
        cell = self._cell(second, mark[1])
        if self._announced and self._announced.pop(id(mark), None) is not None:
            return cell
        cell.attempted[int((start - second) * SLOTS)] += 1
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

    def _identify(self, mark: Mark, context: dict[str, Any], outcome: str, degraded: bool) -> None:
        if "id" not in context:
            return
        entry = {"id": str(context["id"]), "transaction": mark[1], "mono": round(self.now(), 6), "outcome": outcome}
        if outcome == "acknowledged":
            entry["degraded"] = degraded
            told = {
                k: v for k, v in context.items() if k not in ("id", "transaction") and isinstance(v, str | int | float | bool)
            }
            if told:
                entry["told"] = told
        self._ids.append(entry)
