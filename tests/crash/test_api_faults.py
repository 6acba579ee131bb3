"""An API server that misbehaves never makes a run say "clean" when it is not."""

import pytest
from harness.api_faults import meet
from harness.ground import FAULTS, Runner
from harness.lanes import Lanes
from harness.traps import progress
from harness.wire import Wire

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
UNDONE = {"pod-kill": 1, "latency": 2, "scale-to-zero": 1}  # marks `undone` in the ledger of a whole run
SAMPLE = [  # each verb in the phases where it is used; all ways; all 560 are in `make test-crash-full`
    ("review", "plan", "truncated"),
    ("get", "plan", "410"),
    ("list", "plan", "tls"),
    ("create", "inject", "reset-after"),
    ("create", "inject", "403"),
    ("patch", "inject", "reset-after"),
    ("patch", "inject", "slow"),
    ("delete", "inject", "reset-after"),
    ("list", "hold", "503"),
    ("list", "hold", "401"),
    ("patch", "undo", "404"),
    ("patch", "undo", "reset-after"),
    ("patch", "undo", "truncated"),
    ("delete", "undo", "409"),
    ("delete", "undo", "429"),
    ("get", "verify", "hang"),
    ("get", "verify", "reset-before"),
    ("list", "verify", "500"),
    ("list", "inject", "500"),
]
FOR_GOOD = {("list", "inject", "500")}
"""As long as the phase lasts; the others for a while."""


@pytest.fixture(scope="module")
def troubles(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("api-faults")

    def work(ground, cell):
        return meet(ground, folder / "-".join(cell), cell, undone=UNDONE, for_good=cell in FOR_GOOD)

    lanes = Lanes(server, "api", work, 4)
    yield {cell: lanes.submit(cell) for cell in SAMPLE}
    lanes.close()


@pytest.mark.parametrize("cell", SAMPLE, ids="-".join)
def test_trouble_with_the_api_server_never_reads_as_clean(troubles, cell):
    trouble = troubles[cell].result()
    assert trouble.reached, trouble
    assert not trouble.stuck, trouble
    assert not trouble.false_clean, trouble
    assert trouble.left_at_last == [], trouble


def test_a_server_that_says_yes_and_does_nothing_is_found_out(ground, tmp_path):
    """The undo is answered with success and not carried out: only the read-back can know."""
    runner = Runner(ground, Wire(ground.server), tmp_path)

    def rule(exchange):
        undo = (
            exchange.request.mutates
            and "/deployments/web" in exchange.request.path
            and progress(runner, "scale-to-zero").applied
        )
        if undo:
            exchange.answer(200, {"Content-Type": "application/json"}, b'{"kind": "Deployment", "metadata": {}}')
        else:
            exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(FAULTS["scale-to-zero"], "--no-guard")  # a guard would put it back behind the runner's back
    try:
        code = runner.process.wait(90)
        assert ground.left(0.1), "the undo was swallowed, so the deployment is still scaled down"
        assert code == 4, runner.said()
        assert "gameday recover" in runner.said()
        runner.wire.rule = lambda exchange: exchange.answer(*exchange.forward())
        assert runner.gameday("recover").wait(60) == 0, runner.said("recover")
        assert ground.left(10.0) == []
    finally:
        runner.end()
