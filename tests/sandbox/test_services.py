"""Service addresses: ready endpoints in turn, a refusal where none is, what stands goes on, policies drop, bytes pass as they are."""

import contextlib
import socket
import threading

import pytest

from chaos.errors import NotFound
from chaos.sandbox.services import _Client, _Side

DENY = {"podSelector": {}, "policyTypes": ["Ingress"]}


def policy(namespace, **spec):
    meta = {"name": "policy", "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def exchange(connection):
    """One request and its whole answer on a connection that stays open; gives the status line."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with connection.makefile("rb") as answer:
        lines = list(iter(answer.readline, b"\r\n"))
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        assert len(answer.read(length)) == length
    return lines[0]


def refused(address):
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) != 0


def test_connections_take_turns(web, ask, cluster, namespace):
    pods = {pod["metadata"]["name"] for pod in cluster.find("Pod", namespace)}
    assert [{ask(web)["pod"] for _ in range(2)} for _ in range(3)] == [pods] * 3


def test_a_caller_keeps_its_address(web, ask, sandbox):
    assert ask(web, "/about")["client"] == "127.0.0.1"
    own = f"{sandbox.network}.100.1"
    assert ask(web, "/about", source=(own, 0))["client"] == own


def test_without_a_ready_endpoint_it_refuses_and_what_stands_goes_on(web, cluster, namespace, until, ask):
    with socket.create_connection(web, timeout=5) as held:
        assert exchange(held).startswith(b"HTTP/1.1 200")
        cluster.patch("Service", "web", namespace, {"spec": {"selector": {"app": "nobody"}}})
        until(lambda: refused(web))
        assert exchange(held).startswith(b"HTTP/1.1 200")
        cluster.patch("Service", "web", namespace, {"spec": {"selector": {"app": "web"}}})
        until(lambda: not refused(web))
        assert ask(web)["pod"]


def test_a_pod_that_is_not_ready_gets_no_new_connections(web, cluster, namespace, raw, ask, until):
    sick, well = (pod["metadata"]["name"] for pod in cluster.find("Pod", namespace))
    raw("GET", f"/api/v1/namespaces/{namespace}/pods/{sick}:8080/proxy/sick")

    def conditions():
        ends = cluster.find("EndpointSlice", namespace)[0]["endpoints"]
        return {end["targetRef"]["name"]: end["conditions"]["ready"] for end in ends}

    until(lambda: conditions() == {sick: False, well: True})
    assert {ask(web)["pod"] for _ in range(4)} == {well}


def test_a_policy_drops_new_connections_and_lets_standing_ones_be(web, cluster, namespace, until):
    with socket.create_connection(web, timeout=5) as held:
        assert exchange(held).startswith(b"HTTP/1.1 200")
        cluster.create(policy(namespace, **DENY))

        def silent():
            with socket.create_connection(web, timeout=0.3) as new, contextlib.suppress(TimeoutError):
                exchange(new)
                return False
            return True

        until(silent)
        assert exchange(held).startswith(b"HTTP/1.1 200"), "what stands goes on"
        with socket.create_connection(web, timeout=5) as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            cluster.delete("NetworkPolicy", "policy", namespace)
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200"), "who still tries when the policy goes gets through"


@pytest.fixture
def friend(cluster, namespace, make, ready):
    """The address of another pod."""
    cluster.create(make.deployment(namespace, "friend"))
    return ready(namespace, "friend")[0]["status"]["podIP"]


def test_a_policy_knows_pods_by_their_address(web, ask, cluster, namespace, friend, until):
    cluster.create(
        policy(
            namespace,
            podSelector={"matchLabels": {"app": "web"}},
            ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
        )
    )

    def outside_waits():
        with socket.create_connection(web, timeout=0.3) as new, contextlib.suppress(TimeoutError):
            exchange(new)
            return False
        return True

    until(outside_waits)
    assert ask(web, "/about", source=(friend, 0))["client"] == friend


@pytest.fixture
def server(cluster, namespace, sandbox, until):
    """A Service before a listening socket of the test's own: (service address, listener)."""
    own = f"{sandbox.network}.101.{len(cluster.find('Namespace')) % 200 + 1}"
    listener = socket.create_server((own, 7000))
    listener.settimeout(5)
    spec = {"ports": [{"port": 7000, "name": ""}]}
    made = cluster.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "raw", "namespace": namespace}, "spec": spec}
    )
    meta = {"name": "raw", "namespace": namespace, "labels": {"kubernetes.io/service-name": "raw"}}
    cluster.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [own], "conditions": {"ready": True}}],
            "ports": [{"name": "", "port": 7000, "protocol": "TCP"}],
        }
    )
    address = (made["spec"]["clusterIP"], 7000)
    until(lambda: not refused(address))
    listener.accept()[0].close()  # what `refused` opened
    yield address, listener
    listener.close()


