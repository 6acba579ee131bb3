"""One crash: a run is killed at one point, and the oracle counts what is left after each layer had its turn."""

import random
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.ground import Ground, Runner, until
from harness.oracle import differences, files_in
from harness.traps import Pilot, Trap, is_act, progress

TTL = 8
"""Seconds of silence after which the guard acts, in the runs that wait for it; by default it is 30."""
OWNED = {"network-partition": 30}
"""Faults that are nothing but objects of their own: these go with their owner, whose silence is this long."""
QUIET = 0.4
"""Seconds after "clean" in which nothing more may reach the server."""
BOOKS = ("/gameday-ledger-", "/gameday-owner-", "leases/")
"""What the guard leaves where it is: the run's ledger in the cluster, its lease, and its owner, which ends by itself."""


@dataclass
class Outcome:
    """One row of the results."""

    point: str
    kind: str
    repeat: int
    layer: str  # who had to put it back: watchdog; guard (watchdog killed too, nobody at hand); recover (killed too)
    sprung: bool = False
    edge: str = ""  # what the ledger said at death
    dirty: bool = False  # something was changed at death
    restored: float = 0.0  # seconds from the kill until the oracle saw all that was there before as it was
    seconds: float = 0.0  # ... and nothing of ours left, and the app's pods ready
    left: list[str] = field(default_factory=list)  # after that layer
    left_at_last: list[str] = field(default_factory=list)  # after `recover` as well
    recover_code: int | None = None
    processes: list[str] = field(default_factory=list)
    late_requests: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def good(self) -> bool:
        return self.sprung and not (self.left or self.left_at_last or self.processes or self.late_requests or self.files)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def pilot(ground: Ground, folder: Path, kind: str) -> Pilot:
    """One undisturbed run: it must be clean, and says how many requests there are to choose from."""
    shutil.rmtree(folder, ignore_errors=True)
    runner = ground.runner(folder)
    counts = {"before": 0, "act": 0, "undo": 0}
    undone = 0

    def rule(exchange):  # type: ignore[no-untyped-def]
        nonlocal undone
        now = progress(runner, kind)
        undone = max(undone, now.undone)
        if not now.intent and not counts["act"]:
            counts["before"] += 1
        elif now.intent and is_act(exchange.request):
            counts["undo" if now.applied else "act"] += 1
        exchange.answer(*exchange.forward())

    runner.met_by(rule)
    started = time.monotonic()
    runner.start(ground.faults[kind])
    runner.process.wait(ground.patience.run)
    took = time.monotonic() - started
    left = ground.left(ground.patience.at_last)
    said = runner.said()
    runner.end()
    assert not left, f"{kind}: an undisturbed run left {left}\n{said}"
    assert counts["act"], f"{kind}: nothing was struck\n{said}"
    shutil.rmtree(folder)
    return Pilot(counts["before"], counts["act"], counts["undo"], max(1, undone), took)


def crash(ground: Ground, folder: Path, *, point: str, kind: str, repeat: int, layer: str, known: Pilot) -> Outcome:
    """Kill a run at that point and see what is left. A trap that did not spring is tried again, at an easier request."""
    rng = random.Random(f"{point}/{kind}/{repeat}")
    place, outcome = folder, Outcome(point, kind, repeat, layer)
    for attempt in range(3):
        place = folder / f"{point}-{kind}-{repeat}-{attempt}"
        shutil.rmtree(place, ignore_errors=True)  # of one that was broken off
        outcome = _attempt(ground, place, Outcome(point, kind, repeat, layer), known, rng)
        if outcome.sprung:
            break
    if outcome.good:
        shutil.rmtree(place, ignore_errors=True)
    return outcome


def _attempt(ground: Ground, folder: Path, outcome: Outcome, known: Pilot, rng: random.Random) -> Outcome:
    runner = ground.runner(folder)
    trap = Trap(outcome.point, outcome.kind, runner, known, rng, watchdog_too=outcome.layer != "watchdog")
    runner.met_by(trap.rule)
    runner.start(ground.faults[outcome.kind], *(("--ttl", f"{TTL}s") if outcome.layer == "guard" else ()))
    follower = threading.Thread(target=trap.follow)
    follower.start()
    try:
        if not runner.has_ended(ground.patience.run):
            raise AssertionError(
                f"{outcome} is still at work, with trap sprung = {trap.has_sprung()}:\n{runner.said()[-1500:]}"
            )
        follower.join(5.0)
        outcome.sprung = trap.has_sprung()
        if not outcome.sprung:
            outcome.note = runner.said()[-800:]
            outcome.left = ground.left(10.0)
            return outcome
        _after_death(ground, runner, trap, outcome)
    finally:
        runner.end()
        follower.join(5.0)
    return outcome


def _after_death(ground: Ground, runner: Runner, trap: Trap, outcome: Outcome) -> None:
    outcome.edge = trap.edge
    outcome.dirty = bool(differences(ground.calm, ground.oracle.snapshot()))
    if outcome.layer == "watchdog":
        outcome.left = ground.left(ground.patience.watchdog)
        _clock(runner, ground, outcome)
        until(lambda: not runner.survivors() and runner.ledger is None, 5.0)
    elif outcome.layer == "guard":
        outcome.left = ground.left(ground.patience.guard, but=BOOKS)
        _clock(runner, ground, outcome)
    elif outcome.point == "C1":
        _lose_what_was_not_synced(runner, trap)
    if outcome.layer == "recover":
        _recover(runner, outcome)
        outcome.left = ground.left(ground.patience.watchdog)
        _clock(runner, ground, outcome)
    if outcome.left or (outcome.layer == "guard" and runner.ledger):
        _recover(runner, outcome)
    outcome.left_at_last = ground.left(ground.patience.at_last)
    clean_at = time.monotonic()
    time.sleep(QUIET)
    outcome.processes = list(runner.survivors().values())
    outcome.late_requests = [f"{each.method} {each.path}" for each in runner.mutations(clean_at)]
    outcome.files = [name for name in files_in(runner.state) if not name.startswith("running/") and name not in runner.kept]


def _clock(runner: Runner, ground: Ground, outcome: Outcome) -> None:
    outcome.restored = round(max(0.0, ground.restored_at - runner.killed_at), 3)
    outcome.seconds = round(time.monotonic() - runner.killed_at, 3)


def _recover(runner: Runner, outcome: Outcome) -> None:
    """As a colleague would, from another folder."""
    elsewhere = runner.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    outcome.recover_code = runner.gameday("recover", cwd=elsewhere).wait(runner.ground.patience.run)
    if outcome.recover_code:
        outcome.note = runner.said("recover")[-800:]


def _lose_what_was_not_synced(runner: Runner, trap: Trap) -> None:
    """The power went too: of what was written last, only a part reached the disk. Only where no request followed it."""
    path = runner.ledger
    if path is None or any(is_act(each) and each.at > runner.killed_at - 0.5 for each in runner.wire.seen if each.forwarded):
        return
    with path.open("r+b") as file:
        file.truncate(trap.rng.randint(trap.before_intent, path.stat().st_size))
