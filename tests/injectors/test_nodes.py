"""A node is cordoned by us alone, given free by us alone, and emptied of nobody's pods but those that opted in."""

import random

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, Conflict, NotFound
from chaos.injectors import cordoning, node_cordon, node_drain
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps
from chaos.probes.pods_ready import is_ready

WORKERS = ("sandbox-worker", "sandbox-worker2", "sandbox-worker3")
LAST = Caps(last_replica=Allowed(because="a test"))


@pytest.fixture
def world(cluster):
    yield World(cluster=cluster, proxies=PodProxies(cluster))
    for name in WORKERS:  # the sandbox is shared with other tests
        cluster.patch("Node", name, "", {"spec": {"unschedulable": None}, "metadata": {"labels": {cordoning.MARK: None}}})


@pytest.fixture
def deploy(cluster):
    """Ready pods of a Deployment in any namespace, on one node."""

    def deploy(namespace, name, node="sandbox-worker2", replicas=2):
        spec = {"containers": [{"name": "web", "image": "gameday-echo"}]}
        if node:
            spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
        meta = {"name": name, "namespace": namespace}
        cluster.create({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": wanted})
        ready = lambda: sum(map(is_ready, cluster.find("Pod", namespace, labels={"app": name}))) == replicas  # noqa: E731
        assert wait_until(ready, clock=RealClock(), within=20.0)

    return deploy


@pytest.fixture
def other(cluster, namespace):
    """A namespace that has not opted in, and one that has."""
    for name, labels in ((f"{namespace}-closed", {}), (f"{namespace}-open", {"gameday.dev/opt-in": "true"})):
        cluster.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})
    yield namespace
    for name in ("closed", "open"):
        cluster.delete("Namespace", f"{namespace}-{name}")


def prepare(world, namespace, module=node_cordon, caps=LAST, **more):
    spec = module.Spec.model_validate({"kind": module.__name__.rpartition(".")[2].replace("_", "-"), **more})
    aim = Aim(world=world, namespace=namespace, run="run", step="step", rng=random.Random(1), caps=caps)
    return module.prepare(spec, aim)


def node(world, name="sandbox-worker2"):
    found = world.cluster.get("Node", name)
    return found["spec"].get("unschedulable", False), found["metadata"]["labels"].get(cordoning.MARK, "")


def test_cordoned_by_our_mark_and_free_again_twice(world, namespace):
    state = prepare(world, namespace, node="sandbox-worker2")
    node_cordon.stop(state, world)
    assert node(world) == (False, "")
    node_cordon.start(state, world)
    assert node(world) == (True, state.mark)
    assert "still cordoned by us" in node_cordon.verify(state, world)[0]
    for _ in range(2):
        node_cordon.stop(state, world)
        assert node(world) == (False, "")
    assert node_cordon.verify(state, world) == []


def test_whom_somebody_else_gave_free_meanwhile_only_loses_our_mark(world, namespace):
    state = prepare(world, namespace, node="sandbox-worker2")
    node_cordon.start(state, world)
    world.cluster.patch("Node", "sandbox-worker2", "", {"spec": {"unschedulable": None}})
    node_cordon.stop(state, world)
    assert node(world) == (False, "")
    assert node_cordon.verify(state, world) == []


def test_a_cordon_that_is_not_ours_stays(world, namespace):
    state = prepare(world, namespace, node="sandbox-worker2")
    world.cluster.patch("Node", "sandbox-worker2", "", {"spec": {"unschedulable": True}})
    with pytest.raises(NotFound, match="cordoned by somebody else"):
        node_cordon.start(state, world)
    node_cordon.stop(state, world)
    assert node(world) == (True, "")
    assert node_cordon.verify(state, world) == []
    with pytest.raises(BadInput, match="cordoned already"):
        prepare(world, namespace, node="sandbox-worker2")


def test_another_node_of_that_name_is_not_touched(world, namespace):
    state = prepare(world, namespace, node="sandbox-worker2").model_copy(update={"node_uid": "another"})
    with pytest.raises(Conflict):
        node_cordon.start(state, world)
    assert node(world) == (False, "")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"node": "sandbox-control-plane"}, "control plane, which is never struck"),
        ({"node": "nowhere"}, "no node nowhere .workers that take pods: sandbox-worker, sandbox-worker2, sandbox-worker3"),
        ({"hosting": {"app": "nobody"}}, "matches no pod"),
    ],
)
def test_what_cannot_be_is_refused(world, namespace, wanted, words):
    with pytest.raises(BadInput, match=words):
        prepare(world, namespace, **wanted)


