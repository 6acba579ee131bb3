"""What stands behind a Service's ports, and how to speak to it."""

import pytest

from chaos.errors import BadInput
from chaos.injectors.path_ports import chosen_port, readiness, scheme_of, with_target


def pod(*, ports=(), probe=None):
    container = {"ports": [*ports], **({"readinessProbe": {"httpGet": probe}} if probe else {})}
    return {"metadata": {}, "spec": {"containers": [{}, container]}}


def test_a_number_is_its_own_target_and_the_port_is_the_default():
    assert with_target({"port": 80, "targetPort": 8080}, [], "web")["target"] == 8080
    assert with_target({"port": 80}, [], "web")["target"] == 80


def test_a_named_target_is_looked_up_in_the_pods():
    found = with_target({"port": 80, "targetPort": "http"}, [pod(ports=[{"name": "http", "containerPort": 5000}])], "web")
    assert (found["target"], found["targetName"]) == (5000, "http")


def test_a_name_that_no_pod_knows_is_refused():
    with pytest.raises(BadInput, match="no pod says which number port http has"):
        with_target({"port": 80, "targetPort": "http"}, [pod()], "web")


def test_one_port_need_not_be_said_and_several_must():
    one, other = {"port": 80, "target": 80}, {"port": 81, "target": 81}
    assert chosen_port("web", None, [one]) is one
    assert chosen_port("web", 81, [one, other]) is other
    with pytest.raises(BadInput, match="several ports \\(80, 81\\): say which"):
        chosen_port("web", None, [one, other])
    with pytest.raises(BadInput, match="no port 82; it has 80, 81"):
        chosen_port("web", 82, [one, other])


def test_the_pods_own_readiness_probe_says_what_to_ask_for():
    port = {"port": 80, "target": 5000, "targetName": "http"}
    assert readiness([pod(probe={"path": "/ready", "port": "http"})], port) == {"path": "/ready", "port": "http"}
    assert readiness([pod(probe={"path": "/ready", "port": 5000})], port)["path"] == "/ready"
    assert readiness([pod(probe={"path": "/ready", "port": 9000})], port) == {}


@pytest.mark.parametrize(
    ("port", "probe", "scheme"),
    [
        ({"port": 80}, {}, "http"),
        ({"port": 5000, "name": "http"}, {}, "http"),
        ({"port": 5000}, {"path": "/"}, "http"),
        ({"port": 5000}, {"path": "/", "scheme": "HTTPS"}, "https"),
        ({"port": 8443}, {}, "https"),
        ({"port": 5000, "appProtocol": "https"}, {}, "https"),
        ({"port": 6379, "name": "redis"}, {}, "tcp"),
        ({"port": 5000}, {}, "tcp"),
    ],
)
def test_how_to_speak_to_a_port(port, probe, scheme):
    assert scheme_of(port, probe) == scheme
