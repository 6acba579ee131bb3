"""Faults of whole kind nodes, against nodes that stop, freeze, lose their address, or do not come back."""

import random

import pytest

from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.engine.prepared import dependency_of
from chaos.errors import BadInput, ClusterError, DockerError, NotFound, NotReady
from chaos.injectors import node_partition, node_pause, node_restart, node_stop, zone_outage
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedCount
from chaos.model.run import Environment

DOCKER = Caps(docker=Allowed(because="a test"), last_replica=Allowed(because="a test"))
TWO = DOCKER.model_copy(update={"nodes": RaisedCount(value=2, because="a test")})
ZONE = "topology.kubernetes.io/zone"


class Nodes:
    """Containers and the API server's view of them: a node is Ready while its container runs under its address."""

    def __init__(self):
        self.environment = Environment(kind="kind", name="kind-test", fingerprint="f")
        names = {"cp": "", "w1": "a", "w2": "b", "w3": "b"}
        self.containers = {
            name: {
                "name": name,
                "id": f"id-{name}",
                "role": "worker",
                "state": "running",
                "started": "2026-11-23T08:00:00.123456789Z",
                "addresses": {"kind": f"172.18.0.{n}"},
                "fixed": [],
            }
            for n, name in enumerate(names, start=2)
        }
        self.zones = names
        self.namespaces = {"ns": True, "kube-system": False, "other": False}
        self.pods = [
            pod("web-1", "w1"),
            pod("web-2", "w2"),
            pod("dns-1", "w2", "kube-system"),
            pod("dns-2", "cp", "kube-system"),
        ]
        self.heard = "2026-11-23T08:00:05Z"  # last, from every kubelet
        self.stubborn = False
        self.api_down = False

    # -- Docker
    def nodes(self):
        return [{**each, "addresses": dict(each["addresses"])} for each in self.containers.values()]

    def stop(self, node):
        self.containers[node].update(state="exited", addresses={})

    def pause(self, node):
        self.containers[node]["state"] = "paused"

    def disconnect(self, node, network):
        del self.containers[node]["addresses"][network]

    def revive(self, node, addresses, fixed):
        if self.stubborn:
            raise DockerError("could not start: no space left")
        self.containers[node].update(state="running", addresses=dict(addresses))

    # -- the API server
    def find(self, kind, namespace="", *, labels=None, fields=""):
        if self.api_down:
            raise ClusterError("does not answer")
        if kind == "Node":
            return [self.get("Node", name) for name in self.zones]
        if kind == "Namespace":
            label = {"gameday.dev/opt-in": "true"}
            return [{"metadata": {"name": name, "labels": label if open_ else {}}} for name, open_ in self.namespaces.items()]
        on, wanted = fields.partition("=")[2], (labels or {}).items()
        return [
            each
            for each in self.pods
            if wanted <= each["metadata"]["labels"].items()
            and namespace in ("", each["metadata"]["namespace"])
            and on in ("", each["spec"]["nodeName"])
        ]

    def get(self, kind, name, namespace=""):
        if self.api_down:
            raise ClusterError("does not answer")
        if kind == "ReplicaSet":
            return {"metadata": {"name": name}}
        container = self.containers[name]
        address = f"172.18.0.{list(self.zones).index(name) + 2}"
        ready = container["state"] == "running" and container["addresses"] == {"kind": address}
        labels = {ZONE: self.zones[name]} if self.zones[name] else {"node-role.kubernetes.io/control-plane": ""}
        taints = [] if self.zones[name] else [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
        return {
            "kind": "Node",
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
            "spec": {"taints": taints},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}],
                "conditions": [
                    {"type": "Ready", "status": "True" if ready else "Unknown", "lastHeartbeatTime": self.heard},
                ],
            },
        }


def pod(name, node, namespace="ns", owner="ReplicaSet"):
    owners = [{"kind": owner, "name": name[:3], "uid": f"owner-{name[:3]}", "controller": True}] if owner else []
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {"app": name.partition("-")[0], "name": name},
            "ownerReferences": owners,
        },
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


@pytest.fixture
def nodes():
    return Nodes()


@pytest.fixture
def world(nodes):
    return World(cluster=nodes, proxies=None, containers=nodes)


@pytest.fixture
def prepared(world):
    def prepare(module=node_stop, caps=DOCKER, **raw):
        kind = module.__name__.rpartition(".")[2].replace("_", "-")
        raw = raw or {"node": "w1"}
        aim = Aim(world=world, namespace="ns", run="r", step="s", rng=random.Random(1), caps=caps)
        state = module.prepare(module.Spec.model_validate({"kind": kind, **raw}), aim)
        return module.State.model_validate_json(state.model_dump_json())

    return prepare