def test_the_last_worker_that_takes_pods_is_refused(world, namespace):
    for name in ("sandbox-worker", "sandbox-worker3"):
        world.cluster.patch("Node", name, "", {"spec": {"unschedulable": True}})
    with pytest.raises(BadInput, match="only worker that takes pods"):
        prepare(world, namespace, node="sandbox-worker2")


@pytest.mark.parametrize("wanted", [{}, {"node": "a", "hosting": {"app": "b"}}])
def test_a_node_is_named_in_one_way(wanted):
    with pytest.raises(ValueError, match="give either node"):
        node_cordon.Spec.model_validate({"kind": "node-cordon", **wanted})


def test_the_scheduler_keeps_away_from_a_cordoned_node(world, cluster, namespace, deploy):
    state = prepare(world, namespace, node="sandbox-worker2")
    node_cordon.start(state, world)
    deploy(namespace, "late", node="", replicas=3)
    assert "sandbox-worker2" not in {pod["spec"]["nodeName"] for pod in cluster.find("Pod", namespace)}
    node_cordon.stop(state, world)


# -- drain -------------------------------------------------------------------------------------------------------------


def test_only_pods_of_the_named_namespaces_leave_and_the_plan_lists_who_stays(world, cluster, other, deploy):
    for space in (other, f"{other}-open", f"{other}-closed"):
        deploy(space, "web", replicas=1)
    state = prepare(world, other, node_drain, node="sandbox-worker2")
    assert {target.namespace for target in state.leaving} == {other}
    assert state.notes[0] == "pods do not move back when the node is given free again"
    for space in (f"{other}-open", f"{other}-closed"):
        assert f"1 pods stay on the node: of namespace {space}, which this does not strike" in state.notes
    both = prepare(world, other, node_drain, node="sandbox-worker2", namespaces=[f"{other}-open"])
    assert {target.namespace for target in both.leaving} == {other, f"{other}-open"}
    with pytest.raises(BadInput, match="has not opted in"):
        prepare(world, other, node_drain, node="sandbox-worker2", namespaces=[f"{other}-closed"])
    with pytest.raises(BadInput, match="namespace kube-system is never struck"):
        prepare(world, other, node_drain, node="sandbox-worker2", namespaces=["kube-system"])


def test_a_pod_that_nobody_would_replace_stays(world, cluster, namespace, deploy):
    deploy(namespace, "web", replicas=1)
    bare = {"nodeName": "sandbox-worker2", "containers": [{"name": "web", "image": "gameday-echo"}]}
    cluster.create({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "bare", "namespace": namespace}, "spec": bare})
    state = prepare(world, namespace, node_drain, node="sandbox-worker2")
    assert [target.name.split("-")[0] for target in state.leaving] == ["web"]
    assert "1 pods stay on the node: without an owner that would replace them" in state.notes


def test_a_drained_node_is_empty_of_them_and_free_again_but_they_do_not_move_back(world, cluster, namespace, deploy):
    deploy(namespace, "web", node="", replicas=3)
    state = prepare(world, namespace, node_drain, Caps(), node="sandbox-worker2")
    node_drain.start(state, world)
    assert wait_until(lambda: "sandbox-worker2" not in places(cluster, namespace), clock=RealClock(), within=20.0)
    assert wait_until(lambda: len(node_drain.verify(state, world)) == 1, clock=RealClock(), within=20.0)  # the cordon alone
    node_drain.stop(state, world)
    assert node_drain.verify(state, world) == []
    assert "sandbox-worker2" not in places(cluster, namespace)


def places(cluster, namespace):
    pods = cluster.find("Pod", namespace)
    return {pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("deletionTimestamp")}


def test_caps_and_nothing_to_strike(world, namespace, deploy):
    with pytest.raises(BadInput, match="runs no pods of"):
        prepare(world, namespace, node_drain, node="sandbox-worker2")
    deploy(namespace, "web")
    with pytest.raises(BadInput, match="last ready replica of deployment/web"):
        prepare(world, namespace, node_drain, Caps(), node="sandbox-worker2")
    with pytest.raises(BadInput, match="the cap is 50%"):
        prepare(world, namespace, node_drain, node="sandbox-worker2")
