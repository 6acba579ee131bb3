"""One field of the Service is changed and put back, and nothing that somebody else wrote there meanwhile."""

import pytest

from chaos.errors import BadInput, Conflict
from chaos.injectors import service_blackhole as fault


@pytest.fixture
def service(cluster, namespace, deploy):
    """A Service `web` with two ports before a Deployment."""

    def make(**spec):
        deploy(ports=[{"containerPort": 8080, "name": "web"}])
        ports = [{"name": "http", "port": 8080, "targetPort": "web"}, {"name": "more", "port": 9090}]
        body = {"selector": {"app": "web"}, "ports": ports, **spec}
        meta = {"name": "web", "namespace": namespace}
        return cluster.create({"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": body})

    return make


RAW = {"kind": "service-blackhole", "service": "web", "port": 8080}


def spec(cluster, namespace):
    return cluster.get("Service", "web", namespace)["spec"]


@pytest.mark.parametrize("mode", ["selector", "port"])
def test_only_that_field_changes_and_comes_back(mode, cluster, namespace, service, prepared, struck_world):
    before = service()["spec"]
    state = prepared(**RAW, mode=mode)
    fault.start(state, struck_world)
    now = spec(cluster, namespace)
    assert (now["selector"] == before["selector"], now["ports"] == before["ports"]) == (mode == "port", mode == "selector")
    fault.stop(state, struck_world)
    assert spec(cluster, namespace) == before
    assert fault.verify(state, struck_world) == []


def test_what_somebody_else_made_of_it_meanwhile_stays(cluster, namespace, service, prepared, struck_world):
    service()
    state = prepared(**RAW)
    fault.start(state, struck_world)
    patch = [{"op": "replace", "path": "/spec/selector", "value": {"app": "theirs"}}]
    cluster.patch("Service", "web", namespace, patch, how="json")
    fault.stop(state, struck_world)
    assert spec(cluster, namespace)["selector"] == {"app": "theirs"}
    assert "somebody else" in fault.verify(state, struck_world)[0]


def test_ports_that_moved_since_the_plan_are_not_struck(cluster, namespace, service, prepared, struck_world):
    service()
    state = prepared(**RAW, mode="port")
    patch = [{"op": "replace", "path": "/spec/ports/0/port", "value": 7070}]
    cluster.patch("Service", "web", namespace, patch, how="json")
    with pytest.raises(Conflict):
        fault.start(state, struck_world)


@pytest.mark.parametrize(
    ("spec", "raw", "words"),
    [
        ({"type": "ExternalName", "externalName": "x.example"}, {}, "ExternalName"),
        ({"selector": None}, {}, "no selector"),
        ({"selector": {"app": "wbe"}}, {}, "leads to no pod"),
        ({"selector": {"app": "web", "gameday.dev/proxy": "p"}}, {}, "proxy of another run"),
        ({"clusterIP": "None"}, {"mode": "port"}, "headless"),
        ({"ports": [{"port": 8080, "protocol": "UDP"}]}, {"mode": "port"}, "not TCP"),
        ({}, {"port": 81}, "no port 81"),
        ({}, {"port": None}, "several ports"),
        ({}, {"service": "wbe"}, "no service wbe"),
    ],
)
def test_what_could_not_be_felt_is_refused(spec, raw, words, service, prepared):
    service(**spec)
    with pytest.raises(BadInput, match=words):
        prepared(**{**RAW, **raw})


def test_a_headless_service_loses_its_endpoints_and_nothing_is_asked(service, prepared):
    service(clusterIP="None")
    dose = fault.dose(prepared(**RAW))
    assert [each.what for each in dose.expect] == ["endpoints"]
    assert dose.control == []