@pytest.mark.parametrize(
    ("module", "state", "words"),
    [
        (node_stop, "exited", "docker start w1"),
        (node_pause, "paused", "docker unpause w1"),
        (node_partition, "running", "docker network connect --ip 172.18.0.3 kind w1"),
    ],
)
def test_a_node_is_taken_away_and_given_back_as_it_was(prepared, nodes, world, module, state, words):
    before = nodes.nodes()
    frozen = prepared(module)
    module.stop(frozen, world)
    assert nodes.nodes() == before
    module.start(frozen, world)
    assert nodes.containers["w1"]["state"] == state
    assert words in module.verify(frozen, world)[0], "the very command that helps"
    for _ in range(2):
        module.stop(frozen, world)
    assert (nodes.nodes(), module.verify(frozen, world)) == (before, [])


def test_it_claims_its_nodes_and_says_whom_it_is_about(prepared):
    state = prepared(zone_outage, caps=TWO, hosting={"app": "web"}, sparing=[{"name": "web-1"}])
    assert (zone_outage.claims(state), dependency_of(state)) == (["node/w2", "node/w3"], "web")


def test_a_whole_zone_goes_and_comes_back_and_no_other(prepared, nodes, world):
    before = nodes.nodes()
    state = prepared(zone_outage, caps=TWO, zone="b")
    zone_outage.start(state, world)
    assert {name for name, each in nodes.containers.items() if each["state"] != "running"} == {"w2", "w3"}
    zone_outage.stop(state, world)
    assert nodes.nodes() == before
    assert len(zone_outage.dose(state).expect) == 2


def test_a_zone_is_found_by_the_pods_in_it(prepared):
    assert {prepared(zone_outage, caps=TWO, hosting={"app": "web"}).zone for _ in range(3)} <= {"a", "b"}


def test_what_is_to_be_spared_is(prepared):
    for spared, struck in (("web-1", "w2"), ("web-2", "w1")):
        assert prepared(hosting={"app": "web"}, sparing=[{"name": spared}]).nodes[0].name == struck
    state = prepared(zone_outage, caps=TWO, hosting={"app": "web"}, sparing=[{"name": "web-1"}])
    assert state.zone == "b"


def test_a_restarted_node_comes_back_by_itself_and_by_the_undo_too(prepared, nodes, world):
    state = prepared(node_restart)
    quick = state.model_copy(update={"down_for": 0.05})
    node_restart.start(quick, world)
    assert wait_until(lambda: node_restart.verify(quick, world) == [], clock=RealClock(), within=5)
    node_restart.start(state, world)
    assert nodes.containers["w1"]["state"] == "exited"
    node_restart.stop(state, world)
    assert node_restart.verify(state, world) == []


def test_once_undone_a_restart_never_gives_back_what_is_struck_later(prepared, nodes, world):
    quick = prepared(node_restart).model_copy(update={"down_for": 0.2})
    node_restart.start(quick, world)
    node_restart.stop(quick, world)
    later = prepared()
    node_stop.start(later, world)
    assert not wait_until(lambda: nodes.containers["w1"]["state"] == "running", clock=RealClock(), within=0.5)


def test_the_undo_needs_docker_alone(prepared, nodes, world):
    state = prepared()
    node_stop.start(state, world)
    nodes.api_down = True
    node_stop.stop(state, world)
    assert nodes.containers["w1"]["state"] == "running"
    assert node_stop.verify(state, world) == ["unknown: does not answer"]


def test_a_node_that_does_not_come_back_is_told_with_the_command(prepared, nodes, world):
    state = prepared()
    node_stop.start(state, world)
    nodes.stubborn = True
    with pytest.raises(DockerError, match="no space left"):
        node_stop.stop(state, world)
    assert node_stop.verify(state, world) == ["node w1 is exited: docker start w1"]


def test_a_namesake_container_is_never_touched(prepared, nodes, world):
    state = prepared()
    nodes.containers["w1"]["id"] = "another"
    for act in (node_stop.start, node_stop.stop):
        with pytest.raises(NotFound, match="not touched"):
            act(state, world)
    assert nodes.containers["w1"]["state"] == "running"
    assert "not there any more" in node_stop.verify(state, world)[0]


