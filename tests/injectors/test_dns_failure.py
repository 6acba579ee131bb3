"""Whose name lookups may fail, whose may not, and that everything is put back by requests alone."""

import contextlib
import random

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.errors import BadInput
from chaos.injectors import dns_failure, dns_limits, resolver_clients, resolver_objects
from chaos.injectors.base import Aim
from chaos.injectors.undoing import put_back, still_changed
from chaos.model.caps import Caps


def spec(**more):
    return dns_failure.Spec.model_validate(
        {"kind": "dns-failure", "name": "payments", "clients": ["checkout"], "duration": "30s", **more}
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"duration": "2s"}, "at least 5s"),
        ({"clients": []}, "at least 1 item"),
        ({"name": "no spaces"}, "match pattern"),
        ({"answer": "wrong"}, "'nxdomain', 'servfail' or 'silence'"),
    ],
)
def test_what_cannot_be_meant_is_refused(said, words):
    with pytest.raises(ValueError, match=words):
        spec(**said)


def deployment(**pod):
    labels = pod.pop("labels", {"app": "checkout"})
    return {
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "u-1"},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": {"dnsPolicy": "ClusterFirst", **pod}}},
    }


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({"dnsPolicy": "None"}, "looks up names in its own way"),
        ({"dnsConfig": {"nameservers": ["1.1.1.1"]}}, "looks up names in its own way"),
        ({"hostNetwork": True}, "looks up names in its own way"),
        ({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["payments"]}]}, "in hostAliases: it never looks it up"),
        ({"labels": {"app": "checkout", resolver_objects.MARK: "gameday-dns-other"}}, "resolver of another run"),
    ],
)
def test_pods_with_a_way_of_their_own_are_refused(pod, words):
    with pytest.raises(BadInput, match=words):
        dns_limits.refuse_unfit(deployment(**pod), "payments")


UDP_53 = {"ports": [{"protocol": "UDP", "port": 53}]}


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ([], True),
        ([{}], False),
        ([UDP_53], False),
        ([{**UDP_53, "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]}], True),
        ([{"ports": [{"protocol": "TCP", "port": 443}]}], True),
    ],
)
def test_a_policy_that_names_the_nameserver_is_told(rules, refused):
    policy = {"metadata": {"name": "only-dns"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules}}
    words = "network policy only-dns names what deployment/checkout may call"
    with pytest.raises(BadInput, match=words) if refused else contextlib.nullcontext():
        dns_limits.refuse_shut_off(deployment(), [policy])


# -- pointing there and back, on the sandbox ---------------------------------------------------------------------------


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def checkout(cluster, namespace):
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [{"name": "c", "image": "gameday-echo"}]}}
    wanted = {"replicas": 1, "selector": {"matchLabels": {"app": "checkout"}}, "template": template}
    meta = {"name": "checkout", "namespace": namespace}
    return cluster.create({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": wanted})


def test_the_sandbox_has_no_names_to_look_up(world, namespace, checkout):
    aim = Aim(world=world, namespace=namespace, run="run", step="step", rng=random.Random(1), caps=Caps())
    with pytest.raises(BadInput, match="sandbox has no names"):
        dns_failure.prepare(spec(), aim)


DNS = {"nameservers": ["10.1.0.9"], "searches": ["shop.svc.cluster.local"], "options": [{"name": "ndots", "value": "5"}]}


def template(cluster, namespace):
    return cluster.get("Deployment", "checkout", namespace)["spec"]["template"]


def test_a_template_is_changed_once_and_put_back_as_it_was(world, cluster, namespace, checkout):
    client, before = resolver_clients.client_of(checkout), template(cluster, namespace)
    undo = resolver_clients.back(client, "gameday-dns-1")
    put_back([undo], world)
    assert template(cluster, namespace) == before
    for _ in range(2):
        resolver_clients.point(client, "gameday-dns-1", DNS, cluster)
    changed = template(cluster, namespace)
    assert (changed["spec"]["dnsPolicy"], changed["spec"]["dnsConfig"]) == ("None", DNS)
    assert still_changed([undo], world) != []
    for _ in range(2):
        put_back([undo], world)
        assert template(cluster, namespace) == before
    assert still_changed([undo], world) == []


def test_what_somebody_else_set_meanwhile_stays_and_is_told(world, cluster, namespace, checkout):
    client = resolver_clients.client_of(checkout)
    undo = resolver_clients.back(client, "gameday-dns-1")
    resolver_clients.point(client, "gameday-dns-1", DNS, cluster)
    theirs = {"spec": {"template": {"spec": {"dnsPolicy": "Default", "dnsConfig": None}}}}
    cluster.patch("Deployment", "checkout", namespace, theirs)
    put_back([undo], world)
    assert template(cluster, namespace)["spec"]["dnsPolicy"] == "Default"
    assert "changed by somebody else" in still_changed([undo], world)[0]


def test_a_resolver_has_a_name_that_a_stateful_set_may_have_and_no_rights():
    state = dns_failure.State(
        namespace="shop",
        run="20260105-090000-abc",
        step="s" * 60,
        looked_up="payments",
        clients=[],
        answer="nxdomain",
        seconds=60.0,
        resolver="gameday-dns-1",
        image="python:3.13-slim",
    )
    made = resolver_objects.stateful_set(state)["spec"]["template"]["spec"]
    assert made["automountServiceAccountToken"] is False
    assert made["securityContext"]["runAsNonRoot"] is True
    assert "activeDeadlineSeconds" not in made
    assert set(resolver_objects.config(state)["data"]) == {"program.py", "witness_wire.py"}
