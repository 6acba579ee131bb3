"""Where a run strikes, and what of it may be written down."""

import socket
from contextlib import closing

import pytest

from chaos.clients.world import World
from chaos.engine.place import Place, without_credentials
from chaos.errors import Forbidden
from chaos.model.run import Environment
from chaos.model.service import Service
from chaos.scenario import Load
from chaos.story import Story


class Kind:
    """A kind cluster with a NodePort Service on port 80, and nodes under these addresses."""

    def __init__(self, node_port, nodes):
        self._port, self._nodes = node_port, nodes

    def get(self, kind, name, namespace=""):
        return {"spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80, "nodePort": self._port}]}}

    def find(self, kind, namespace="", *, labels=None, fields=""):
        if self._nodes is None:
            raise Forbidden("may not list nodes")
        return [
            {"metadata": {"labels": labels}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}}
            for address, labels in self._nodes.items()
        ]


STORY = Story(
    kind="scenario",
    id="s",
    title="",
    text="",
    service=Service.model_construct(id="shop"),
    namespace="shop",
    load=Load.model_validate({"target": {"service": "web", "port": 80}, "locustfile": "load/web.py", "rate": "5/s"}),
)
WORKER, CONTROL_PLANE = {}, {"node-role.kubernetes.io/control-plane": ""}


@pytest.mark.parametrize(
    ("published", "listening", "nodes", "enters"),
    [
        pytest.param(True, ".1", {".1": CONTROL_PLANE}, "127.0.0.1", id="published"),
        pytest.param(False, ".1 .2", {".2": WORKER, ".1": CONTROL_PLANE}, ".1", id="the control plane is struck least"),
        pytest.param(False, ".2", {".1": CONTROL_PLANE, ".2": WORKER}, ".2", id="only a node with pods of it answers"),
        pytest.param(False, "", {".1": CONTROL_PLANE}, "127.0.0.1", id="nobody answers"),
        pytest.param(False, ".1", None, "127.0.0.1", id="nodes are nobody's business"),
    ],
)
def test_where_customers_enter_a_kind_cluster(loopback, published, listening, nodes, enters):
    with closing(socket.create_server(("127.0.0.1" if published else f"{loopback}.9", 0))) as entrance:
        port = entrance.getsockname()[1]
        others = [socket.create_server((loopback + each, port)) for each in listening.split()]
        there = nodes and {loopback + each: labels for each, labels in nodes.items()}
        world = World(cluster=Kind(port, there), proxies=None)
        place = Place(environment=Environment(kind="kind", name="kind-x", fingerprint="f"), world=world)
        assert place.base_url(STORY) == f"http://{enters if enters.startswith('127') else loopback + enters}:{port}"
        for each in others:
            each.close()


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://127.0.0.1:8080/shop", "http://127.0.0.1:8080/shop"),
        ("https://me:secret@shop.example:8443/", "https://shop.example:8443/"),
        ("", ""),
    ],
)
def test_credentials_of_a_url_are_left_out(url, written):
    assert without_credentials(url) == written