def both_ends(server):
    address, listener = server
    near = socket.create_connection(address, timeout=5)
    far, _ = listener.accept()
    far.settimeout(5)
    return near, far


def test_bytes_and_half_closes_pass(server):
    near, far = both_ends(server)
    with near, far:
        sent = bytes(range(256)) * 4000
        writing = threading.Thread(target=lambda: (near.sendall(sent), near.shutdown(socket.SHUT_WR)))
        writing.start()
        got = b"".join(iter(lambda: far.recv(65536), b""))
        writing.join()
        assert got == sent
        far.sendall(b"after your end")
        far.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: near.recv(65536), b"")) == b"after your end"


@pytest.mark.parametrize("whose", [0, 1])
def test_a_reset_stays_a_reset(server, whose):
    ends = both_ends(server)
    ends[whose].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ends[whose].close()
    with ends[1 - whose] as other, pytest.raises(ConnectionResetError):
        other.recv(1)


def test_an_endpoint_that_is_dead_is_a_reset_and_not_an_orderly_end(server):
    address, listener = server
    listener.close()
    with pytest.raises(ConnectionResetError), socket.create_connection(address, timeout=5) as new:
        new.recv(1)


def test_a_slow_reader_slows_the_writer(server):
    near, far = both_ends(server)
    with near, far:
        near.settimeout(0.3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64_000_000:
                sent += near.send(b"x" * 65536)
        assert sent < 32_000_000, "the relay does not hoard what nobody reads"


def test_headless_and_external_names_are_objects_without_an_address(cluster, namespace, make):
    headless = cluster.create(make.service(namespace, "headless", clusterIP="None"))
    external = cluster.create(
        make.service(namespace, "external", type="ExternalName", externalName="example.com", selector=None)
    )
    assert headless["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in external["spec"]


def test_a_deleted_service_refuses(web, cluster, namespace, until):
    cluster.delete("Service", "web", namespace)
    until(lambda: refused(web))
    with pytest.raises(NotFound):
        cluster.get("Service", "web", namespace)
    until(lambda: not cluster.find("EndpointSlice", namespace))


def test_what_a_caller_says_before_an_endpoint_is_found_is_passed_on():
    """Some Pythons deliver data although reading is paused: it must wait for the endpoint, not be lost."""
    client, endpoint = _Client(port=None), _Side()
    endpoint.transport = Recorded()
    client.data_received(b"GET / ")
    client.data_received(b"HTTP/1.1")
    client.eof_received()
    client.transport = Recorded()
    client.join(endpoint)
    client.data_received(b" more")
    assert endpoint.transport.written == [b"GET / ", b"HTTP/1.1", "eof", b" more"]
    assert client.transport.reading


class Recorded:
    """A transport that remembers what was done with it."""

    def __init__(self):
        self.written = []
        self.reading = False

    def write(self, data):
        self.written.append(data)

    def write_eof(self):
        self.written.append("eof")

    def can_write_eof(self):
        return True

    def is_closing(self):
        return False

    def resume_reading(self):
        self.reading = True
