"""`gameday stop` ends runs and waits for them; the safety lever is pulled by it."""

import threading
from contextlib import contextmanager

import pytest

from chaos.engine.stopping import StopFlag, stop_file
from chaos.ledger import Entry, Ledger, LedgerHeader, ledger_folder
from chaos.model.run import Environment, RunInfo, Subject

SANDBOX = Environment(kind="sandbox", name="sandbox")


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))


@contextmanager
def a_run(name, *, obeys=True):
    """A run under way in a thread, that ends when it is told to, or never."""
    info = RunInfo(
        id=name, scenario="s", environment=SANDBOX, subject=Subject(service="s"), tool_version="0", seed=1, started="now"
    )
    stop, begun, over = StopFlag(), threading.Event(), threading.Event()

    def work():
        with stop_file(stop, info):
            begun.set()
            (stop.event if obeys else over).wait(20.0)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5.0)
    yield stop
    over.set()
    thread.join(5.0)


def left_over(name):
    ledger = Ledger(
        ledger_folder() / f"{name}.ledger", LedgerHeader(run=name, scenario="s", environment=SANDBOX, started="now")
    )
    ledger.intend(Entry(id="a", fault="pod-kill", step="a", undo="nothing", state={}))
    ledger.close(clean=False)


def test_the_only_run_needs_no_name(gameday):
    with a_run("r1") as stop:
        answer = gameday("stop")
    assert (answer.code, stop.why.reason) == (0, "kill-switch")
    assert "r1: stopped" in answer.out


def test_several_runs_want_a_name_or_all(gameday):
    with a_run("r1") as one, a_run("r2") as two:
        refused = gameday("stop")
        assert refused.code == 2
        assert "r1" in refused.err
        assert "r2" in refused.err
        assert not one.is_set
        assert gameday("stop", "r2").code == 0
        assert not one.is_set
        assert two.is_set
        assert gameday("stop", "--all").code == 0
    assert one.is_set


def test_nothing_to_stop_is_said(gameday):
    assert gameday("stop", "--all").out == "No run is under way on this machine.\n"
    assert gameday("stop", "r9").code == 2


def test_a_run_that_does_not_end_is_told_with_the_commands_that_end_it(gameday):
    with a_run("r1", obeys=False):
        answer = gameday("stop", "--within", "0.2")
    assert answer.code == 4
    assert "kill -9" in answer.err
    assert "gameday recover r1" in answer.err


def test_a_run_that_left_something_behind_is_never_called_stopped(gameday):
    left_over("r1")
    gone = gameday("stop", "r1")
    assert gone.code == 4
    assert "gameday recover r1" in gone.err
    with a_run("r1"):
        assert gameday("stop", "r1").code == 4


def test_the_lever_is_pulled_and_released(gameday, kubeconfig):
    there = ("--on", "sandbox", "--kubeconfig", kubeconfig)
    assert "released" not in gameday("stop", "--lever", "off", *there).out
    on = gameday("stop", "--lever", "on", "--because", "incident 7", *there)
    try:
        assert on.code == 0
        assert "incident 7" in on.out
        assert "was already" in gameday("stop", "--lever", "on", *there).out
    finally:
        assert "is released" in gameday("stop", "--lever", "off", *there).out


@pytest.mark.parametrize(
    "arguments",
    [("--lever", "on"), ("--lever", "on", "--on", "none"), ("--on", "sandbox"), ("r", "--lever", "off"), ("r", "--all")],
)
def test_words_that_do_not_go_together_are_refused(gameday, arguments):
    assert gameday("stop", *arguments).code == 2
