"""The same contract on the sandbox and, with `-m cluster`, on the real cluster that KUBECONFIG names."""

import itertools
import os
import random
import uuid
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.engine.planning import IMAGES
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.units import Exact

_COUNT = itertools.count(1)
CAPS = Caps(
    last_replica=Allowed(because="the contract strikes everything"),
    workload_share=RaisedShare(value=Exact(1.0), because="the contract strikes everything"),
)


@pytest.fixture(scope="module", params=["sandbox", pytest.param("cluster", marks=pytest.mark.cluster)])
def world(request):
    """Where the contract is tried."""
    if request.param == "cluster":
        cluster = connect(Path(os.environ["KUBECONFIG"]))
    else:
        cluster = connect(request.getfixturevalue("kubeconfig"))
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture(scope="module")
def app(world):
    """One for all tests, since each must leave it as it was: a namespace with a small app nobody here wrote: two replicas behind a Service, and one caller-side secret."""
    name = f"contract-{uuid.uuid4().hex[:6]}"
    on_sandbox = world.cluster.environment.kind == "sandbox"
    world.cluster.create(
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}}
    )
    for obj in _objects(name, on_sandbox=on_sandbox):
        world.cluster.create(obj)
    assert wait_until(lambda: _ready(world, name), clock=RealClock(), within=60.0), "the app did not become ready"
    yield name
    world.cluster.delete("Namespace", name)


def _ready(world, namespace):
    return world.cluster.get("Deployment", "web", namespace).get("status", {}).get("readyReplicas", 0) == 2


def _objects(namespace, *, on_sandbox):
    container = {
        "name": "web",
        "image": "gameday-echo" if on_sandbox else "python:3.13-slim",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "http.server", "8080"],
        "ports": [{"containerPort": 8080, "name": "web"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
    }
    meta = {"namespace": namespace}
    return [
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {**meta, "name": "web"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
                },
            },
        },
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {**meta, "name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 8080, "targetPort": "web"}]},
        },
    ]


@pytest.fixture
def aim(world, app):
    """The app is whole again, whatever the test before did to it: putting a number back is not yet having the pods."""
    assert wait_until(lambda: _ready(world, app), clock=RealClock(), within=60.0)
    return Aim(
        world=world,
        namespace=app,
        run=f"contract-{next(_COUNT)}",
        step="step",
        rng=random.Random(7),
        caps=CAPS,
        images=IMAGES,
    )
