"""The same contract on the sandbox and, with `-m cluster`, on the real cluster that KUBECONFIG names."""

import dataclasses
import itertools
import os
import random
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.clients.kube import Kube, connect
from chaos.clients.proxies import PodProxies
from chaos.clock import RealClock, wait_until
from chaos.engine import rights
from chaos.engine.planning import IMAGES
from chaos.engine.reaching import world_of
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.run import Permission
from chaos.model.units import Exact
from chaos.shop import certificates

_COUNT = itertools.count(1)
CAPS = Caps(
    last_replica=Allowed(because="the contract strikes everything"),
    net_admin=Allowed(because="the contract strikes everything"),
    docker=Allowed(because="the contract strikes everything"),
    workload_share=RaisedShare(value=Exact(1.0), because="the contract strikes everything"),
)


@pytest.fixture(scope="module", params=["sandbox", pytest.param("cluster", marks=pytest.mark.cluster)])
def world(request):
    """Where the contract is tried."""
    if request.param == "cluster":
        cluster = connect(Path(os.environ["KUBECONFIG"]))
    else:
        cluster = connect(request.getfixturevalue("kubeconfig"))
    return world_of(cluster)


@pytest.fixture(scope="module")
def app(world):
    """One for all tests, since each must leave it as it was: a namespace with a small app nobody here wrote."""
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
    """All replicas of both Deployments, of their present template, and not one pod beside them, not even one that ends."""
    return all(_rolled_out(world, world.cluster.get("Deployment", name, namespace)) for name in ("web", "tls"))


def _rolled_out(world, deployment):
    meta, status, wanted = deployment["metadata"], deployment.get("status", {}), deployment["spec"]["replicas"]
    if status.get("observedGeneration") != meta["generation"]:
        return False
    pods = world.cluster.find("Pod", meta["namespace"], labels={"app": meta["name"]})
    counted = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    return [*counted, len(pods)] == [wanted] * 4


def _objects(namespace, *, on_sandbox):
    """Two replicas of `web` behind a Service, which serve a ConfigMap's file and know a Secret's token; one of `tls`."""
    meta = {"namespace": namespace}
    names = certificates.make(["tls", f"tls.{namespace}.svc"])
    return [
        _map("ConfigMap", {**meta, "name": "web-config"}, {"greeting": "good day", "colour": "blue"}),
        _map("Secret", {**meta, "name": "web-secret"}, {"token": "of-no-worth", "user": "contract"}),
        _map("Secret", {**meta, "name": "tls-cert"}, {"tls.crt": names.certificate, "tls.key": names.key}),
        _deployment(meta, _web(on_sandbox), replicas=2, volume={"name": "files", "configMap": {"name": "web-config"}}),
        _service(meta, "web", 8080, "http"),
        _deployment(meta, _tls(on_sandbox), replicas=1, volume={"name": "files", "secret": {"secretName": "tls-cert"}}),
        _service(meta, "tls", 8443, "https"),
    ]


def _map(kind, meta, texts):
    data = {"data": texts} if kind == "ConfigMap" else {"stringData": texts}
    more = {"type": "kubernetes.io/tls"} if "tls.key" in texts else {}
    return {"kind": kind, "apiVersion": "v1", "metadata": meta, **data, **more}


def _web(on_sandbox):
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web-secret", "key": "token"}}}
    return {
        "name": "web",
        "image": "gameday-echo" if on_sandbox else "python:3.13-slim",
        "command": ["python", "-m", "http.server", "8080", "--directory", "/srv/web"],
        "env": [token, {"name": "SERVE", "value": "/srv/web"}],
        "ports": [{"containerPort": 8080, "name": "web"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "files", "mountPath": "/srv/web/config"}],
    }


_TLS_SERVER = """
import http.server, ssl
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def _tls(on_sandbox):
    return {
        "name": "tls",
        "image": "gameday-echo" if on_sandbox else "python:3.13-slim",
        "command": ["python", "-c", _TLS_SERVER],
        "env": [{"name": "TLS", "value": "/tls"}, {"name": "PORT", "value": "8443"}],
        "ports": [{"containerPort": 8443, "name": "tls"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "tls", "scheme": "HTTPS"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "files", "mountPath": "/tls"}],
    }


def _deployment(meta, container, *, replicas, volume):
    name = container["name"]
    resources = {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
    container = {"imagePullPolicy": "IfNotPresent", "resources": resources, **container}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": [volume]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {**meta, "name": name}, "spec": spec}


def _service(meta, name, port, scheme):
    spec = {"selector": {"app": name}, "ports": [{"name": scheme, "port": port, "targetPort": name}]}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {**meta, "name": name}, "spec": spec}


# -- what a fault asks of the API server, against the rights that it says it needs ----------------------------------------


def covers(given: Permission, needed: Permission) -> bool:
    """Whether one right is enough for another; what has no name is for all names."""
    same = ("verb", "resource", "group", "namespace", "subresource")
    return all(getattr(given, key) == getattr(needed, key) for key in same) and given.name in ("", needed.name)


class Recording(Kube):
    """The same cluster, noting what is asked of it."""

    def __init__(self, kube: Kube, right_for) -> None:
        super().__init__(kube._configuration, name=kube.environment.name)
        self.right_for = right_for
        self.needed: list[Permission] = []
        self.given: list[Permission] = []  # set by tests that want nothing to be asked for beyond it

    def _call(self, method, path, **options):
        if right := self.right_for(method, path):
            self.needed.append(right)
        return super()._call(method, path, **options)

    def beyond(self, given: list[Permission]) -> list[str]:
        """What was asked for without a right to it, in words."""
        without = [each for each in self.needed if not any(covers(right, each) for right in given)]
        return sorted(
            {f"{each.verb} {each.group}/{each.resource}/{each.subresource} {each.namespace} {each.name}" for each in without}
        )

    def unused(self, given: list[Permission]) -> list[str]:
        """Rights that nothing asked for, although they are not said to be for trouble alone; in words."""
        wanted = [each for each in given if not each.trouble]
        never = [each for each in wanted if not any(covers(each, needed) for needed in self.needed)]
        return sorted(
            {f"{each.verb} {each.group}/{each.resource}/{each.subresource} {each.name} ({each.use})" for each in never}
        )


@pytest.fixture
def aim(world, app, right_for):
    """The app is whole again, whatever the test before did to it: putting a number back is not yet having the pods.

    What is done through it is held against the rights that the test says are given.
    """
    assert wait_until(lambda: _ready(world, app), clock=RealClock(), within=60.0)
    noting = Recording(world.cluster, right_for)
    yield Aim(
        world=dataclasses.replace(world, cluster=noting, proxies=PodProxies(noting)),
        namespace=app,
        run=f"contract-{next(_COUNT)}",
        step="step",
        rng=random.Random(7),
        caps=CAPS,
        images=IMAGES,
    )
    story = SimpleNamespace(namespace=app, load=None, probes=())
    assert not noting.given or noting.beyond([*noting.given, *rights.of_run(story)]) == []
