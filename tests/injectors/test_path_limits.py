"""Before which Services no proxy is put, and why."""

import pytest

from chaos.errors import BadInput
from chaos.injectors.path_limits import ADMIN_PORT, refuse_admin_port, refuse_shut_out, refuse_unfit

TARGET = {"app": "web", "tier": "back"}
PROXY = {"gameday.dev/proxy": "gameday-proxy-web"}


def service(**spec):
    whole = {"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return {"metadata": {"name": "web"}, "spec": whole}


def policy(*, pods=None, ingress=None, egress=None, types=None, name="wall"):
    spec = {"podSelector": pods or {}, "ingress": ingress, "egress": egress, "policyTypes": types}
    return {"metadata": {"name": name}, "spec": {key: value for key, value in spec.items() if value is not None}}


def of(**labels):
    return {"matchLabels": labels}


def check(*policies, ports=(8080,)):
    refuse_shut_out(policies, target=TARGET, proxy=PROXY, ports=list(ports))


def test_an_ordinary_service_is_fit():
    refuse_unfit(service(ports=[{"port": 80, "protocol": "TCP"}], internalTrafficPolicy="Cluster"), "gameday.dev/proxy")
    refuse_admin_port("web", [80, 8080])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "ExternalName"}, "ExternalName"),
        ({"clusterIP": "None"}, "headless"),
        ({"selector": None}, "no selector"),
        ({"selector": {"gameday.dev/proxy": "gameday-proxy-web-other"}}, "gameday-proxy-web-other, the proxy of another run"),
        ({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}, "not TCP"),
        ({"internalTrafficPolicy": "Local"}, "same node"),
        ({"externalTrafficPolicy": "Local"}, "same node"),
    ],
)
def test_an_unfit_service_is_refused_with_the_reason(spec, words):
    with pytest.raises(BadInput, match=words):
        refuse_unfit(service(**spec), "gameday.dev/proxy")


def test_the_port_of_the_admin_api_cannot_be_proxied():
    with pytest.raises(BadInput, match=str(ADMIN_PORT)):
        refuse_admin_port("web", [80, ADMIN_PORT])


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [policy(pods=of(app="other"), ingress=[])],
        [policy(pods=of(app="web"), ingress=[{}])],
        [policy(pods=of(app="web"), ingress=[{"from": [{"podSelector": {}}]}])],
        [policy(pods=of(app="web"), ingress=[{"ports": [{"port": 8080}]}])],
        [policy(pods=of(app="web"), ingress=[]), policy(pods=of(tier="back"), ingress=[{}], name="door")],
        [policy(pods=of(app="caller"), egress=[{"to": [{"podSelector": {}}]}], types=["Egress"])],
        [policy(pods=of(app="caller"), egress=[{"to": [{"podSelector": of(app="db")}]}], types=["Egress"])],
        [policy(pods={"matchExpressions": [{"key": "app", "operator": "Exists"}]}, ingress=[{}])],
    ],
)
def test_policies_that_let_the_proxy_through_are_no_obstacle(policies):
    check(*policies)


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ([policy(pods=of(app="web"), ingress=[])], "wall admits named callers only"),
        ([policy(pods=of(app="web"), ingress=[{"from": [{"podSelector": of(app="caller")}]}])], "proxy is shut out"),
        ([policy(pods=of(app="web"), ingress=[{"ports": [{"port": 9090}]}])], "proxy is shut out"),
        ([policy(pods=of(app="web"), ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])], "proxy is shut out"),
        (
            [policy(pods=of(app="web"), ingress=[{"from": [{"podSelector": {}, "namespaceSelector": of(team="a")}]}])],
            "proxy is shut out",
        ),
        ([policy(pods={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}, ingress=[])], "shut out"),
        (
            [policy(ingress=[{"from": [{"podSelector": {}}]}])],
            "wall also holds for the proxy's pod: its callers are shut out",
        ),
        ([policy(egress=[], types=["Egress"])], "it cannot reach the target"),
        (
            [policy(pods=of(app="caller"), egress=[{"to": [{"podSelector": of(app="web")}]}], types=["Egress"])],
            "callers reach the target, but not the proxy",
        ),
    ],
)
def test_policies_that_would_shut_the_proxy_out_are_named(policies, words):
    with pytest.raises(BadInput, match=words):
        check(*policies)
