"""Every signal that would end the runner means "stop and put back", and a second one changes nothing."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.engine.stopping import SIGNALS, StopFlag, ask_to_stop, at_work, is_at_work, signals_stop, stop_file
from chaos.errors import NotReady
from chaos.model.run import Environment, RunInfo, Subject


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_sets_the_flag_and_never_raises(number):
    stop = StopFlag()
    with signals_stop(stop):
        os.kill(os.getpid(), number)
        assert stop.event.wait(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.why.detail == number.name


_WAITING = """
import signal, threading
from chaos.engine.stopping import StopFlag, signals_stop
for _ in range(300):
    stop = StopFlag()
    with signals_stop(stop):
        threading.Timer(0.001, signal.pthread_kill, (threading.main_thread().ident, signal.SIGTERM)).start()
        while not stop.is_set:
            stop.event.wait(0.0)
"""


def test_a_signal_never_waits_for_what_it_interrupts():
    """It comes while the main thread is about to wait for the very flag that it sets."""
    subprocess.run([sys.executable, "-c", _WAITING], check=True, timeout=30)


def test_the_first_reason_is_the_reason():
    stop = StopFlag()
    stop.request("stop-condition", "too many failed", condition="c")
    stop.request("signal", "SIGINT")
    assert (stop.why.reason, stop.why.condition) == ("stop-condition", "c")


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with signals_stop(StopFlag()):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def info(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    return RunInfo(
        id="r1",
        scenario="s",
        environment=Environment(kind="sandbox", name="sandbox"),
        subject=Subject(service="s"),
        tool_version="0",
        seed=1,
        started="2026-01-05T09:00:00+00:00",
    )


def test_a_run_at_work_is_found_and_stopped_by_its_file(info, tmp_path):
    stop = StopFlag()
    with stop_file(stop, info):
        (found,) = at_work()
        assert (found.run, found.pid, found.where) == ("r1", os.getpid(), "sandbox sandbox")
        assert not stop.is_set
        ask_to_stop(found)
        assert stop.event.wait(2.0)
        assert stop.why.reason == "kill-switch"
        assert is_at_work(found), "it is at work until it has put everything back"
    assert not is_at_work(found)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_file_of_a_dead_run_is_no_run_and_is_swept_away(info, tmp_path):
    folder = tmp_path / "running"
    folder.mkdir()
    (folder / "r0.run").write_text("{}")
    (folder / "r0.stop").touch()
    assert at_work() == []
    assert list(folder.iterdir()) == []


def test_a_run_that_could_not_be_stopped_does_not_begin(info, tmp_path):
    (tmp_path / "running").write_text("in the way")
    with pytest.raises(NotReady, match="state folder"), stop_file(StopFlag(), info):
        pass


def test_work_is_waited_for_no_longer_than_for_the_stop():
    stop, goes_on = StopFlag(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        waiter = pool.submit(stop.wait_for, pool.submit(goes_on.wait, 10))
        stop.request("operator", "enough")
        waiter.result(5)
        assert not goes_on.is_set()
        goes_on.set()


def test_the_trouble_of_work_is_told_to_who_waits_for_it():
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        StopFlag().wait_for(pool.submit(lambda: 1 // 0))
