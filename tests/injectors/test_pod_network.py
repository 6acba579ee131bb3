"""Network faults of single pods, against pods with agents that behave, decline, die, or are never heard of again."""

import json
import random

import pytest

from chaos.clients.world import World
from chaos.errors import BadInput, ClusterError, NotFound, NotReady
from chaos.injectors import pod_latency, pod_loss, pod_partition, pod_reset
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps
from chaos.model.run import Environment

OPEN = Caps(net_admin=Allowed(because="a test"))
IMAGES = {"python": "python:3.13-slim", "toxiproxy": "toxiproxy"}


class Pods:
    """An API server with pods in which ephemeral containers start, and agents that keep what they are told."""

    def __init__(self, count=2):
        self.environment = Environment(kind="kind", name="kind-test", fingerprint="f")
        self.pods = {f"web-{each}": pod(f"web-{each}", f"10.0.0.{each}") for each in range(count)}
        self.agents = {}  # pod -> idle, ready, struck
        self.orders = []
        self.declines = {}  # order -> words
        self.silent = False
        self.starts = True

    def get(self, kind, name, namespace=""):
        if kind == "ReplicaSet":
            return {"metadata": {"name": name, "ownerReferences": [{**owner("Deployment", "web"), "controller": True}]}}
        if name not in self.pods:
            raise NotFound("gone", status=404)
        return self.pods[name]

    def find(self, kind, namespace="", *, labels=None, fields=""):
        assert kind == "Pod"
        return list(self.pods.values())

    def patch(self, kind, name, namespace, patch, *, how="merge", subresource=""):
        assert (how, subresource) == ("strategic", "ephemeralcontainers")
        assert patch["metadata"]["uid"] == self.pods[name]["metadata"]["uid"]
        pod_ = self.pods[name]
        pod_["spec"].setdefault("ephemeralContainers", []).extend(patch["spec"]["ephemeralContainers"])
        state = {"running": {}} if self.starts else {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        pod_["status"]["ephemeralContainerStatuses"] = [
            {"name": each["name"], "state": state} for each in patch["spec"]["ephemeralContainers"]
        ]
        self.agents[name] = "idle"

    def container(self, name):
        return self.pods[name]["spec"]["ephemeralContainers"][-1]

    def pod_request(self, namespace, name, port, method, path, body=None):
        if self.silent:
            raise ClusterError("does not answer")
        key, order = path.split("/")
        told = json.loads(next(each["value"] for each in self.container(name)["env"] if each["name"] == "GAMEDAY_AGENT"))
        assert (port, key) == (told["admin_port"], told["key"])
        if order in self.declines:
            return 409, json.dumps({"error": self.declines[order]}).encode()
        if method == "POST":
            self.orders.append(f"{name} {order}")
            self.agents[name] = {"ready": "ready", "strike": "struck", "calm": "ready", "end": "ended"}[order]
            if order == "end":
                self.ended(name, json.dumps({"ended": "asked to", "left": []}))
        return 200, b"{}"

    def ended(self, name, message):
        state = {"terminated": {"exitCode": 0, "message": message}}
        self.pods[name]["status"]["ephemeralContainerStatuses"][-1]["state"] = state


def owner(kind, name):
    return {"kind": kind, "name": name, "uid": f"{kind}-{name}", "controller": True}


def pod(name, address):
    container = {"name": "web", "ports": [{"containerPort": 8080, "name": "web"}]}
    container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "web"}}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "ownerReferences": [owner("ReplicaSet", "web-1")]},
        "spec": {"containers": [container], "nodeName": "n"},
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    }


@pytest.fixture
def pods():
    return Pods()


@pytest.fixture
def prepared(pods):
    def prepare(module=pod_reset, caps=OPEN, **raw):
        kind = module.__name__.rpartition(".")[2].replace("_", "-")
        spec = module.Spec.model_validate({"kind": kind, "selector": {"app": "web"}, "count": 1, **raw})
        state = module.prepare(
            spec, Aim(world=world(pods), namespace="ns", run="r", step="s", rng=random.Random(1), caps=caps, images=IMAGES)
        )
        return module.State.model_validate_json(state.model_dump_json())

    return prepare


def world(pods):
    return World(cluster=pods, proxies=None)


def struck(state, pods, module=pod_reset):
    module.arm(state, world(pods))
    module.start(state, world(pods))


