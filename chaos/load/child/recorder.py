"""Counts requests by the second in which they start, cheaply enough for the hot path; nothing here knows Locust.

A request is *open* from its start to its answer, *undecided* until the locustfile has said what it thinks of the answer, and
counted once, as good, degraded or failed. Whoever is still open at the end has failed.
"""

from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from chaos.model.histogram import bucket_of

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
        "dirty",
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
        self.clear()

    def clear(self) -> None:
        self.dirty = False
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


class Request:
    """One request, from its start until it is counted."""

    __slots__ = ("cell", "context", "end", "greenlet", "name", "overdue", "slot", "start", "trouble")

    def __init__(self, start: float, cell: Cell, name: str, slot: int) -> None:
        self.start = start
        self.cell = cell
        self.name = name
        self.slot = slot
        self.end = 0.0
        self.overdue = False
        self.context: dict[str, Any] | None = None
        self.greenlet: Any = None
        self.trouble: BaseException | None = None  # what the client knows before the locustfile judges


class Recorder:
    """All requests of one generator process. `now` gives monotonic seconds of the runner's machine."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.open: dict[Request, None] = {}  # in the order of their start
        self.undecided: dict[Request, Any] = {}  # answered; the locustfile is looking at the answer
        self.ids: list[dict[str, Any]] = []
        self.folded = False  # whether names were folded into `other`
        self.asked: Counter[str] = Counter()  # name -> requests, as far as they were drained
        self._names: set[str] = set()
        self._second = 0
        self._until = 0.0
        self._cells: dict[str, Cell] = {}
        self._dirty: list[Cell] = []

    def begin(self, name: str) -> Request:
        """A request starts now."""
        now = self.now()
        if now >= self._until:
            self._roll(now)
        cell = self._cells.get(name) or self._cell(name)
        slot = int((now - self._second) * SLOTS)
        cell.attempted[slot] += 1
        request = Request(now, cell, name, slot)
        self.open[request] = None
        return request

    def answered(self, request: Request) -> None:
        """The answer, or the error, is there; what it is worth is told by `good` or `failed`."""
        request.end = self.now()
        self.open.pop(request, None)

    def good(self, request: Request, degraded: bool = False) -> None:
        """Count an answered request as answered well."""
        cell, end = request.cell, request.end
        latency = end - request.start
        bucket = bucket_of(latency)
        latencies = cell.latencies
        latencies[bucket] = latencies.get(bucket, 0) + 1
        if not cell.dirty:
            self._touch(cell)
        if end >= self._until:
            self._roll(end)
        done = self._cells.get(request.name) or self._cell(request.name)
        if end < self._second:  # the locustfile thought about it for a while
            done = Cell(int(end), done.name)
            self._touch(done)
        slot = int((end - done.second) * SLOTS)
        done.good[slot] += 1
        fastest = done.fastest[slot]
        if fastest == 0.0 or latency < fastest:
            done.fastest[slot] = latency
        if degraded:
            cell.degraded += 1
        if request.context:
            self._identify(request, "acknowledged", degraded)

    def failed(self, request: Request, reason: str, outcome: str = "refused") -> None:
        """Count a request as failed; `outcome` is `unanswered` where the customer was told nothing."""
        cell = request.cell
        bucket = bucket_of(request.end - request.start)
        cell.failures[bucket] = cell.failures.get(bucket, 0) + 1
        cell.bad[request.slot] += 1
        errors = cell.errors
        if reason not in errors and len(errors) >= _MOST_REASONS:
            reason = OTHER
        errors[reason] = errors.get(reason, 0) + 1
        if not cell.dirty:
            self._touch(cell)
        if request.context:
            self._identify(request, outcome, False)

    def identify(self, request: Request, context: dict[str, Any]) -> None:
        """Remember which transaction this request is about; its id may also be filled in later, from the answer."""
        request.context = context
        if "id" in context:
            self._identify(request, "sent", False)

    def not_sent(self, name: str, reason: str) -> None:
        """Count a customer who could not even be sent as attempted and failed."""
        request = self.begin(name)
        self.answered(request)
        self.failed(request, f"not sent: {reason}")

    def close(self) -> None:
        """Whoever is still open has failed."""
        for request in list(self.open):
            self.answered(request)
            self.failed(request, "open at end", "unanswered")

    def drain(self, before: int | None = None) -> dict[int, dict[str, Any]]:
        """Take what changed in the seconds before `before` (default: all): second -> name -> `LoadName`."""
        taken: dict[int, dict[str, Any]] = {}
        kept = []
        for cell in self._dirty:
            if before is not None and cell.second >= before:
                kept.append(cell)
                continue
            names = taken.setdefault(cell.second, {})
            if cell.name in names:  # a second delta of the same cell waits for its own line
                kept.append(cell)
                continue
            names[cell.name] = cell.as_json()
            self.asked[cell.name] += names[cell.name].get("attempted", 0)
            cell.clear()
        self._dirty = kept
        return dict(sorted(taken.items()))

    def take_ids(self) -> list[dict[str, Any]]:
        ids, self.ids = self.ids, []
        return ids

    def _roll(self, now: float) -> None:
        self._second = int(now)
        self._until = self._second + 1.0
        self._cells = {}

    def _cell(self, name: str) -> Cell:
        if name not in self._names:
            if len(self._names) >= MOST_NAMES:
                self.folded = True
                cell = self._cells.get(OTHER)
                if cell is None:
                    cell = self._cells[OTHER] = Cell(self._second, OTHER)
                    self._touch(cell)
                return cell
            self._names.add(name)
        cell = self._cells[name] = Cell(self._second, name)
        self._touch(cell)
        return cell

    def _touch(self, cell: Cell) -> None:
        cell.dirty = True
        self._dirty.append(cell)

    def _identify(self, request: Request, outcome: str, degraded: bool) -> None:
        context = request.context or {}
        if "id" not in context:
            return
        entry = {"id": str(context["id"]), "transaction": request.name, "mono": round(self.now(), 6), "outcome": outcome}
        if outcome == "acknowledged":
            entry["degraded"] = degraded
            told = {
                k: v for k, v in context.items() if k not in ("id", "transaction") and isinstance(v, str | int | float | bool)
            }
            if told:
                entry["told"] = told
        self.ids.append(entry)
