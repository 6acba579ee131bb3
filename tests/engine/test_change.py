"""What was changed is put back: together, at once, again when a request lands late, and never by who lost the lease."""

import threading
import time
from types import SimpleNamespace

import pytest

from chaos.clients.world import World
from chaos.clock import RealClock
from chaos.engine import change as changes_module
from chaos.engine.arming import arm, withdraw
from chaos.engine.change import Change, Tools
from chaos.engine.lease import LeaseLost
from chaos.engine.prepared import Prepared
from chaos.engine.stopping import StopFlag
from chaos.errors import ClusterError, Stopped
from chaos.injectors.base import FaultState
from chaos.ledger import Ledger, LedgerHeader, ledger_folder, read
from chaos.model.run import Environment

WORLD = World(cluster=None, proxies=None)


class Switch:
    """Something in the world that a fault turns on; it takes its time, and may answer late or never."""

    def __init__(self, *, takes=0.0):
        self.on = False
        self.takes = takes
        self.undone = []
        self.strike = self.turn_on
        self.refusal = None

    def turn_on(self):
        self.on = True

    def start(self, state, world):
        self.strike()

    def stop(self, state, world):
        if self.refusal:
            raise self.refusal
        self.undone.append(time.monotonic())
        threading.Event().wait(self.takes)
        self.on = False

    def module(self, **more):
        return SimpleNamespace(
            start=self.start,
            stop=self.stop,
            verify=lambda state, world: ["it is still on"] if self.on else [],
            undo_words=lambda state: "turn it off",
            undo_calls=lambda state: [],
            PRIVILEGE="api",
            **more,
        )


class Book:
    """A recorder that keeps what it is told."""

    def __init__(self):
        self.edges = []

    def tell(self, payload, *, source="engine"):
        self.edges.append((payload.step, payload.edge))


@pytest.fixture
def stop():
    return StopFlag()


@pytest.fixture
def tools(tmp_path, stop):
    environment = Environment(kind="sandbox", name="sandbox")
    header = LedgerHeader(run="r", scenario="s", environment=environment, started="now")
    ledger = Ledger(ledger_folder(tmp_path) / "r.ledger", header)
    yield Tools(
        making=lambda _: WORLD,
        undoing=WORLD,
        recorder=Book(),
        ledger=ledger,
        clock=RealClock(),
        stop=stop,
        patience=lambda: 0.0,
    )
    ledger.close(clean=False)


def change(tools, switch, step="s", fitting=False, kind="pod-kill", **more):
    state = FaultState(namespace="n", run="r", step=step)
    return Change(Prepared(step=step, kind=kind, module=switch.module(**more), state=state, fitting=fitting), tools)


def test_fifty_faults_are_undone_together(tools):
    switches = [Switch(takes=0.02 * (number % 10)) for number in range(50)]
    made = [change(tools, switch, f"step-{number}") for number, switch in enumerate(switches)]
    for each in made:
        assert each.strike()
    began = time.monotonic()
    withdraw(made)
    took = time.monotonic() - began
    assert not any(switch.on for switch in switches)
    assert [each.left_over for each in made] == [""] * 50
    # 50 x 5 fsyncs of the ledger are in it as well: on a disk of its own the bound is the slowest undo and 250 ms
    assert took < 0.18 + 1.0, "one after the other takes 4.5 s"


def test_a_strike_whose_answer_was_lost_and_that_lands_late_is_undone_again(tools):
    switch = Switch()

    def lands_late():
        threading.Timer(0.4, switch.turn_on).start()
        raise ClusterError("no answer")

    switch.strike = lands_late
    struck = change(tools, switch, lands=lambda state: 0.8)
    assert not struck.strike()
    struck.withdraw()
    assert not switch.on
    assert struck.left_over == ""
    assert len(switch.undone) >= 2


def test_an_undo_is_tried_again_while_the_server_fails(tools):
    switch = Switch()
    struck = change(tools, switch)
    assert struck.strike()
    switch.refusal = ClusterError("HTTP 500")
    threading.Timer(0.5, lambda: setattr(switch, "refusal", None)).start()
    struck.withdraw()
    assert not switch.on
    assert struck.left_over == ""


