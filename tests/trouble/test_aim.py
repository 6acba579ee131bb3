"""A cluster that nobody trusts is never changed; one that is trusted is struck; undoing asks for no trust."""

import random
import re
from pathlib import Path

import pytest

from chaos.engine.reaching import place as reach
from chaos.injectors import scale_to_zero
from chaos.injectors.base import Aim
from chaos.ledger import Entry, Ledger, LedgerHeader, ledger_folder
from chaos.model.caps import Caps


def test_a_cluster_that_nobody_trusts_gets_no_request_that_could_change_it(gameday, door, unknown_cluster, experiment):
    code, said = gameday("run", experiment, "--on", "staging", "--kubeconfig", unknown_cluster)
    assert code == 2
    assert "is not trusted" in said
    assert "gameday trust --on staging" in said
    assert door.changes == []
    assert not Path("reports").exists()


@pytest.mark.parametrize("how", ["the command", "the environment"])
def test_once_it_is_trusted_it_is_struck_and_put_back(  # noqa: PLR0917
    gameday, door, unknown_cluster, experiment, cluster, web, monkeypatch, how
):
    place = ("--on", "staging", "--kubeconfig", unknown_cluster)
    if how == "the command":
        assert gameday("trust", *place)[0] == 0
    else:
        monkeypatch.setenv("GAMEDAY_TRUST", gameday("trust", *place, "--fingerprint")[1].strip())
    code, said = gameday("run", experiment, *place)
    assert code == 0, said
    assert ("PATCH", "deployments/web") in [(method, "/".join(path.rsplit("/", 2)[-2:])) for method, path in door.changes]
    assert cluster.get("Deployment", "web", web)["spec"]["replicas"] == 2


def test_the_fingerprint_is_that_of_the_current_context_unless_told_otherwise(gameday, unknown_cluster):
    code, said = gameday("trust", "--fingerprint", "--kubeconfig", unknown_cluster)
    assert (code, bool(re.fullmatch("[0-9a-f]{32}", said.strip()))) == (0, True), said
    assert gameday("trust", "--on", "staging", "--fingerprint", "--kubeconfig", unknown_cluster)[1] == said


def test_a_fingerprint_asked_for_as_a_kind_cluster_is_that_of_one(gameday, unknown_cluster):
    text = unknown_cluster.read_text().replace("staging", "kind-staging")
    unknown_cluster.write_text(text)
    code, said = gameday("trust", "--kind", "staging", "--fingerprint", "--kubeconfig", unknown_cluster)
    assert (code, "not made of kind nodes" in said) == (2, True)


def test_planning_needs_no_trust_and_changes_nothing(gameday, door, unknown_cluster, experiment):
    code, said = gameday("plan", experiment, "--on", "staging", "--kubeconfig", unknown_cluster)
    assert code == 0, said
    assert door.changes == []


def test_undoing_needs_no_trust(gameday, unknown_cluster, cluster, web):
    world = reach("staging", kubeconfig=unknown_cluster)
    aim = Aim(world=world.world, namespace=web, run="killed", step="less", rng=random.Random(1), caps=Caps())
    state = scale_to_zero.prepare(scale_to_zero.Spec(kind="scale-to-zero", deployment="web", to=1), aim)
    header = LedgerHeader(
        run="killed",
        scenario="s",
        environment=world.environment,
        kubeconfig=str(unknown_cluster),
        context="staging",
        started="2026-01-05",
    )
    ledger = Ledger(ledger_folder() / "killed.ledger", header)
    ledger.intend(Entry(id="less", fault="scale-to-zero", step="less", undo="scale back", state=state.model_dump(mode="json")))
    scale_to_zero.start(state, world.world)
    ledger.close(clean=False)
    code, said = gameday("recover")
    assert code == 0, said
    assert cluster.get("Deployment", "web", web)["spec"]["replicas"] == 2
