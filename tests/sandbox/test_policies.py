"""NetworkPolicies: who may open a connection to whom."""

import pytest

from chaos.sandbox.defaulting import defaulted
from chaos.sandbox.policies import Policies
from chaos.sandbox.store import Store

WEB, DB, OTHER, OUTSIDE = "127.9.1.1", "127.9.1.2", "127.9.1.3", "127.0.0.1"


@pytest.fixture
def rule():
    """Add a policy in `shop`; gives the question that it answers."""
    store = Store()
    for name, labels in (("shop", {"team": "shop"}), ("else", {"team": "else"})):
        store.add("Namespace", {"metadata": {"name": name, "labels": labels}})
    for address, space, app in ((WEB, "shop", "web"), (DB, "shop", "db"), (OTHER, "else", "web")):
        meta = {"name": app, "namespace": space, "labels": {"app": app}}
        ports = [{"name": "sql", "containerPort": 5432}]
        store.add("Pod", {"metadata": meta, "spec": {"containers": [{"ports": ports}]}, "status": {"podIP": address}})
    policies = Policies(store)

    def add(**spec):
        number = len(store.all("NetworkPolicy"))
        policy = {"metadata": {"name": f"p{number}", "namespace": "shop"}, "spec": spec}
        store.add("NetworkPolicy", defaulted("NetworkPolicy", policy))
        policies.rebuild()
        return policies.allow

    add.allow = policies.allow
    return add


DB_PODS = {"matchLabels": {"app": "db"}}


def test_without_a_policy_all_is_allowed(rule):
    assert rule.allow(OUTSIDE, DB, 1)


def test_deny_all_denies_those_that_it_selects_and_only_them(rule):
    allow = rule(podSelector=DB_PODS)
    assert not allow(WEB, DB, 5432)
    assert not allow(OUTSIDE, DB, 5432)
    assert allow(DB, WEB, 80)
    assert allow(WEB, OTHER, 80)


def test_a_pod_selector_is_about_the_same_namespace(rule):
    allow = rule(podSelector=DB_PODS, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])
    assert allow(WEB, DB, 5432)
    assert not allow(OTHER, DB, 5432)


def test_a_namespace_selector_lets_others_in(rule):
    elsewhere = {"namespaceSelector": {"matchLabels": {"team": "else"}}}
    allow = rule(podSelector=DB_PODS, ingress=[{"from": [elsewhere]}])
    assert allow(OTHER, DB, 5432)
    assert not allow(WEB, DB, 5432)
    allow = rule(podSelector=DB_PODS, ingress=[{"from": [elsewhere | {"podSelector": DB_PODS}]}])
    assert allow(OTHER, DB, 5432), "policies add up"


@pytest.mark.parametrize(("port", "allowed"), [("sql", True), (5432, True), (80, False)])
def test_ports_by_number_and_name(rule, port, allowed):
    assert rule(podSelector=DB_PODS, ingress=[{"ports": [{"port": port}]}])(WEB, DB, 5432) is allowed


def test_an_address_block_and_its_exceptions(rule):
    block = {"ipBlock": {"cidr": "127.0.0.0/16", "except": ["127.0.0.9/32"]}}
    allow = rule(podSelector=DB_PODS, ingress=[{"from": [block]}])
    assert allow(OUTSIDE, DB, 5432)
    assert not allow("127.0.0.9", DB, 5432)
    assert not allow(WEB, DB, 5432)


def test_egress_is_judged_at_the_sender(rule):
    allow = rule(
        podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"], egress=[{"to": [{"podSelector": DB_PODS}]}]
    )
    assert allow(WEB, DB, 5432)
    assert not allow(WEB, OTHER, 80)
    assert allow(OTHER, WEB, 80), "ingress is another matter"
