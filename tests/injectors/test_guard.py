"""The guard may do what the undo calls need, by the names of the objects, and nothing else."""

import json
import random

import pytest

from chaos.clients.world import World
from chaos.injectors import guard, guard_rights
from chaos.injectors.base import Aim
from chaos.model.caps import Caps
from chaos.model.undo import DeleteOwn, PatchBack, RestoreData

SCALE = PatchBack(
    kind="Deployment", name="web", namespace="shop", patch=[{"op": "replace", "path": "/spec/replicas", "value": 2}]
)
CORDON = PatchBack(kind="Node", name="worker", patch=[{"op": "remove", "path": "/spec/unschedulable"}])
OWN = DeleteOwn(kind="NetworkPolicy", name="cut", namespace="shop", labels={"gameday.dev/run": "r"})
DATA = RestoreData(kind="Secret", name="key", namespace="shop", uid="1", undo_secret="undo-key")
GONE = RestoreData(kind="ConfigMap", name="app", namespace="shop", uid="1", undo_secret="undo-app", recreate=True)


@pytest.fixture
def aim(cluster, namespace):
    world = World(cluster=cluster, proxies=None)
    return Aim(
        world=world, namespace="shop", run="r", step="guard", rng=random.Random(1), caps=Caps(), images={"python": "python:3"}
    )


def prepared(aim, *calls, **more):
    return guard.prepare(guard.Spec(ttl=30.0, ledger="ledger", lease="lease", owner="owner", calls=list(calls), **more), aim)


def rights(state, namespace="shop"):
    """(resource, verb, name) of every right in a namespace."""
    return {
        (rule.resource, verb, name)
        for rule in state.rules
        if rule.namespace == namespace
        for verb in rule.verbs
        for name in rule.names or ["*"]
    }


PARTS = {("configmaps", "get", f"ledger-{number}") for number in range(1, guard_rights.MOST_PARTS + 1)}
BASE = PARTS | {
    ("leases", "get", "lease"),
    ("leases", "update", "lease"),
    ("configmaps", "get", "ledger"),
    ("configmaps", "patch", "ledger"),
    ("jobs", "get", "owner"),
    ("jobs", "patch", "owner"),
    ("jobs", "delete", "owner"),
}


@pytest.mark.parametrize(
    ("call", "needs"),
    [
        (SCALE, {("deployments", "get", "web"), ("deployments", "patch", "web")}),
        (OWN, {("networkpolicies", "get", "cut"), ("networkpolicies", "delete", "cut")}),
        (
            DATA,
            {
                ("secrets", "get", "key"),
                ("secrets", "patch", "key"),
                ("secrets", "get", "undo-key"),
                ("secrets", "delete", "undo-key"),
            },
        ),
        (
            GONE,
            {
                ("configmaps", "get", "app"),
                ("configmaps", "patch", "app"),
                ("configmaps", "create", "*"),
                ("secrets", "get", "undo-app"),
                ("secrets", "delete", "undo-app"),
            },
        ),
        (
            SCALE.model_copy(update={"subresource": "scale"}),
            {("deployments", "get", "web"), ("deployments/scale", "patch", "web")},
        ),
    ],
    ids=["patch", "delete", "data", "recreate", "subresource"],
)
def test_its_rights_are_those_of_the_calls(call, needs, aim):
    assert rights(prepared(aim, call)) == BASE | needs


def test_for_what_lives_in_no_namespace_it_has_a_role_of_its_own_that_it_can_take_away(aim):
    state = prepared(aim, CORDON, SCALE)
    cluster_wide = {("nodes", "get", "worker"), ("nodes", "patch", "worker")}
    own = {("clusterroles", "get", state.name), ("clusterroles", "delete", state.name)}
    assert rights(state, "") == cluster_wide | own
    assert ("nodes", "patch", "worker") not in rights(state)


def test_it_stays_off_the_nodes_that_are_struck(aim):
    spec = guard._pod_spec(prepared(aim, CORDON, avoid=["worker"]))
    assert "worker" in json.dumps(spec["affinity"])
    assert "affinity" not in guard._pod_spec(prepared(aim, SCALE))


def test_nothing_of_it_may_be_undone_by_itself(aim):
    """It goes with its owner, in the end: a guard that began with its own rights could not finish."""
    assert guard.undo_calls(prepared(aim, SCALE)) == []


def test_it_is_made_and_taken_away_twice_over(cluster, namespace, aim):
    world = World(cluster=cluster, proxies=None)
    state = prepared(aim, CORDON, SCALE).model_copy(update={"namespace": namespace})
    rules = [rule.model_copy(update={"namespace": namespace}) if rule.namespace else rule for rule in state.rules]
    state = state.model_copy(update={"rules": rules})
    guard.stop(state, world)
    for _ in range(2):
        guard.announce(state, world)
    assert len(guard.verify(state, world)) == 6
    role = cluster.get("ClusterRole", state.name)
    binding = cluster.get("ClusterRoleBinding", state.name)
    assert [each["uid"] for each in binding["metadata"]["ownerReferences"]] == [role["metadata"]["uid"]]
    for _ in range(2):
        guard.stop(state, world)
        assert guard.verify(state, world) == []
