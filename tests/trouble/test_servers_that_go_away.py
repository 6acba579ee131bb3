"""An API server that lets nobody in any more, or comes and goes all the time: what is told is true, and all can be put back."""

import json
import os
import random
import re
import time

import pytest

from chaos.clock import RealClock, wait_until

pytestmark = pytest.mark.crash  # they wait for long, and test no more than one thing each


def away(code, message):
    return code, json.dumps({"kind": "Status", "status": "Failure", "code": code, "message": message}).encode()


@pytest.fixture
def run(gameday, experiment, through_the_door, tmp_path):
    """Scale one of two pods away for a moment, through the door: exit code and what was said."""

    def run(*options):
        reports = ("--reports", tmp_path / "reports")
        return gameday("run", experiment, "--kubeconfig", through_the_door, *reports, *options)

    return run


@pytest.fixture
def replicas(cluster, web):
    return lambda: cluster.get("Deployment", "web", web)["spec"]["replicas"]


@pytest.fixture
def expires_once_struck(door):
    """Whose token expires right after the strike has gone through: everything is answered 401 from then on."""

    def struck():
        return any(method == "PATCH" and "/deployments/web" in path for method, path in door.seen[:-1])

    door.rule = lambda method, path: away(401, "Unauthorized") if struck() else None


@pytest.mark.timeout(150)
def test_a_token_that_expires_while_the_fault_holds_ends_with_the_commands_that_put_back(
    gameday, run, door, expires_once_struck, replicas
):
    code, said = run("--no-guard")
    assert (code, replicas()) == (4, 1), said
    assert "Unauthorized" in said
    assert "Not everything is put back" in said
    recover = re.search(r"gameday (recover \S+)", said)
    assert recover, said
    assert re.search(r"kubectl -n \S+ patch deployments\.apps web .*--type=json", said)
    assert gameday(*recover[1].split())[0] == 4, "the token is still an expired one"
    door.rule = lambda method, path: None  # a new token
    assert gameday(*recover[1].split())[0] == 0
    assert replicas() == 2


@pytest.mark.timeout(150)
@pytest.mark.skipif(not os.environ.get("GAMEDAY_CRASH_FULL"), reason="takes 40 s; a run that is cut off is in tests/crash")
def test_a_token_that_expires_leaves_the_guard_its_own(gameday, run, door, expires_once_struck, replicas):
    """It has an account of its own: it puts back what the runner cannot, and the runner does not say what it cannot know."""
    code, said = run("--ttl", "5s")
    assert wait_until(lambda: replicas() == 2, clock=RealClock(), within=30.0)
    assert code == 4, said
    assert "Not everything is put back" in said
    door.rule = lambda method, path: None
    assert gameday("recover")[0] == 0
    assert replicas() == 2


class SquareWave:
    """A server that is away by turns, each turn for a while of its own; from the first change that it is asked for."""

    def __init__(self, door, seed, shortest, longest):
        rng = random.Random(seed)
        self.door, self.began = door, None
        self.turns = [rng.uniform(shortest, longest)]
        while self.turns[-1] < 300:
            self.turns.append(self.turns[-1] + rng.uniform(shortest, longest))

    def __call__(self, method, path):
        if self.began is None and self.door.changes:
            self.began = time.monotonic()
        gone = self.began is not None and sum(turn < time.monotonic() - self.began for turn in self.turns) % 2
        return away(503, "away") if gone else None


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("seed", "shortest", "longest"), [(1, 0.05, 0.4), (2, 0.3, 2.0)])
def test_a_server_that_comes_and_goes_all_the_time_ends_clean_or_says_that_it_does_not(  # noqa: PLR0917
    gameday, run, door, replicas, seed, shortest, longest
):
    door.rule = SquareWave(door, seed, shortest, longest)
    code, said = run("--no-guard")
    assert code in (0, 3, 4, 5), said
    if code != 4:
        assert replicas() == 2, said
    else:
        assert "gameday recover" in said
    door.rule = lambda method, path: None
    assert gameday("recover")[0] == 0
    assert replicas() == 2
