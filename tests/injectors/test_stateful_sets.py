"""A StatefulSet is scaled like a Deployment, counts as a workload for the caps, and is never killed without grace."""

import os
import random
import threading
import uuid
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput
from chaos.injectors import eviction, pod_kill, scale_to_zero
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.units import Exact
from chaos.probes.dose import prove
from chaos.probes.pods_ready import is_ready

ALL = Caps(last_replica=Allowed(because="a test"), workload_share=RaisedShare(value=Exact(1.0), because="a test"))
pytestmark = pytest.mark.cluster  # the sandbox has no StatefulSets


@pytest.fixture(scope="module")
def world():
    cluster = connect(Path(os.environ["KUBECONFIG"]))
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture(scope="module")
def space(world):
    """A StatefulSet `db` of two ready pods, in a namespace of its own."""
    name = f"stateful-{uuid.uuid4().hex[:6]}"
    world.cluster.create(
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}}
    )
    container = {"name": "db", "image": "python:3.13-slim", "command": ["python", "-m", "http.server", "8080"]}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{**container, "imagePullPolicy": "IfNotPresent"}]}
    wanted = {
        "replicas": 2,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod},
    }
    meta = {"name": "db", "namespace": name}
    world.cluster.create({"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": meta, "spec": wanted})
    assert wait_until(lambda: ready(world, name) == 2, clock=RealClock(), within=50.0)
    yield name
    world.cluster.delete("Namespace", name)


def ready(world, space):
    return sum(map(is_ready, world.cluster.find("Pod", space, labels={"app": "db"})))


def prepare(module, world, space, caps=ALL, **raw):
    assert wait_until(lambda: ready(world, space) == 2, clock=RealClock(), within=50.0)
    aim = Aim(world=world, namespace=space, run="run", step="step", rng=random.Random(1), caps=caps)
    return module.prepare(module.Spec.model_validate(raw), aim)


def proved(world, dose):
    return prove(
        dose,
        step="step",
        fault="fault",
        cluster=world.cluster,
        witness=None,
        before=[],
        clock=RealClock(),
        stop=threading.Event(),
    )


def test_scaled_to_nothing_and_back(world, space):
    said = {"kind": "scale-to-zero", "workload": {"kind": "StatefulSet", "name": "db"}}
    state = prepare(scale_to_zero, world, space, **said)
    assert scale_to_zero.undo_words(state) == "scale statefulset/db back from 0 to 2"
    scale_to_zero.start(state, world)
    result = proved(world, scale_to_zero.dose(state))
    for _ in range(2):
        scale_to_zero.stop(state, world)
    assert result.proved, result
    assert scale_to_zero.verify(state, world) == []
    assert wait_until(lambda: ready(world, space) == 2, clock=RealClock(), within=50.0)


def test_its_pods_are_never_killed_without_grace(world, space):
    said = {"kind": "pod-kill", "selector": {"app": "db"}, "count": 1}
    with pytest.raises(BadInput, match="statefulset db killed without grace"):
        prepare(pod_kill, world, space, **said)
    state = prepare(pod_kill, world, space, **said, grace="1s")
    pod_kill.start(state, world)
    assert proved(world, pod_kill.dose(state)).proved
    assert wait_until(lambda: not pod_kill.verify(state, world), clock=RealClock(), within=50.0)


def test_it_is_one_workload_for_the_caps(world, space):
    with pytest.raises(BadInput, match="last ready replica of statefulset/db"):
        prepare(eviction, world, space, Caps(), kind="eviction", selector={"app": "db"}, percent="100%")
    with pytest.raises(BadInput, match="last replica of statefulset/db"):
        prepare(scale_to_zero, world, space, Caps(), kind="scale-to-zero", workload={"kind": "StatefulSet", "name": "db"})
