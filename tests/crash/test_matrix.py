"""A runner is killed at every point of every fault, once; nothing is left, and nobody is at work any more."""

import pytest
from harness.matrix import CELLS, Matrix, keys

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def outcomes(request, server, tmp_path_factory):
    """All cells that were asked for, begun at once: several run side by side while the tests read the results in order."""
    wanted = {tuple(item.callspec.params.values()) for item in request.session.items if item.module is request.module}
    lanes = Matrix(tmp_path_factory.mktemp("matrix")).lanes(server)
    yield {key[:2]: lanes.submit(key) for key in keys(1) if key[:2] in wanted}
    lanes.close()


@pytest.mark.parametrize(("point", "kind"), CELLS)
def test_a_killed_runner_leaves_nothing(outcomes, point, kind):
    outcome = outcomes[point, kind].result()
    assert outcome.sprung, outcome.note
    assert outcome.left == [], f"after {outcome.layer}: {outcome}"
    assert outcome.left_at_last == [], outcome
    assert outcome.processes == [], outcome
    assert outcome.late_requests == [], outcome
    assert outcome.files == [], outcome
    assert outcome.recover_code in (0, None), outcome
