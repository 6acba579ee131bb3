"""Evictions honour budgets, end after a bounded number of requests, and tell whom a budget kept."""

import random

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, VirtualClock, wait_until
from chaos.errors import BadInput, ClusterError, Conflict, NotFound, Refused
from chaos.injectors import evicting, eviction
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.target import Target
from chaos.model.units import Exact
from chaos.probes.pods_ready import is_ready

ALL = Caps(last_replica=Allowed(because="a test"), workload_share=RaisedShare(value=Exact(1.0), because="a test"))


class Server:
    """Answers every eviction as `answers` says for the pod; counts the requests."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def evict(self, pod, namespace, *, uid="", grace=None):
        self.asked.append(pod)
        answer = self.answers[pod]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if answer is not None:
            raise answer


KEPT = Refused("could not evict pod/a: Cannot evict pod as it would violate the pod's disruption budget.", status=429)
ANOTHER = Conflict("Precondition failed: UID in precondition: x, UID in object meta: y", status=409)


def targets(*names):
    return [Target(kind="Pod", namespace="shop", name=name, uid=f"uid-{name}") for name in names]


def evict_all(server, *names, patience=3.0):
    return evicting.evict_all(server, targets(*names), patience=patience, clock=VirtualClock())


def test_whoever_is_refused_is_asked_again_a_few_times_and_no_more():
    server = Server(a=KEPT, b=None)
    assert evict_all(server, "a", "b") == {"uid-a": "refused", "uid-b": "gone"}
    assert server.asked.count("b") == 1
    assert server.asked.count("a") == 4  # at 0, 1, 2 and 3 s


def test_without_patience_nobody_is_asked_twice():
    server = Server(a=KEPT)
    evict_all(server, "a", patience=0.0)
    assert server.asked == ["a"]


def test_a_budget_that_gives_way_lets_the_pod_go():
    assert evict_all(Server(a=[KEPT, KEPT, None]), "a") == {"uid-a": "gone"}


@pytest.mark.parametrize("answer", [NotFound("gone"), ANOTHER])
def test_pods_that_are_not_the_planned_ones_are_no_strike(answer):
    with pytest.raises(NotFound, match="nothing was struck"):
        evict_all(Server(a=answer), "a")
    assert evict_all(Server(a=answer, b=None), "a", "b")["uid-a"] == "left already"


@pytest.mark.parametrize(
    "answer", [Refused("too many requests", status=429), Conflict("try again", status=409), ClusterError("no answer")]
)
def test_trouble_that_says_nothing_of_a_budget_is_trouble(answer):
    with pytest.raises(type(answer)):
        evict_all(Server(a=answer), "a")


# -- on the sandbox ----------------------------------------------------------------------------------------------------


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def web(cluster, namespace):
    """Two ready pods of a Deployment, and a way to put disruption budgets before them. A new pod takes a second to be ready."""
    probe = {"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 1}
    container = {"name": "web", "image": "gameday-echo", "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    cluster.create(
        {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": namespace}, "spec": spec}
    )
    assert wait_until(lambda: len(ready(cluster, namespace)) == 2, clock=RealClock(), within=20.0)

    def guard(name, **spec):
        obj = {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": name, "namespace": namespace}}
        cluster.create({**obj, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}})
        counted = lambda: "disruptionsAllowed" in cluster.get("PodDisruptionBudget", name, namespace).get("status", {})  # noqa: E731
        assert wait_until(counted, clock=RealClock(), within=10.0)

    return guard


def ready(cluster, namespace):
    return [pod for pod in cluster.find("Pod", namespace, labels={"app": "web"}) if is_ready(pod)]


def prepare(world, namespace, caps=ALL, **more):
    spec = eviction.Spec.model_validate({"kind": "eviction", "selector": {"app": "web"}, "patience": "0s", **more})
    aim = Aim(world=world, namespace=namespace, run="run", step="step", rng=random.Random(1), caps=caps)
    return eviction.prepare(spec, aim)


def test_a_budget_that_allows_none_keeps_every_pod_and_the_plan_says_so(world, cluster, namespace, web):
    web("none", maxUnavailable=0)
    state = prepare(world, namespace, percent="100%")
    assert state.notes == ["disruption budget none allows no disruption now: as long as it does not, its pods stay"]
    eviction.start(state, world)
    assert {pod["metadata"]["uid"] for pod in ready(cluster, namespace)} == {target.uid for target in state.targets}


def test_a_budget_of_one_lets_one_go(world, cluster, namespace, web):
    web("one", maxUnavailable=1)
    state = prepare(world, namespace, percent="100%")
    assert state.notes == []
    eviction.start(state, world)
    left = {pod["metadata"]["uid"] for pod in cluster.find("Pod", namespace) if not pod["metadata"].get("deletionTimestamp")}
    assert len(left & {target.uid for target in state.targets}) == 1
    assert wait_until(lambda: not eviction.verify(state, world), clock=RealClock(), within=20.0)


def test_two_budgets_are_refused_before_anything_is_touched(world, namespace, web):
    web("one", maxUnavailable=1)
    web("two", maxUnavailable=1)
    with pytest.raises(BadInput, match="more than one disruption budget"):
        prepare(world, namespace, count=1)


def test_caps_are_kept(world, namespace, web):
    with pytest.raises(BadInput, match="last ready replica"):
        prepare(world, namespace, Caps(), percent="100%")
    assert prepare(world, namespace, Caps(), count=1).notes[0].startswith("no disruption budget guards pod web-")


def test_patience_is_bounded():
    with pytest.raises(ValueError, match="less than or equal to 8"):
        eviction.Spec.model_validate({"kind": "eviction", "selector": {"app": "web"}, "count": 1, "patience": "60s"})