def test_what_is_not_put_back_is_told_and_stays_open_in_the_ledger(tools, monkeypatch):
    monkeypatch.setattr(changes_module, "UNDO_WITHIN", 0.3)
    monkeypatch.setattr(changes_module, "VERIFY_WITHIN", 0.3)
    switch = Switch()
    struck = change(tools, switch)
    assert struck.strike()
    switch.refusal = ClusterError("HTTP 500")
    struck.withdraw()
    assert struck.left_over == "it is still on"
    assert [entry.id for entry in read(tools.ledger.path).open] == ["s"]
    assert ("s", "left-over") in tools.recorder.edges


def test_who_lost_the_lease_only_looks_until_the_guard_has_put_it_back(tools):
    switch = Switch()
    struck = change(tools, switch)
    assert struck.strike()
    switch.refusal = LeaseLost("the guard has taken over")
    threading.Timer(0.5, lambda: setattr(switch, "on", False)).start()
    began = time.monotonic()
    struck.withdraw()
    assert time.monotonic() - began < 5.0, "a lost lease is not insisted on"
    assert switch.undone == []
    assert struck.left_over == ""


def test_nothing_is_struck_once_stopped_but_what_was_is_undone(tools, stop):
    first, second = Switch(), Switch()
    struck, late = change(tools, first, "a"), change(tools, second, "b")
    assert struck.strike()
    stop.request("signal", "SIGTERM")
    assert not late.strike()
    assert not second.on
    withdraw([struck, late])
    assert not first.on


def test_arming_that_is_stopped_half_way_is_withdrawn(tools, stop):
    switch = Switch()

    def arm_slowly(state, world):
        switch.on = True
        stop.request("signal", "SIGTERM")
        raise Stopped("the run was stopped meanwhile")

    armed = change(tools, switch, arm=arm_slowly)
    assert not arm([armed])
    withdraw([armed])
    assert not switch.on
    assert armed.left_over == ""


def test_what_was_armed_and_never_struck_is_taken_out_without_undoing_a_strike(tools):
    """The undo of a strike asks what was armed, which may never have come up: nothing must wait for that."""
    switch = Switch()
    switch.refusal = ClusterError("the proxy cannot be reached")
    armed = change(
        tools, switch, arm=lambda state, world: switch.turn_on(), disarm=lambda state, world: setattr(switch, "on", False)
    )
    assert arm([armed])
    withdraw([armed])
    assert (switch.on, armed.left_over) == (False, "")
    assert ("s", "undo-failed") not in tools.recorder.edges


def test_what_must_come_first_is_made_before_anything_is_armed_and_the_witness_comes_last(tools):
    order = []
    guard, witness, fault = Switch(), Switch(), Switch()
    made = [
        change(
            tools,
            fault,
            "fault",
            announce=lambda state, world: order.append("fault made"),
            arm=lambda state, world: order.append("fault armed"),
        ),
        change(tools, witness, "witness", fitting=True, kind="witness", arm=lambda state, world: order.append("witness")),
        change(tools, guard, "guard", fitting=True, kind="guard", announce=lambda state, world: order.append("guard made")),
    ]
    assert arm(made)
    assert order == ["guard made", "fault made", "fault armed", "witness"]


def test_the_guard_stays_while_anything_else_is_not_clean(tools, monkeypatch):
    monkeypatch.setattr(changes_module, "UNDO_WITHIN", 0.3)
    monkeypatch.setattr(changes_module, "VERIFY_WITHIN", 0.3)
    fault, guard = Switch(), Switch()
    made = [change(tools, fault, "fault"), change(tools, guard, "guard", fitting=True, kind="guard")]
    assert arm(made)
    assert made[0].strike()
    fault.refusal = ClusterError("HTTP 500")
    withdraw(made)
    assert guard.on, "it goes on trying when we are gone"