def test_it_is_struck_calmed_ended_and_clean_each_as_often_as_one_likes(prepared, pods):
    state = prepared()
    name = state.targets[0].name
    assert pod_reset.verify(state, world(pods)) == []
    for _ in range(2):
        pod_reset.arm(state, world(pods))
    assert pods.orders == [f"{name} ready"] * 2, "armed is idle"
    pod_reset.start(state, world(pods))
    assert "has not ended yet" in pod_reset.verify(state, world(pods))[0]
    for _ in range(2):
        pod_reset.stop(state, world(pods))
    assert pods.agents == {name: "ready"}
    for _ in range(2):
        pod_reset.disarm(state, world(pods))
        pod_reset.stop(state, world(pods))
    assert pod_reset.verify(state, world(pods)) == []
    assert len(pods.pods[name]["spec"]["ephemeralContainers"]) == 1


def test_the_container_may_do_nothing_but_its_network(prepared, pods):
    state = prepared()
    pod_reset.arm(state, world(pods))
    container = pods.container(state.targets[0].name)
    security = container["securityContext"]
    assert (security["capabilities"], security["privileged"]) == ({"drop": ["ALL"], "add": ["NET_ADMIN"]}, False)
    assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
    assert container["image"] == "python:3.13-slim"
    assert any("python:3.13-slim" in note and "NET_ADMIN" in note for note in state.notes)


def test_what_the_agent_runs_is_whole(prepared, pods):
    """The text in the container is compiled and run as the container does, down to its first order."""
    state = prepared()
    pod_reset.arm(state, world(pods))
    container = pods.container(state.targets[0].name)
    files = json.loads(next(each["value"] for each in container["env"] if each["name"] == "GAMEDAY_FILES"))
    assert [name.rpartition(".")[2] for name, _ in files] == ["netlink", "rules", "queue", "sockets", "agent"]
    for name, text in files:
        imported = [line for line in text.splitlines() if line.startswith(("import chaos", "from chaos"))]
        known = [each for each, _ in files[: [each for each, _ in files].index(name)]]
        assert all(line.split()[1] in known for line in imported), "each needs only what was loaded before it"
    assert container["command"][:3] == ["python", "-u", "-c"]
    compile(container["command"][3], "start", "exec")


def test_a_kernel_that_cannot_says_so_before_anything_is_struck(prepared, pods):
    state = prepared(pod_latency, latency="100ms")
    pods.declines["ready"] = "the node's kernel lacks netem"
    with pytest.raises(NotReady, match="kernel lacks netem"):
        pod_latency.arm(state, world(pods))
    assert pods.orders == []
    pod_latency.stop(state, world(pods))
    pod_latency.disarm(state, world(pods))
    assert pod_latency.verify(state, world(pods)) == []


def test_an_image_that_does_not_come_is_told_and_leaves_nothing(prepared, pods):
    state = prepared()
    pods.starts = False
    with pytest.raises(NotReady, match="ImagePullBackOff no such image"):
        pod_reset.arm(state, world(pods))
    pod_reset.disarm(state, world(pods))
    assert pod_reset.verify(state, world(pods)) == []


def test_an_agent_that_is_only_starting_is_waited_for(prepared, pods):
    state = prepared()
    struck(state, pods)
    name = state.targets[0].name
    pods.pods[name]["status"]["ephemeralContainerStatuses"] = []
    pod_reset.stop(state, world(pods))
    with pytest.raises(NotReady, match="only starting"):
        pod_reset.disarm(state, world(pods))
    assert pod_reset.verify(state, world(pods))


def test_an_agent_that_cannot_be_reached_is_no_success(prepared, pods):
    state = prepared()
    struck(state, pods)
    pods.silent = True
    with pytest.raises(NotReady):
        pod_reset.stop(state, world(pods))
    assert "ends" in pod_reset.verify(state, world(pods))[0] or "by itself, 45 s" in pod_reset.verify(state, world(pods))[0]
    assert pod_reset.settle(state) > state.orders["hold"], "long enough for its own timer"
    pods.ended(state.targets[0].name, json.dumps({"ended": "its own timer", "left": []}))
    assert pod_reset.verify(state, world(pods)) == []


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_a_pod_that_is_gone_took_its_network_with_it(prepared, pods, gone):
    state = prepared()
    struck(state, pods)
    name = state.targets[0].name
    if gone == "deleted":
        del pods.pods[name]
    else:
        pods.pods[name]["metadata"]["uid"] = "another"
    before = list(pods.orders)
    pod_reset.stop(state, world(pods))
    pod_reset.disarm(state, world(pods))
    assert pod_reset.verify(state, world(pods)) == []
    assert pods.orders == before, "a namesake is not ours to tell anything"
    with pytest.raises(NotFound, match="another one than planned"):
        pod_reset.arm(state, world(pods))


