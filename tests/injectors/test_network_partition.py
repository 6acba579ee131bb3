"""A partition says whom it cuts, refuses what would cut nothing, and tells when connections that stand go on."""

import random
import threading

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput
from chaos.injectors import network_partition, policies, witness
from chaos.injectors.base import Aim
from chaos.model.caps import Caps
from chaos.probes.dose import prove, routes_of
from chaos.probes.pods_ready import is_ready
from chaos.probes.witness import Witness


def spec(**more):
    return network_partition.Spec.model_validate({"kind": "network-partition", "duration": "10s", **more})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "give from, to, or both"),
        ({"to": {"app": "web"}, "duration": "2s"}, "at least 5s"),
        ({"to": {"app": "web"}, "direction": "egress"}, "needs both from and to"),
        ({"from": {"app": "web"}, "dns": "cut", "direction": "both"}, "needs both from and to"),
        ({"from": {"app": "web"}}, "say dns: allow"),
        ({"to": {"app": "web"}, "dns": "cut"}, "name lookups go on"),
    ],
)
def test_what_is_unclear_is_asked_for(said, words):
    with pytest.raises(ValueError, match=words):
        spec(**said)


# -- who would win over a cut ------------------------------------------------------------------------------------------

WEB = {"metadata": {"name": "web-1", "labels": {"app": "web"}}, "status": {"podIP": "10.1.0.5"}, "spec": {}}
CALLER = {"metadata": {"name": "tls-1", "labels": {"app": "tls"}}, "status": {"podIP": "10.1.0.9"}, "spec": {}}


def policy(way="ingress", rules=({},), pods=None, types=None):
    told = {"podSelector": pods or {}, way: list(rules), **({"policyTypes": types} if types else {})}
    return {"metadata": {"name": "theirs"}, "spec": told}


@pytest.mark.parametrize(
    ("there", "wins"),
    [
        (policy(), True),
        (policy(pods={"matchLabels": {"app": "other"}}), False),
        (policy(rules=()), False),
        (policy(rules=[{"from": [{"podSelector": {"matchLabels": {"app": "tls"}}}]}]), True),
        (policy(rules=[{"from": [{"podSelector": {"matchLabels": {"app": "else"}}}]}]), False),
        (policy(rules=[{"from": [{"podSelector": {}}], "ports": [{"port": 9}]}]), True),
        (policy(rules=[{"from": [{"namespaceSelector": {}}]}]), True),
        (policy(rules=[{"from": [{"namespaceSelector": {"matchLabels": {"name": "far"}}}]}]), False),
        (policy(rules=[{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "else"}}}]}]), False),
        (policy(rules=[{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}]), True),
        (policy(rules=[{"from": [{"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.0.8/29"]}}]}]), False),
        (policy(rules=[{"from": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}]), False),
        (policy("egress", types=["Egress"]), False),
    ],
)
def test_a_policy_that_admits_the_callers_wins(there, wins):
    found = policies.winning([there], "ingress", [WEB], [CALLER], dns=False, labels={"name": "near"})
    assert bool(found) is wins


@pytest.mark.parametrize(("ports", "dns", "wins"), [([53], True, False), ([53], False, True), ([53, 443], True, True)])
def test_a_policy_for_lookups_alone_wins_only_where_they_are_to_end(ports, dns, wins):
    there = policy("egress", rules=[{"ports": [{"port": port} for port in ports]}], types=["Egress"])
    assert bool(policies.winning([there], "egress", [WEB], None, dns=dns, labels={})) is wins


