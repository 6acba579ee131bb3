"""Raw HTTP to the sandbox's API, and a small workload to look at."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from chaos.clock import RealClock, wait_until
from chaos.probes.pods_ready import is_ready


@pytest.fixture(scope="session")
def raw(sandbox):
    """One HTTP request below the secret path: (status, answer)."""
    where = urlsplit(sandbox.server)

    def ask(method, path, body=None, *, content="application/json", headers=None):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, where.path + path, data, {"Content-Type": content} | (headers or {}))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        whole = answer.headers["Content-Type"] == "application/json" and not ("watch=" in path and answer.status == 200)
        return answer.status, json.loads(text) if whole else text

    return ask


@pytest.fixture(scope="session")
def until():
    """Wait until something is so, and give it."""

    def wait(holds, within=15.0):
        found = []

        def now():
            found[:] = [holds()]
            return bool(found[0])

        assert wait_until(now, clock=RealClock(), within=within, every=0.02), f"still not so after {within} s: {found}"
        return found[0]

    return wait


def deployment(namespace, name="web", *, replicas=1, image="gameday-echo:1", **container):
    """An echo server, ready as soon as it answers."""
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    env = [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, *container.pop("env", [])]
    pod = {key: container.pop(key) for key in ("volumes", "terminationGracePeriodSeconds") if key in container}
    main = {
        "name": "main",
        "image": image,
        "env": env,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [main | container]} | pod,
            },
        },
    }


def service(namespace, name="web", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8080, "targetPort": "http"}]} | spec,
    }


def config_map(namespace, name="config", **data):
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.fixture
def make():
    """The objects that tests are made of."""

    class Make:
        deployment = staticmethod(deployment)
        service = staticmethod(service)
        config_map = staticmethod(config_map)

    return Make


@pytest.fixture
def ready(cluster, until):
    """Wait until a Deployment has all its pods ready; gives its live pods."""

    def wait(namespace, name="web"):
        def complete():
            found = cluster.get("Deployment", name, namespace)
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            counts = {status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")}
            pods = cluster.find("Pod", namespace, labels={"app": name})
            live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            return seen and counts == {wanted} and len(live) == wanted and [live]

        return until(complete)[0]

    return wait


@pytest.fixture
def web(cluster, namespace, ready):
    """Two echo pods behind a Service: (address, port)."""
    cluster.create(deployment(namespace, replicas=2))
    made = cluster.create(service(namespace))
    ready(namespace)
    return made["spec"]["clusterIP"], 8080


@pytest.fixture
def ask(until):
    """One GET through a Service on a connection of its own; gives what the echo server told."""

    def get(address, path="/", body=None, source=None):
        connection = http.client.HTTPConnection(*address, timeout=5, source_address=source)
        try:
            connection.request("POST" if body else "GET", path, body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    return get