def test_what_the_agent_could_not_remove_is_told_with_what_helps(prepared, pods):
    state = prepared()
    struck(state, pods)
    name = state.targets[0].name
    pods.ended(name, json.dumps({"ended": "asked to", "left": ["nftables table gameday-x"]}))
    assert pod_reset.verify(state, world(pods)) == [
        f"in pod/{name}: nftables table gameday-x; it goes with the pod: kubectl delete pod -n ns {name}"
    ]


def test_of_a_killed_agent_only_an_idle_queue_can_be_left(prepared, pods):
    cut, late = prepared(), prepared(pod_latency, latency="100ms")
    for state, module, left in ((cut, pod_reset, False), (late, pod_latency, True)):
        fresh = Pods()
        struck(state, fresh, module)
        fresh.ended(state.targets[0].name, "")
        assert bool(module.verify(state, world(fresh))) is left


def test_the_dose_asks_every_struck_pod_and_one_that_is_not(prepared):
    dose = pod_reset.dose(prepared(count=1))
    assert [each.route.host for each in dose.expect] + [each.host for each in dose.control] in (
        ["10.0.0.0", "10.0.0.1"],
        ["10.0.0.1", "10.0.0.0"],
    )
    assert {(each.route.port, each.route.path) for each in dose.expect} == {(8080, "/healthz")}
    loss = pod_loss.dose(prepared(pod_loss, share="20%"))
    assert 0.1 < loss.expect[0].share < 0.2
    assert pod_latency.dose(prepared(pod_latency, latency="100ms")).expect[0].by == pytest.approx(0.08)


def test_a_partition_is_of_the_whole_pod_unless_one_port_is_meant(prepared):
    assert prepared(pod_partition).orders["port"] is None
    assert prepared(pod_partition, only_port=True).orders["port"] == 8080


@pytest.mark.parametrize(
    ("change", "raw", "words"),
    [
        (lambda _: None, {"caps": Caps()}, "caps: {net_admin"),
        (lambda pods: pods.pods["web-0"]["spec"].update(hostNetwork=True), {"count": 2, "caps": "all"}, "node's own network"),
        (lambda pods: pods.pods["web-0"]["status"].update(phase="Pending"), {"count": 2, "caps": "all"}, "not running yet"),
        (lambda pods: pods.pods.popitem(), {}, "last ready replica"),
        (lambda pods: [each["spec"]["containers"][0].pop("ports") for each in pods.pods.values()], {}, "declare no port"),
        (lambda pods: setattr(pods, "environment", Environment(kind="sandbox", name="sandbox")), {}, "those of the sandbox"),
        (
            lambda pods: pods.pods["web-0"]["spec"].update(
                ephemeralContainers=[{"name": f"gameday-net-{n}"} for n in range(20)]
            ),
            {"count": 2, "caps": "all"},
            "replace the pod",
        ),
    ],
)
def test_what_cannot_be_or_may_not_be_is_refused_with_its_reason(prepared, pods, change, raw, words):
    change(pods)
    if raw.get("caps") == "all":
        raw = {**raw, "caps": OPEN.model_copy(update={"last_replica": Allowed(because="x")})}
        raw["caps"] = raw["caps"].model_copy(update={"workload_share": type("All", (), {"value": 1.0})()})
    with pytest.raises(BadInput, match=words):
        prepared(**raw)


@pytest.mark.parametrize(
    ("module", "raw", "words"),
    [
        (pod_loss, {"share": "1%"}, "cannot be told from none"),
        (pod_latency, {"latency": "0s"}, "would strike nothing"),
        (pod_latency, {"latency": "1s", "jitter": "2s"}, "jitter is larger"),
        (pod_reset, {"percent": "50%"}, "either count or percent"),
    ],
)
def test_files_that_make_no_sense_are_refused(prepared, module, raw, words):
    with pytest.raises(ValueError, match=words):
        prepared(module, **raw)
