"""What tests of faults share: the world, an aim, a small workload, and a nameserver on loopback."""

import itertools
import random
import socket
import threading

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.engine.planning import IMAGES
from chaos.injectors.base import Aim
from chaos.injectors.table import INJECTORS
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.units import Exact

_COUNT = itertools.count(1)


@pytest.fixture
def struck_world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def all_caps():
    """Everything is allowed."""
    return Caps(last_replica=Allowed(because="a test"), workload_share=RaisedShare(value=Exact(1.0), because="a test"))


@pytest.fixture
def prepared(struck_world, namespace, all_caps):
    """The state of a fault as a scenario file says it, as the ledger gives it back."""

    def prepare(caps=all_caps, **raw):
        injector = INJECTORS[raw["kind"]]
        run = f"run-{next(_COUNT)}"
        rng = random.Random(1)
        aim = Aim(world=struck_world, namespace=namespace, run=run, step="step", rng=rng, caps=caps, images=IMAGES)
        state = injector.prepare(injector.Spec.model_validate(raw), aim)
        return injector.State.model_validate_json(state.model_dump_json())

    return prepare


@pytest.fixture
def deploy(cluster, namespace):
    """A Deployment. Its pods never start, unless `image` is one that there is: most tests need none that run."""

    def make(name="web", *, replicas=2, spec=None, image="gameday-none", **container):
        labels = {"app": name}
        main = {"name": "main", "image": image, **container}
        volumes = [{"name": mount["name"], **mount.pop("from")} for mount in container.get("volumeMounts", [])]
        pod = {"terminationGracePeriodSeconds": 0, "containers": [main], "volumes": volumes}
        template = {"metadata": {"labels": labels}, "spec": pod}
        body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **(spec or {})}
        meta = {"name": name, "namespace": namespace, "labels": labels}
        made = cluster.create({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": body})
        assert wait_until(lambda: len(pods(cluster, namespace, name)) == replicas, clock=RealClock(), within=10.0, every=0.02)
        return made

    return make


def pods(cluster, namespace, app="web"):
    return cluster.find("Pod", namespace, labels={"app": app})


class Nameserver(threading.Thread):
    """Answers every question over UDP as its `mode` says; keeps the names it was asked for."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.mode, self.asked = "fine", []

    def run(self):
        while True:
            data, caller = self.sock.recvfrom(512)
            if not data:
                return
            name, question = data[12:-4], data[12:]
            self.asked.append(name)
            if self.mode == "silent":
                continue
            code = {"fine": 0, "empty": 0, "nxdomain": 3, "servfail": 2}[self.mode]
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x0a\x60\x00\x07" if self.mode == "fine" else b""
            header = data[:2] + (0x8180 | code).to_bytes(2, "big") + b"\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0"
            self.sock.sendto(header + question + record, caller)

    def end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", ("127.0.0.1", self.port))
        self.join(2)
        self.sock.close()


@pytest.fixture
def nameserver():
    server = Nameserver()
    server.start()
    yield server
    server.end()
