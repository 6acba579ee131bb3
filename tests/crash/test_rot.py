"""A ledger tears and rots: what was durable is undone, and nothing unreadable is ever acted upon or read as clean."""

import os
import random

import pytest
from harness.ground import FAULTS, Runner, send, until
from harness.traps import is_act, progress
from harness.wire import Wire

from chaos import api
from chaos.errors import GamedayError

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))
KIND = "scale-to-zero"


@pytest.fixture(scope="module")
def dead(ground, tmp_path_factory):
    """A run that was killed in mid-fault together with its watchdog; and the bytes of its ledger."""
    runner = Runner(ground, Wire(ground.server), tmp_path_factory.mktemp("dead"))
    runner.start(FAULTS[KIND].replace("800ms", "60s"), "--no-guard")
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
        if cut >= intent - 1:  # a line that lacks nothing but its newline is whole
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