def test_pods_that_are_not_ready_again_are_told(prepared, nodes, world):
    state = prepared()
    nodes.pods[0]["status"]["conditions"] = []
    assert node_stop.verify(state, world) == ["1 of 2 pods of ns are ready again"]


def test_without_docker_nothing_is_called_undone(prepared, nodes):
    state = prepared()
    with pytest.raises(NotReady, match="cannot be reached"):
        node_stop.stop(state, World(cluster=nodes, proxies=None))
    assert node_stop.verify(state, World(cluster=nodes, proxies=None))


def test_the_dose_asks_the_kubelet_and_one_that_is_not_struck(prepared):
    dose = node_stop.dose(prepared())
    assert [(each.route.host, each.route.port, each.route.scheme) for each in dose.expect] == [("172.18.0.3", 10250, "https")]
    assert [route.host for route in dose.control] == ["172.18.0.4"]


def test_a_node_of_the_control_plane_takes_a_reason_of_its_own(prepared, nodes, world):
    with pytest.raises(BadInput, match=r"caps\.control_plane"):
        prepared(node="cp")
    nodes.pods.append(pod("dns-3", "w3", "kube-system"))
    state = prepared(caps=DOCKER.model_copy(update={"control_plane": Allowed(because="a test")}), node="cp")
    node_stop.start(state, world)
    node_stop.stop(state, world)
    assert node_stop.verify(state, world) == []


@pytest.mark.parametrize(
    ("change", "raw", "words"),
    [
        (lambda _: None, {"caps": Caps()}, "caps: {docker"),
        (lambda _: None, {"caps": Caps(docker=Allowed(because="x")), "module": zone_outage, "zone": "b"}, "the cap is 1"),
        (lambda nodes: nodes.pods.pop(1), {"caps": Caps(docker=Allowed(because="x"))}, "last ready replica of replicaset/web"),
        (lambda nodes: nodes.pods.append(pod("x-1", "w1", "other")), {}, "pods of other run on w1 too"),
        (lambda nodes: nodes.pods.pop(), {"node": "w2"}, "dns-1 of kube-system has no ready replica"),
        (lambda nodes: nodes.containers["w1"].update(state="exited"), {}, "is exited already"),
        (lambda nodes: nodes.containers["w1"]["addresses"].update(kind="172.18.0.99"), {}, "another cluster's"),
        (lambda nodes: nodes.stop("w2") or nodes.stop("w3"), {}, "no ready worker would be left"),
        (lambda _: None, {"node": "w9"}, "there is no node w9; the cluster has cp, w1, w2, w3"),
        (lambda _: None, {"module": zone_outage, "zone": "c"}, "no node is labelled .*=c; there are a, b"),
        (
            lambda _: None,
            {"hosting": {"app": "web"}, "sparing": [{"app": "web"}]},
            r"\(w1, w2\) runs some that are to be spared",
        ),
        (
            lambda _: None,
            {"module": zone_outage, "hosting": {"app": "web"}, "sparing": [{"app": "web"}]},
            "none of those that are to be spared",
        ),
        (lambda nodes: nodes.zones.update(w1="b"), {"module": zone_outage, "zone": "b"}, "the only one"),
    ],
)
def test_what_may_not_be_struck_is_refused_with_its_reason(prepared, nodes, change, raw, words):
    change(nodes)
    before = nodes.nodes()
    with pytest.raises(BadInput, match=words):
        prepared(**raw)
    assert nodes.nodes() == before


def test_a_node_that_still_reads_ready_is_not_back_before_its_kubelet_was_heard(prepared, nodes, world):
    state = prepared()
    node_stop.start(state, world)
    node_stop.stop(state, world)
    nodes.containers["w1"]["started"] = "2026-11-23T09:00:00.5Z"  # Kubernetes does not know yet that it was away
    assert "has not been heard since" in node_stop.verify(state, world)[0]
    nodes.heard = "2026-11-23T09:00:07Z"
    assert node_stop.verify(state, world) == []


def test_a_daemon_that_is_struck_with_its_node_is_nobody_elses(prepared, nodes):
    nodes.pods.append(pod("log-1", "w1", "other", owner="DaemonSet"))
    assert prepared().nodes[0].name == "w1"


def test_a_cluster_whose_nodes_are_no_containers_is_refused(nodes):
    aim = Aim(world=World(cluster=nodes, proxies=None), namespace="ns", run="r", step="s", rng=random.Random(1), caps=DOCKER)
    with pytest.raises(BadInput, match="needs a kind cluster"):
        node_stop.prepare(node_stop.Spec(kind="node-stop", node="w1"), aim)
