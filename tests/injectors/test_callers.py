"""Callers that keep connections from before the proxy came feel no strike: that is found out before anything is struck."""

import itertools
import random
import socket

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.engine.planning import IMAGES
from chaos.injectors import callers, latency
from chaos.injectors.base import Aim
from chaos.model.caps import Caps

PORT = 8080
_COUNT = itertools.count(1)


def deployment(namespace, name, replicas):
    probe = {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1}
    container = {"name": name, "image": "gameday-echo", "ports": [{"containerPort": PORT}], "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def space(world):
    """A target `web`, and two pods `shop` that may call it."""
    name = f"callers-{next(_COUNT)}"
    world.cluster.create({"kind": "Namespace", "metadata": {"name": name}})
    world.cluster.create(deployment(name, "web", 1))
    world.cluster.create(deployment(name, "shop", 2))
    ports = [{"port": PORT, "targetPort": PORT}]
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": name}}
    world.cluster.create({**service, "spec": {"selector": {"app": "web"}, "ports": ports}})
    assert eventually(lambda: [ready(world, name, each) for each in ("web", "shop")] == [1, 2])
    assert eventually(lambda: connect(world, name, None).close() is None)
    yield name
    world.cluster.delete("Namespace", name)


def eventually(holds):
    def tried():
        try:
            return holds()
        except OSError:
            return False

    return wait_until(tried, clock=RealClock(), within=20.0)


def ready(world, namespace, deployment):
    return world.cluster.get("Deployment", deployment, namespace).get("status", {}).get("readyReplicas", 0)


def shop(world, namespace):
    return world.cluster.find("Pod", namespace, labels={"app": "shop"})


def connect(world, namespace, pod):
    """A connection to the Service that comes from this pod's address, or from outside."""
    source = (pod["status"]["podIP"], 0) if pod else None
    address = world.cluster.get("Service", "web", namespace)["spec"]["clusterIP"]
    return socket.create_connection((address, PORT), timeout=3, source_address=source)


@pytest.fixture
def armed(world, space):
    """A proxy in the path, as the ledger knows it."""
    aim = Aim(world=world, namespace=space, run="r", step="s", rng=random.Random(1), caps=Caps(), images=IMAGES)
    prepared = latency.prepare(latency.Spec(kind="latency", service="web", latency="100ms", through="100%"), aim)
    state = latency.State.model_validate_json(prepared.model_dump_json())
    before = connect(world, space, shop(world, space)[0])  # stands before the proxy comes, and is kept
    latency.arm(state, world)
    yield state
    before.close()
    latency.disarm(state.model_copy(update={"drain": 0.0}), world)


def test_who_keeps_its_connection_is_told(world, space, armed):
    assert "nobody has called service/web" in latency.bypassed(armed, world)
    first, second = shop(world, space)
    with connect(world, space, first):
        assert eventually(lambda: "1 of 2 calling pods" in callers.bypassed(armed, world)), callers.bypassed(armed, world)
        assert second["metadata"]["name"] in callers.bypassed(armed, world)
        assert callers.bypassed(armed.model_copy(update={"through": 0.5}), world) == ""
        with connect(world, space, second):
            assert eventually(lambda: callers.bypassed(armed, world) == "")


def test_a_caller_from_elsewhere_is_a_caller(world, space, armed):
    with connect(world, space, None):
        assert eventually(lambda: callers.bypassed(armed, world) == "")
