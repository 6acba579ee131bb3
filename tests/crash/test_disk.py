"""Disks fill and folders cannot be written: nothing is struck without a durable intent."""

import json
import os
import resource

import pytest
from harness.ground import FAULTS, Runner
from harness.oracle import ledger_lines
from harness.traps import is_act
from harness.wire import Wire

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))
KIND = "scale-to-zero"


@pytest.mark.parametrize("size", [0, 300, 900, 1500, 3000, 6000, *(range(100, 9000, 150) if FULL else ())])
def test_a_full_disk_never_leaves_a_fault(ground, tmp_path, size):
    """No file may grow beyond `size`: whichever it hits (ledger, journal, plan, report), the world is as it was."""
    runner = Runner(ground, Wire(ground.server), tmp_path, mute=True)
    bare = []

    def rule(exchange):
        if is_act(exchange.request) and not (runner.ledger and len(ledger_lines(runner.ledger)) > 1):
            bare.append(exchange.request)
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(FAULTS["latency"])
    resource.prlimit(runner.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    code = runner.process.wait(90)
    left = ground.left(10.0)
    if code == 4:  # it could not be sure, and said so: then the commands that it prints must do
        assert runner.gameday("recover").wait(60) == 0, runner.said("recover")
        left = ground.left(10.0)
    runner.end()
    assert bare == [], "something was changed without an intent on the disk"
    assert left == [], f"exit {code}"
    assert code not in (0, 1)


@pytest.mark.parametrize("place", ["state", "reports"])
def test_a_folder_that_cannot_be_written_keeps_a_run_from_starting(ground, tmp_path, place):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder should be")
    runner = Runner(ground, Wire(ground.server), tmp_path, state_at=blocked / "state" if place == "state" else None)
    runner.start(FAULTS[KIND], *(("--reports", str(blocked / "reports")) if place == "reports" else ()))
    code = runner.process.wait(30)
    runner.end()
    assert code == 5, runner.said()
    assert runner.wire.mutations() == []


_OBSERVER = """
import os
_fsync = os.fsync
def fsync(handle):
    _fsync(handle)
    number = handle if isinstance(handle, int) else handle.fileno()
    with open(os.environ["SYNCED"], "a") as log:
        log.write(f"{os.fstat(number).st_size} {os.readlink(f'/proc/self/fd/{number}')}\\n")
os.fsync = fsync
"""


def test_every_change_is_sent_after_its_intent_was_synced(ground, tmp_path, monkeypatch):
    """SIGKILL cannot show it, for the kernel keeps what was written: what was synced, and when, is observed."""
    (tmp_path / "observer").mkdir()
    (tmp_path / "observer" / "sitecustomize.py").write_text(_OBSERVER)
    monkeypatch.setenv("SYNCED", str(tmp_path / "synced"))
    runner = Runner(ground, Wire(ground.server), tmp_path / "run", path=[tmp_path / "observer"])
    unsynced, acts = [], 0

    def rule(exchange):
        nonlocal acts
        if is_act(exchange.request) and runner.ledger:
            acts += 1
            synced = [line.split(" ", 1) for line in (tmp_path / "synced").read_text().splitlines()]
            size = max((int(size) for size, path in synced if path == str(runner.ledger)), default=0)
            durable = runner.ledger.read_bytes()[:size]
            intents = [json.loads(line.partition(b" ")[2]).get("edge") == "intent" for line in durable.split(b"\n")[:-1]]
            written = [line.get("edge") == "intent" for line in ledger_lines(runner.ledger)]
            if sum(intents) < sum(written) or not sum(intents):
                unsynced.append(f"{exchange.request.method} {exchange.request.path}")
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(FAULTS[KIND])
    runner.process.wait(60)
    runner.end()
    assert acts >= 2, runner.said()
    assert unsynced == []
    assert ground.left(5.0) == []
