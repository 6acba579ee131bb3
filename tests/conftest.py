"""What tests share: one sandbox a session, and a namespace a test."""

import itertools
import os
from pathlib import Path

import pytest

from chaos.clients.kube import Kube, connect
from chaos.model.run import Permission
from chaos.sandbox import control

_COUNT = itertools.count(1)


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory):
    """Tests never see, and never touch, the state of the person who runs them."""
    os.environ["TERM"] = "xterm-256color"  # what a terminal shows must not depend on who runs the tests
    os.environ["GAMEDAY_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def loopback() -> str:
    """The first three numbers of loopback addresses that no other test process uses: ports that are always the same are free."""
    return f"127.{100 + os.getpid() // 256 % 100}.{os.getpid() % 256}"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """A sandbox that dies with the test run."""
    folder = tmp_path_factory.mktemp("sandbox")
    yield control.up(folder, die_with_parent=True)
    control.down(folder)


@pytest.fixture(scope="session")
def kubeconfig(sandbox) -> Path:
    return sandbox.kubeconfig


@pytest.fixture(scope="session")
def cluster(kubeconfig) -> Kube:
    return connect(kubeconfig)


@pytest.fixture
def namespace(cluster):
    """A fresh namespace that has opted in to be struck."""
    name = f"test-{next(_COUNT)}"
    cluster.create({"kind": "Namespace", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}})
    yield name
    cluster.delete("Namespace", name)


VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
FREE = ("/version", "/apis/authorization.k8s.io")


@pytest.fixture(scope="session")
def right_for():
    """(method, path) -> the right that a request needs, as the API server sees it; None for what everybody may ask."""

    def right(method: str, path: str) -> Permission | None:
        if path.startswith(FREE):
            return None
        root, *parts = path.partition("?")[0].strip("/").split("/")
        group = "" if root == "api" else parts.pop(0)
        parts.pop(0)  # the version
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        resource, name, subresource, *_ = [*parts, "", "", ""]
        verb = VERBS.get(method) or ("get" if name else "list")
        return Permission(
            verb=verb, resource=resource, group=group, namespace=namespace, name=name.partition(":")[0], subresource=subresource
        )

    return right
