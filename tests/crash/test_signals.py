"""Every signal that could end a run puts everything back first, and a second one changes nothing."""

import os
import signal
import threading
import time

import pytest
from harness.ground import FAULTS, Runner, until
from harness.traps import is_act, progress
from harness.wire import Hangup, Wire

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2")
FIRST_UNDO = 0.05
"""Seconds from the signal to the first undo request, on a machine that has nothing else to do."""
SPARE = float(os.environ.get("GAMEDAY_SPARE", "5"))
"""How many times slower a busy machine may be before it is our fault."""


@pytest.fixture
def struck(ground, tmp_path):
    """A run whose fault is in effect, and holds for long."""
    runner = Runner(ground, Wire(ground.server), tmp_path)
    runner.start(FAULTS["scale-to-zero"].replace("800ms", "60s"))
    assert until(lambda: progress(runner, "scale-to-zero").applied or runner.process.poll() is not None, 30.0, 0.005)
    assert runner.process.poll() is None, runner.said()
    yield runner
    runner.end()


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_puts_everything_back_and_reads_it_back(name, struck, ground):
    number = getattr(signal, name)
    at = time.monotonic()
    struck.process.send_signal(number)
    undo = until(lambda: next((each for each in struck.wire.seen if is_act(each) and each.at > at), None), 10.0, 0.002)
    struck.process.send_signal(number)  # a second one, while it undoes
    struck.process.send_signal(signal.SIGTERM)
    code = struck.process.wait(30)
    assert code in (1, 3), struck.said()
    assert ground.left(5.0) == []
    assert undo, "no undo was sent"
    assert undo.at - at < FIRST_UNDO * SPARE, f"first undo after {undo.at - at:.3f} s"
    assert struck.ledger is None
    assert struck.survivors() == {}


def test_a_signal_is_obeyed_at_once_while_a_reading_hangs(ground, tmp_path):
    """The witness does not answer while the dose is looked for: the undo does not wait for it."""
    runner = Runner(ground, Wire(ground.server), tmp_path)
    hangs = threading.Event()

    def rule(exchange):
        if "/proxy/readings" in exchange.request.path and progress(runner, "service-blackhole").applied:
            hangs.set()
            time.sleep(5)  # longer than anybody waits for an answer
            raise Hangup
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start("{kind: service-blackhole, service: web, duration: 60s}", "--no-guard")
    assert hangs.wait(30), runner.said()
    at = time.monotonic()
    runner.process.send_signal(signal.SIGTERM)
    undo = until(lambda: next((each for each in runner.wire.seen if is_act(each) and each.at > at), None), 10.0, 0.002)
    code = runner.process.wait(30)
    runner.end()
    assert code == 3, runner.said()
    assert undo, "no undo was sent"
    assert undo.at - at < FIRST_UNDO * SPARE, f"first undo after {undo.at - at:.3f} s"
    assert ground.left(5.0) == []


def test_a_signal_before_the_strike_lets_nothing_begin(ground, tmp_path):
    """The intent is being written when the signal comes: nothing may be struck after it."""
    runner = Runner(ground, Wire(ground.server), tmp_path)
    told = []

    def rule(exchange):
        if exchange.request.is_review and not told:
            told.append(True)
            runner.process.send_signal(signal.SIGTERM)
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(FAULTS["scale-to-zero"])
    runner.process.wait(30)
    acts = [each for each in runner.wire.seen if is_act(each)]
    runner.end()
    assert told
    assert acts == [], acts
    assert ground.left(5.0) == []


BETWEEN = {
    "look and strike": ("{kind: service-blackhole, service: web, duration: 60s}", "GET", "/proxy/readings", ("PATCH",)),
    "steps of arming": ("{kind: latency, service: web, latency: 200ms, duration: 60s}", "POST", "/services", ("POST",)),
}
"""Fault; the request of the run during which the signal comes; what must not succeed after it."""


@pytest.mark.parametrize("when", BETWEEN)
def test_after_a_signal_nothing_is_begun_any_more(ground, tmp_path, when):
    """It comes while the run waits for an answer and the next thing that it would do is to strike, or to arm some more."""
    fault, method, path, begins = BETWEEN[when]
    runner = Runner(ground, Wire(ground.server), tmp_path)
    at = []

    def rule(exchange):
        if exchange.request.method == method and path in exchange.request.path and not at:
            at.append(time.monotonic())
            runner.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)  # it is heard long before the answer comes
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(fault, "--no-guard")
    code = runner.process.wait(40)
    runner.end()
    assert at, runner.said()
    later = [each for each in runner.wire.mutations(at[0]) if is_act(each) and each.status < 300]
    assert [f"{each.method} {each.path}" for each in later if each.method in begins] == []
    assert code == 3, runner.said()
    assert ground.left(5.0) == []


def test_gameday_stop_ends_a_run_of_another_folder_and_waits_until_all_is_back(struck, ground, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stopper = struck.gameday("stop", "--all", cwd=elsewhere)
    assert stopper.wait(30) == 0, struck.said("stop")
    assert ground.left(0.0) == [], "it returned before everything was back"
    assert "stopped" in struck.said("stop")
    assert struck.process.wait(10) == 3, struck.said()


def test_the_safety_lever_ends_runs_and_keeps_new_ones_from_starting(struck, ground, tmp_path):
    where = ("--on", "sandbox", "--kubeconfig", str(struck.folder / "kubeconfig"))
    at = time.monotonic()
    assert struck.gameday("stop", "--lever", "on", "--because", "incident 7", *where).wait(30) == 0, struck.said("stop")
    try:
        assert struck.process.wait(30) == 3, struck.said()
        assert any(is_act(each) and "web" in each.path and each.at > at for each in struck.wire.seen)
        refused = Runner(ground, Wire(ground.server), tmp_path / "refused").start(FAULTS["scale-to-zero"])
        assert refused.process.wait(30) == 5, refused.said()
        assert "incident 7" in refused.said()
        assert refused.wire.mutations() == []
        plan = refused.gameday("plan", "e.yaml", *where)
        assert plan.wait(30) == 0, refused.said("plan")
        assert "incident 7" in refused.said("plan")
        refused.end()
    finally:
        assert struck.gameday("stop", "--lever", "off", *where).wait(30) == 0
    assert ground.left(5.0) == []
