"""Where a runner dies: the eleven crash points, each found from outside, by its requests and by its files."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.ground import Runner
from harness.notify import watching
from harness.oracle import ledger_lines
from harness.wire import Exchange, Hangup, Request

POINTS = {
    "C0": "before the intent is written",
    "C1": "intent written, not yet synced",
    "C2": "intent synced, request not sent",
    "C3": "request sent, not applied",
    "C4": "applied, reply lost",
    "C5": "reply in, `applied` not written",
    "C6": "during the hold",
    "C7": "undo request in flight",
    "C8": "undone, `undone` not written",
    "C9": "during the read-back",
    "C10": "while the report is written",
}
LATE = {"C3b": "request sent, takes effect after the death"}
"""As with servers that are busy: Docker takes a second to stop a node, whether or not anybody still waits."""
NO_UNDO = ("pod-kill",)
"""Faults without an undo request: C7 and C8 are not there."""
BOOKKEEPING = ("/leases", "gameday-ledger", "gameday-guard", "gameday-owner", "gameday-mirror")
"""Requests that keep the books of a run; a fault's own are all others."""


def cells(kinds: list[str]) -> list[tuple[str, str]]:
    return [(point, kind) for point in POINTS for kind in kinds if not (kind in NO_UNDO and point in ("C7", "C8"))]


@dataclass(frozen=True)
class Progress:
    """How far a run has come with its fault, by the lines of its ledger."""

    intent: bool = False
    applied: bool = False
    undone: int = 0
    verified: bool = False

    @property
    def words(self) -> str:
        if self.verified:
            return "verified"
        return (
            f"undone x{self.undone}" if self.undone else "applied" if self.applied else "intent" if self.intent else "nothing"
        )


def progress(runner: Runner, kind: str) -> Progress:
    path = runner.ledger
    lines = ledger_lines(path) if path else []
    entry = next((each["id"] for each in lines if each.get("fault") == kind), None)
    edges = [each["edge"] for each in lines if entry is not None and each.get("id") == entry]
    return Progress(bool(edges), "applied" in edges, edges.count("undone"), "verified" in edges)


def is_act(request: Request) -> bool:
    """A change of the world that belongs to a fault or to what it needs, not to the books."""
    if not request.mutates:
        return False
    named = request.path
    if request.method == "POST" and request.body.startswith(b"{"):
        named += "/" + str(json.loads(request.body).get("metadata", {}).get("name", ""))
    return not any(word in named for word in BOOKKEEPING)


@dataclass(frozen=True)
class Pilot:
    """How many requests of each sort an undisturbed run sent; crash points are drawn from them."""

    before: int
    acts: int
    undos: int
    undone: int  # marks
    seconds: float


@dataclass
class Trap:
    """Kills the runner at one point. `sprung` once it has; `rule` is for the wire, `follow` for a thread of its own."""

    point: str
    kind: str
    runner: Runner
    pilot: Pilot
    rng: random.Random
    watchdog_too: bool
    sprung: threading.Event = field(default_factory=threading.Event)
    edge: str = ""  # how far the ledger had come at death
    before_intent: int = 0  # size of the ledger before the intent of the fault was written
    _counts: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        def drawn(many: int) -> int:
            return self.rng.randint(1, max(1, many))

        self._nth = {
            "C0": drawn(self.pilot.before),
            "C3": drawn(self.pilot.acts),
            "C3b": drawn(self.pilot.acts),
            "C4": drawn(self.pilot.acts),
            "C5": max(1, self.pilot.acts),
            "C7": drawn(self.pilot.undos),
            "C8": drawn(self.pilot.undos),
            "C9": 1,
        }.get(self.point, 0)
        self._late = self.rng.random() < 0.5  # C7: before or after the server applied it
        self._within = self.rng.uniform(0.0, 0.6)  # C6: how far into the hold

    def kill(self) -> None:
        with self._lock:
            if not self.sprung.is_set():
                self.runner.kill(watchdog=self.watchdog_too)
                self.edge = progress(self.runner, self.kind).words  # a watchdog needs longer to take the ledger away
                self.sprung.set()

    def has_sprung(self) -> bool:
        """Asked when the runner has ended: who kills it still has to say so."""
        with self._lock:
            return self.sprung.is_set()

    # -- by its requests ---------------------------------------------------------------------------------------------

    def rule(self, exchange: Exchange) -> None:
        if self.sprung.is_set():  # a watchdog at work, or somebody's recover: nothing is held up any more
            exchange.answer(*exchange.forward())
            return
        now = progress(self.runner, self.kind)
        sort = self._sort(exchange.request, now)
        with self._lock:
            self._counts[sort] = self._counts.get(sort, 0) + 1
            mine = self._is_mine(sort, self._counts[sort])
        if self.point == "C2" and sort == "act":
            self.sprung.wait(10)  # held until the kill: it never reaches the server
            raise Hangup
        if not mine:
            exchange.answer(*exchange.forward())
            return
        self._spring(exchange)

    def _sort(self, request: Request, now: Progress) -> str:
        if not now.intent:
            return "before"
        if now.undone >= self.pilot.undone and not now.verified:
            return "read-back"
        if not is_act(request):
            return "other"
        return "undo" if now.applied else "act"

    def _is_mine(self, sort: str, count: int) -> bool:
        wanted = {
            "C0": "before",
            "C3": "act",
            "C3b": "act",
            "C4": "act",
            "C5": "act",
            "C7": "undo",
            "C8": "undo",
            "C9": "read-back",
        }
        return wanted.get(self.point) == sort and count == self._nth

    def _spring(self, exchange: Exchange) -> None:
        if self.point in ("C3", "C9") or (self.point == "C7" and not self._late):
            self.kill()
            raise Hangup
        if self.point == "C3b":
            self.kill()
            time.sleep(self.rng.uniform(0.1, 1.0))
        answer = exchange.forward()
        if self.point in ("C5", "C8"):
            exchange.answer(*answer)
            self.kill()
            return
        self.kill()
        raise Hangup

    # -- by its files ------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """In a thread of its own, until the trap is sprung or the runner has ended."""
        waits: dict[str, Callable[[], None]] = {
            "C1": self._at_intent,
            "C2": self._at_intent,
            "C6": self._in_hold,
            "C10": self._at_report,
        }
        if self.point in waits:
            waits[self.point]()

    def _alive(self) -> bool:
        return self.runner.process.poll() is None and not self.sprung.is_set()

    def _at_intent(self) -> None:
        mark, size = f'"fault":"{self.kind}"'.encode(), 0
        with watching(self.runner.state / "ledgers") as watch:
            while self._alive():
                watch.names(0.2)
                if (path := self.runner.ledger) is None:
                    continue
                content = path.read_bytes()
                if mark not in content:
                    size = len(content)
                    continue
                self.before_intent = size
                if self.point == "C2":
                    time.sleep(self.rng.uniform(0.005, 0.03))  # synced by now; its request waits in the wire
                self.kill()

    def _in_hold(self) -> None:
        with watching(self.runner.state / "ledgers") as watch:
            while self._alive():
                watch.names(0.2)
                if progress(self.runner, self.kind).applied:
                    time.sleep(self._within)
                    self.kill()

    def _at_report(self) -> None:
        with watching(self.runner.reports) as watch:
            while self._alive():
                for name in watch.names(0.2):
                    if (folder := self.runner.reports / name).is_dir():
                        watch.add(folder)
                    if name == "verdict.json":
                        self.kill()
