"""A request that its dead runner sent may take effect after the runner's end: what puts back waits for it."""

import time

import pytest
from harness.ground import FAULTS, until
from harness.traps import is_act, progress
from harness.wire import Hangup

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
KIND = "scale-to-zero"
LATE = 1.0  # seconds after the kill; it counts as lost for good after 2.5


@pytest.mark.parametrize("layer", ["watchdog", "recover"])
def test_a_strike_that_lands_after_the_runners_death_is_undone(layer, ground, tmp_path):
    runner, landed = ground.runner(tmp_path), []

    def rule(exchange):
        if not runner.killed_at and progress(runner, KIND).intent and is_act(exchange.request):
            runner.kill(watchdog=layer == "recover")
            time.sleep(LATE)  # a server that was asked, and is busy
            landed.append(exchange.forward()[0])
            raise Hangup
        exchange.answer(*exchange.forward())

    runner.met_by(rule)
    runner.start(FAULTS[KIND])
    runner.process.wait(60)
    try:
        code = runner.gameday("recover").wait(45) if layer == "recover" else 0  # it begins before the strike lands
        assert until(lambda: landed, 10.0) == [200], "it was to take effect"
        assert ground.left(30.0) == []
        assert code == 0, runner.said("recover")
        assert until(lambda: not runner.survivors() and runner.ledger is None, 15.0)
    finally:
        runner.end()
    assert ground.left(0.0) == [], "and stays as it was"
