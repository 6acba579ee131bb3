"""Docker nodes: a small daemon with Docker's own manners, and (marker `cluster`) one worker of the real kind cluster."""

import gc
import os

import pytest
from docker.errors import APIError, NotFound

from chaos.clients.containers import LABEL_CLUSTER, LABEL_ROLE, KindNodes
from chaos.clock import RealClock, wait_until
from chaos.errors import DockerError

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The SDK leaves the sockets of refused and of finished requests to the garbage collector."""
STARTED = "2026-11-23T17:31:49.123456789Z"


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


class Daemon:
    """Keeps containers and networks; objects to repetition with the status codes that Docker uses."""

    def __init__(self, *, fixed_addresses=True):
        self.all = {}
        self.calls = []
        self.fixed_addresses = fixed_addresses
        self.free = ["172.18.0.9"]  # what it gives to who comes next
        self.looks_free = []  # ... and what one would think
        self.containers = self
        self.networks = self
        self.lose_replies = False

    def add(self, name, *, cluster="shop", state="running", address="172.18.0.3"):
        self.all[name] = Box(self, name, cluster, state, {"kind": address})
        return self.all[name]

    def list(self, *, all, filters):
        assert all
        return [box for box in self.all.values() if filters["label"] == [f"{LABEL_CLUSTER}={box.cluster}"]]

    def get(self, name):
        if name == "kind":
            return Net(self)
        if name not in self.all:
            raise NotFound("404", explanation=f"No such container: {name}")
        return self.all[name]


class Box:
    def __init__(self, daemon, name, cluster, state, networks):
        self.daemon, self.name, self.cluster, self.status, self.networks = daemon, name, cluster, state, networks
        self.id = name * 2
        self.reserved = {}
        self.labels = {LABEL_CLUSTER: cluster, LABEL_ROLE: "worker"} if cluster else {}

    @property
    def attrs(self):
        networks = {
            name: {"IPAddress": address, "IPAMConfig": {"IPv4Address": self.reserved[name]} if name in self.reserved else None}
            for name, address in self.networks.items()
        }
        return {"NetworkSettings": {"Networks": networks}, "State": {"StartedAt": STARTED}}

    def reload(self):
        pass

    def _do(self, verb, *, needs, becomes, code):
        self.daemon.calls.append(verb)
        if self.status != needs:
            raise APIError("no", response=Response(code), explanation=f"cannot {verb}: {self.status}")
        self.status = becomes
        if self.daemon.lose_replies:
            raise APIError("no", response=Response(500), explanation="reply lost")

    def pause(self):
        self._do("pause", needs="running", becomes="paused", code=409)

    def unpause(self):
        self._do("unpause", needs="paused", becomes="running", code=500)

    def stop(self, *, timeout):
        assert timeout == 0
        self._do("stop", needs="running", becomes="exited", code=304)
        self.networks = dict.fromkeys(self.networks, "")

    def start(self):
        self._do("start", needs="exited", becomes="running", code=304)
        self.networks = {name: self.reserved.get(name, self.daemon.free[0]) for name in self.networks}
        self.booted = dict(self.networks)


class Response:
    def __init__(self, status_code):
        self.status_code, self.reason, self.url = status_code, "", ""


class Net:
    def __init__(self, daemon):
        self.daemon = daemon

    @property
    def attrs(self):
        free = int((self.daemon.looks_free or self.daemon.free)[0].rpartition(".")[2])
        taken = {f"box{number}": {"IPv4Address": f"172.18.0.{number}/24"} for number in range(2, free)}
        pools = [{"Subnet": "fc00::/64"}, {"Subnet": "172.18.0.0/24", "Gateway": "172.18.0.1"}]
        return {"IPAM": {"Config": pools if self.daemon.fixed_addresses else None}, "Containers": taken}

    def disconnect(self, box, *, force):
        self.daemon.calls.append("disconnect")
        if "kind" not in box.networks:
            raise APIError("no", response=Response(500), explanation="not connected")
        del box.networks["kind"]
        box.reserved.pop("kind", None)

    def connect(self, box, *, ipv4_address=None):
        self.daemon.calls.append(f"connect {ipv4_address}")
        if ipv4_address and not self.daemon.fixed_addresses:
            raise APIError(
                "no",
                response=Response(400),
                explanation="supported only when connecting to networks with user configured subnets",
            )
        if "kind" in box.networks:
            raise APIError("no", response=Response(403), explanation="endpoint exists")
        if ipv4_address:
            box.reserved["kind"] = ipv4_address
        box.networks["kind"] = "" if box.status == "exited" else ipv4_address or self.daemon.free[0]


@pytest.fixture
def daemon():
    return Daemon()


@pytest.fixture
def nodes(daemon):
    return KindNodes("shop", client=lambda: daemon)


def test_only_nodes_of_the_cluster_are_listed(daemon, nodes):
    daemon.add("b")
    daemon.add("a", state="paused")
    daemon.add("stranger", cluster="other")
    assert nodes.nodes() == [
        {
            "name": name,
            "id": name * 2,
            "role": "worker",
            "state": state,
            "started": STARTED,
            "addresses": {"kind": "172.18.0.3"},
            "fixed": [],
        }
        for name, state in (("a", "paused"), ("b", "running"))
    ]


@pytest.mark.parametrize("verb", ["stop", "start", "pause", "unpause", "restart"])
@pytest.mark.parametrize("cluster", ["other", ""])
def test_other_containers_are_never_touched(daemon, nodes, verb, cluster):
    daemon.add("database", cluster=cluster)
    with pytest.raises(DockerError, match="not touched"):
        getattr(nodes, verb)("database")
    with pytest.raises(DockerError, match="not touched"):
        nodes.revive("database", {"kind": "172.18.0.3"})
    with pytest.raises(DockerError, match="not touched"):
        nodes.disconnect("database", "kind")
    with pytest.raises(DockerError, match="not touched"):
        nodes.connect("database", "kind", "172.18.0.3")
    assert daemon.calls == []


@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        ("running", "pause", "paused"),
        ("paused", "unpause", "running"),
        ("exited", "unpause", "exited"),
        ("running", "stop", "exited"),
        ("paused", "stop", "exited"),
        ("exited", "start", "running"),
        ("paused", "start", "running"),
    ],
)
def test_each_call_leaves_the_node_as_asked_also_when_repeated(daemon, nodes, before, verb, after):
    box = daemon.add("a", state=before)
    for _ in range(3):
        getattr(nodes, verb)("a")
        assert box.status == after
    assert len(daemon.calls) <= 2


def test_a_node_that_is_off_cannot_be_paused(daemon, nodes):
    daemon.add("a", state="exited")
    with pytest.raises(DockerError, match="it is exited"):
        nodes.pause("a")


def test_an_objection_does_not_count_when_the_state_is_as_wanted(daemon, nodes):
    box = daemon.add("a")
    daemon.lose_replies = True
    nodes.pause("a")
    nodes.unpause("a")
    assert box.status == "running"


def test_the_cable_is_pulled_and_plugged_in_under_the_same_address(daemon, nodes):
    box = daemon.add("a")
    for _ in range(2):
        nodes.disconnect("a", "kind")
    assert box.networks == {}
    for _ in range(2):
        nodes.connect("a", "kind", "172.18.0.3")
    assert box.networks == {"kind": "172.18.0.3"}
    assert daemon.calls == ["disconnect", "connect 172.18.0.3"]
    assert nodes.nodes()[0]["fixed"] == ["kind"]


@pytest.mark.parametrize("looks_free", ["172.18.0.3", ""], ids=["it gives another one", "it gives that one"])
def test_an_address_is_fixed_only_where_docker_would_give_another(daemon, nodes, looks_free):
    """A node with a fixed address cannot start with its host if one without took it first."""
    box = daemon.add("a")
    daemon.free = ["172.18.0.3" if not looks_free else "172.18.0.9"]
    if looks_free:
        daemon.looks_free = [looks_free]  # its own way of choosing: it gives .9
    nodes.disconnect("a", "kind")
    nodes.connect("a", "kind", "172.18.0.3")
    nodes.restart("a")
    assert box.networks == {"kind": "172.18.0.3"}
    assert nodes.nodes()[0]["fixed"] == (["kind"] if looks_free else [])


def test_an_address_that_somebody_has_fixed_stays_fixed(daemon, nodes):
    box = daemon.add("a")
    box.reserved["kind"] = "172.18.0.3"
    before = nodes.nodes()
    daemon.free = ["172.18.0.3"]
    nodes.restart("a")
    assert nodes.nodes() == before
    nodes.disconnect("a", "kind")
    nodes.revive("a", {"kind": "172.18.0.3"}, ["kind"])
    assert nodes.nodes() == before


def test_a_restart_keeps_the_address_although_docker_gives_another(daemon, nodes):
    box = daemon.add("a")
    nodes.restart("a")
    assert (box.status, box.networks) == ("running", {"kind": "172.18.0.3"})


@pytest.mark.parametrize("trouble", ["nothing", "paused", "exited", "unplugged", "exited and unplugged", "renumbered"])
def test_a_node_is_revived_whatever_became_of_it(daemon, nodes, trouble):
    box = daemon.add("a")
    before = nodes.nodes()
    if trouble == "paused":
        nodes.pause("a")
    if "exited" in trouble:
        nodes.stop("a")
    if "unplugged" in trouble:
        nodes.disconnect("a", "kind")
    if trouble == "renumbered":
        nodes.stop("a")
        box.start()
    for _ in range(2):
        nodes.revive("a", {"kind": "172.18.0.3"})
    after = nodes.nodes()
    assert [each | {"fixed": []} for each in after] == before
    assert after[0]["fixed"] == ([] if trouble in ("nothing", "paused") else ["kind"])  # Docker would give it 172.18.0.9
    if "exited" in trouble:
        assert box.booted == {"kind": "172.18.0.3"}, "it never saw another address"


def test_a_network_without_a_subnet_of_its_own_gives_what_it_gives(daemon, nodes):
    box = daemon.add("a")
    daemon.fixed_addresses = False
    nodes.disconnect("a", "kind")
    daemon.free = ["172.18.0.3"]
    nodes.connect("a", "kind", "172.18.0.3")
    assert box.networks == {"kind": "172.18.0.3"}
    nodes.stop("a")
    nodes.revive("a", {"kind": "172.18.0.3"})
    assert (box.status, box.networks) == ("running", {"kind": "172.18.0.3"})
    nodes.disconnect("a", "kind")
    daemon.free = ["172.18.0.7"]
    with pytest.raises(DockerError, match=r"as 172\.18\.0\.7, not as 172\.18\.0\.3"):
        nodes.connect("a", "kind", "172.18.0.3")


def test_a_node_that_is_not_there_and_a_daemon_that_is_not_there(nodes, monkeypatch, tmp_path):
    with pytest.raises(DockerError, match="No such container") as told:
        nodes.stop("a")
    assert told.value.status == 404
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(DockerError, match="does not answer"):
        KindNodes("shop").nodes()


# -- the real thing --------------------------------------------------------------------------------------------------


@pytest.fixture
def worker():
    """The last worker of the kind cluster, left as it was found."""
    nodes = KindNodes(os.environ.get("GAMEDAY_TEST_KIND", "gameday"))
    before = [node for node in nodes.nodes() if node["role"] == "worker"][-1]
    yield nodes, before
    nodes.start(before["name"])
    for network, address in before["addresses"].items():
        nodes.connect(before["name"], network, address, fixed=network in before["fixed"])
    back = now(nodes, before)
    nodes.close()
    assert back == before


def now(nodes, node):
    return next(each for each in nodes.nodes() if each["name"] == node["name"])


@pytest.mark.cluster
def test_a_real_worker_is_paused_and_unpaused(worker):
    nodes, before = worker
    for _ in range(2):
        nodes.pause(before["name"])
    assert now(nodes, before)["state"] == "paused"
    for _ in range(2):
        nodes.unpause(before["name"])
    assert now(nodes, before) == before


@pytest.mark.cluster
def test_a_real_worker_loses_its_network_and_gets_its_address_back(worker):
    nodes, before = worker
    (network, address) = next(iter(before["addresses"].items()))
    for _ in range(2):
        nodes.disconnect(before["name"], network)
    assert now(nodes, before)["addresses"] == {}
    for _ in range(2):
        nodes.connect(before["name"], network, address, fixed=network in before["fixed"])
    assert wait_until(lambda: now(nodes, before) == before, clock=RealClock(), within=5)
