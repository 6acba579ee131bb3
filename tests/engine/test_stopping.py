"""Every signal that would end the runner means "stop and put back", and a second one changes nothing."""

import os
import signal

import pytest

from chaos.engine.stopping import SIGNALS, StopFlag, signals_stop


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_sets_the_flag_and_never_raises(number):
    stop = StopFlag()
    with signals_stop(stop):
        os.kill(os.getpid(), number)
        assert stop.event.wait(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.why.detail == number.name


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
