"""What an injector's world refuses, and what it adds, without the injector knowing of it."""

import pytest

from chaos.clients.world import World
from chaos.engine.fencing import making_world, undoing_world
from chaos.engine.lease import LeaseLost
from chaos.engine.stopping import StopFlag
from chaos.errors import NotFound, Stopped
from chaos.injectors.base import LABEL_RUN, LABEL_UNDO


class Nodes:
    """The Docker side of a world."""

    def __init__(self):
        self.stopped = []

    def nodes(self):
        return ["worker"]

    def stop(self, node):
        self.stopped.append(node)


class Gate:
    """A lease that tests take away."""

    def __init__(self):
        self.lost = False

    def __call__(self):
        if self.lost:
            raise LeaseLost("lost")


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def stop():
    return StopFlag()


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=None, containers=Nodes())


@pytest.fixture
def owner(cluster, namespace):
    made = cluster.create(config(namespace, "owner", {}))
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made["metadata"]["uid"], "namespace": namespace}


@pytest.fixture
def making(world, gate, stop, owner):
    return making_world(world, gate, stop, owner)


def config(namespace, name, labels):
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {},
    }


WRITES = {
    "create": lambda c, ns: c.create(config(ns, "a", {})),
    "patch": lambda c, ns: c.patch("ConfigMap", "owner", ns, {"data": {"a": "b"}}),
    "replace": lambda c, ns: c.replace(config(ns, "owner", {})),
    "delete": lambda c, ns: c.delete("ConfigMap", "owner", ns),
    "evict": lambda c, ns: c.evict("pod", ns),
    "pod_request": lambda c, ns: c.pod_request(ns, "pod", 80, "POST", "/"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_without_the_lease_nothing_is_written_and_everything_can_be_read(write, world, making, gate, cluster, namespace):
    gate.lost = True
    before = cluster.get("ConfigMap", "owner", namespace)
    for fenced in (making, undoing_world(world, gate)):
        with pytest.raises(LeaseLost):
            write(fenced.cluster, namespace)
        with pytest.raises(LeaseLost):
            fenced.containers.stop("worker")
        assert fenced.cluster.get("ConfigMap", "owner", namespace) == before
        assert fenced.cluster.find("ConfigMap", namespace)
        assert fenced.containers.nodes() == ["worker"]
    assert world.containers.stopped == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_once_stopped_nothing_is_made_any_more_and_no_wait_goes_on(write, making, stop, cluster, namespace):
    before = cluster.get("ConfigMap", "owner", namespace)
    stop.request("signal", "SIGTERM")
    with pytest.raises(Stopped):
        write(making.cluster, namespace)
    with pytest.raises(Stopped):
        making.cluster.find("Pod", namespace)
    assert cluster.get("ConfigMap", "owner", namespace) == before


def test_a_stop_does_not_keep_from_putting_back(world, gate, stop, namespace, owner):
    stop.request("signal", "SIGTERM")
    fenced = undoing_world(world, gate)
    fenced.cluster.patch("ConfigMap", "owner", namespace, {"data": {"a": "b"}})
    fenced.containers.stop("worker")
    assert world.containers.stopped == ["worker"]


def test_what_we_make_has_its_owner_and_goes_with_it(making, cluster, namespace):
    making.cluster.create(config(namespace, "ours", {LABEL_RUN: "r"}))
    (reference,) = cluster.get("ConfigMap", "ours", namespace)["metadata"]["ownerReferences"]
    assert reference["name"] == "owner"
    assert "namespace" not in reference


@pytest.mark.parametrize("labels", [{}, {LABEL_RUN: "r", LABEL_UNDO: "true"}], ids=["theirs", "what was before"])
def test_what_is_not_ours_or_keeps_what_was_before_is_never_collected(labels, making, cluster, namespace):
    making.cluster.create(config(namespace, "kept", labels))
    assert "ownerReferences" not in cluster.get("ConfigMap", "kept", namespace)["metadata"]


def test_an_owner_elsewhere_is_none(making, cluster, namespace):
    making.cluster.create(config("default", "elsewhere", {LABEL_RUN: "r"}))
    try:
        assert "ownerReferences" not in cluster.get("ConfigMap", "elsewhere", "default")["metadata"]
    finally:
        cluster.delete("ConfigMap", "elsewhere", "default")
    with pytest.raises(NotFound):
        cluster.get("ConfigMap", "elsewhere", "default")
