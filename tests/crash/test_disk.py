"""Disks fill, tear and rot: nothing is struck without a durable intent, and nothing unreadable is ever acted upon."""

import json
import os
import random
import resource

import pytest
from harness.ground import FAULTS, Runner, send, until
from harness.oracle import ledger_lines
from harness.traps import is_act, progress
from harness.wire import Wire

from chaos import api
from chaos.errors import GamedayError

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))
KIND = "scale-to-zero"


@pytest.fixture(scope="module")
def dead(ground, tmp_path_factory):
    """A run that was killed in mid-fault together with its watchdog; and the bytes of its ledger."""
    runner = Runner(ground, Wire(ground.server), tmp_path_factory.mktemp("dead"))
    runner.start(FAULTS[KIND].replace("800ms", "60s"))
    assert until(lambda: progress(runner, KIND).applied or runner.process.poll() is not None, 30.0, 0.005)
    assert runner.process.poll() is None, runner.said()
    runner.kill(watchdog=True)
    runner.process.wait(5)
    yield runner, runner.ledger, runner.ledger.read_bytes()
    runner.end()
    _scale(ground, 2)
    assert ground.left(20.0) == []


def _scale(ground, replicas):
    path = f"/apis/apps/v1/namespaces/{ground.namespace}/deployments/web/scale"
    scale = send(ground.server, "GET", path)[1]
    if scale["spec"]["replicas"] != replicas:
        scale["spec"]["replicas"] = replicas
        scale["metadata"].pop("resourceVersion")
        assert send(ground.server, "PUT", path, scale)[0] == 200


def _replicas(ground):
    return send(ground.server, "GET", f"/apis/apps/v1/namespaces/{ground.namespace}/deployments/web/scale")[1]["spec"][
        "replicas"
    ]


@pytest.fixture
def recovered(dead, ground, monkeypatch):
    """Recover from these bytes while the fault is in effect: (results or error, touched, replicas)."""
    runner, path, _ = dead
    monkeypatch.setenv("GAMEDAY_STATE", str(runner.state))

    def recover(content):
        _scale(ground, 1)
        path.write_bytes(content)
        seen = len(runner.wire.seen)
        try:
            results = [(each.state, each.detail) for each in api.recover()]
        except GamedayError as error:
            results = [("error", str(error))]
        touched = [each for each in runner.wire.seen[seen:] if is_act(each)]
        path.unlink(missing_ok=True)
        return results, touched, _replicas(ground)

    return recover


def _ends(whole):
    return [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]


def test_a_ledger_torn_at_any_byte_undoes_what_was_durable_and_nothing_else(dead, recovered):
    whole = dead[2]
    ends = _ends(whole)
    intent = next(end for number, end in enumerate(ends) if KIND.encode() in whole[(ends[number - 1] if number else 0) : end])
    cuts = range(len(whole)) if FULL else sorted({*ends, *(end - 1 for end in ends), *range(0, len(whole), 151)})
    for cut in cuts:
        results, touched, replicas = recovered(whole[:cut])
        if cut >= intent:
            assert replicas == 2, (cut, results)
            assert all(state == "clean" for state, _ in results), (cut, results)
        else:  # its request can not have been sent, for the intent was not durable
            assert touched == [], (cut, touched)
            assert replicas == 1


def test_a_flipped_bit_anywhere_is_never_acted_upon_and_never_reads_as_clean(dead, recovered):
    whole = dead[2]
    rng = random.Random(7)
    places = [(place, bit) for place in range(len(whole)) for bit in range(8)]
    returns = [(place, bit) for place, bit in places if whole[place] ^ (1 << bit) in (0x0D, 0x0A, 0x0B, 0x1C, 0x20)]
    newlines = [(place, bit) for place, bit in places if whole[place] == 0x0A]
    for place, bit in places if FULL else [*rng.sample(places, 40), *rng.sample(returns, 20), *newlines]:
        rotten = bytearray(whole)
        rotten[place] ^= 1 << bit
        results, touched, replicas = recovered(bytes(rotten))
        where = f"bit {bit} of byte {place} ({whole[max(0, place - 20) : place + 20]!r})"
        if replicas == 1:
            assert any(state != "clean" for state, _ in results), f"{where}: read as clean"
        assert all(each.method == "PATCH" and b'"value": 2' in each.body for each in touched), where


def test_a_ledger_that_is_no_ledger_is_told(recovered):
    for content in (b"\0" * 4096, b"{}\n", b"0123456789abcdef {}\n", os.urandom(3000) + b"\n"):
        results, touched, _ = recovered(content)
        assert touched == []
        assert any(state != "clean" for state, _ in results), (content[:20], results)


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