def test_outside_is_what_no_pod_range_holds():
    nodes = [{"spec": {"podCIDRs": ["10.244.1.0/24", "fd00:1::/64"]}}, {"spec": {"podCIDRs": ["10.244.0.0/24"]}}, {"spec": {}}]
    assert policies.outside(nodes, []) == [
        {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/24", "10.244.1.0/24"]},
        {"cidr": "::/0", "except": ["fd00:1::/64"]},
    ]
    assert policies.outside([{"spec": {}}], [WEB]) == [{"cidr": "0.0.0.0/0", "except": ["10.1.0.5/32"]}]


def test_whoever_lacks_one_of_the_labels_is_let_through():
    peers = policies.all_but({"app": "web", "tier": "front"}, "shop", [])
    keys = [[each["key"] for each in peer["podSelector"]["matchExpressions"]] for peer in peers[:-1]]
    assert keys == [["app", "app.kubernetes.io/managed-by"], ["tier", "app.kubernetes.io/managed-by"]]


# -- on the sandbox ----------------------------------------------------------------------------------------------------


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def web(cluster, namespace):
    """Two Deployments of one ready pod each, with a Service."""
    for name in ("web", "other"):
        meta = {"name": name, "namespace": namespace}
        container = {"name": "web", "image": "gameday-echo", "ports": [{"containerPort": 8080}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        wanted = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        cluster.create({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": wanted})
        service = {"selector": {"app": name}, "ports": [{"port": 8080, "name": "http"}]}
        cluster.create({"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": service})
    assert wait_until(lambda: sum(map(is_ready, cluster.find("Pod", namespace))) == 2, clock=RealClock(), within=20.0)


def aim_at(world, namespace):
    images = {"python": "python:3.13-slim"}
    return Aim(world=world, namespace=namespace, run="run", step="step", rng=random.Random(1), caps=Caps(), images=images)


def prepare(world, namespace, **said):
    return network_partition.prepare(spec(**said), aim_at(world, namespace))


def test_the_cut_is_seen_at_a_service_of_theirs_and_another_stays_the_control(world, namespace, web):
    state = prepare(world, namespace, to={"app": "web"})
    assert (state.seen_at.name, [each.name for each in state.control]) == ("web", ["other"])
    assert prepare(world, namespace, **{"from": {"app": "web"}, "to": {"app": "other"}}).service == "other"
    assert prepare(world, namespace, **{"from": {"app": "web"}, "dns": "allow"}).control == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"to": {"app": "nobody"}}, "matches no pod"),
        ({"to": {"app": "web"}, "service": "other"}, "service other does not lead"),
        ({"from": {"app": "web"}, "to": {"app": "web"}}, "match the same pods"),
    ],
)
def test_what_cannot_be_is_refused(world, namespace, web, said, words):
    with pytest.raises(BadInput, match=words):
        prepare(world, namespace, **said)


def test_an_allow_policy_that_would_win_is_named(world, cluster, namespace, web):
    meta = {"name": "open-doors", "namespace": namespace}
    cluster.create(
        {
            "kind": "NetworkPolicy",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": meta,
            "spec": {"podSelector": {}, "ingress": [{}]},
        }
    )
    with pytest.raises(BadInput, match=r"network policy open-doors admits this traffic \(ingress\)"):
        prepare(world, namespace, to={"app": "web"})


@pytest.mark.parametrize(("standing", "proved", "reason"), [("may-go-on", True, ""), ("must-end", False, "held-bypass")])
def test_connections_that_stand_go_on_and_are_told(world, namespace, web, standing, proved, reason):
    aim = aim_at(world, namespace)
    state = network_partition.prepare(spec(to={"app": "web"}, standing=standing), aim)
    dose = network_partition.dose(state)
    eye = witness.prepare(witness.Spec(routes=routes_of([dose])), aim)
    witness.start(eye, world)
    seen = Witness(world.cluster, namespace, eye.pod)
    assert wait_until(lambda: len(seen.readings(0)) >= 20, clock=RealClock(), within=10.0)
    before = seen.readings(0)
    network_partition.start(state, world)
    result = prove(
        dose.model_copy(update={"within": 4.0}),
        step="step",
        fault="network-partition",
        cluster=world.cluster,
        witness=seen,
        before=before,
        clock=RealClock(),
        stop=threading.Event(),
    )
    network_partition.stop(state, world)
    assert network_partition.verify(state, world) == []
    assert (result.proved, result.reason) == (proved, reason), result
    held = next(each for each in result.readings if (each["route"], each["connection"]) == ("web", "held"))
    assert held["during"]["ok"] == held["during"]["n"] > 0


def test_what_somebody_else_made_by_our_name_stays(world, cluster, namespace, web):
    state = prepare(world, namespace, to={"app": "web"})
    meta = {"name": f"{state.policy}-in", "namespace": namespace}
    cluster.create(
        {
            "kind": "NetworkPolicy",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": meta,
            "spec": {"podSelector": {"matchLabels": {"app": "none"}}},
        }
    )
    network_partition.stop(state, world)
    assert cluster.get("NetworkPolicy", f"{state.policy}-in", namespace)
    assert network_partition.verify(state, world) == []
