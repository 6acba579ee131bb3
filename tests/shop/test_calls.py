import socket
import socketserver
import threading
import time
from contextlib import closing

import pytest

from chaos.shop.calls import Client, Peer
from chaos.shop.defences import Unavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Wire(socketserver.ThreadingTCPServer):
    """A server that does with each connection what the test says; it counts the connections."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behave):
        self.behave = behave
        self.connections = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), None)

    def finish_request(self, request, client_address):
        self.connections.append(client_address)
        self.behave(self, request)


@pytest.fixture
def wire():
    started, peers = [], []

    def start(behave, **client):
        server = Wire(behave)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        peer = Peer(f"http://127.0.0.1:{server.server_address[1]}", Client(**client))
        started.append(server)
        peers.append(peer)
        return server, peer

    yield start
    for peer in peers:
        peer.close()
    for server in started:
        server.over.set()
        server.shutdown()
        server.server_close()


def answer_all(server, request):
    while request.recv(4096):
        request.sendall(OK)


def answer_once(server, request):
    request.recv(4096)
    request.sendall(OK)


def hang(server, request):
    request.recv(4096)
    server.over.wait(5)


def trickle(server, request):
    request.recv(4096)
    request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    while not server.over.wait(0.02):
        request.sendall(b" ")


def break_off(server, request):
    request.recv(4096)
    request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


def reason(peer, timeout=0.15):
    begin = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        peer.request("GET", "/", timeout=timeout)
    assert time.monotonic() - begin < timeout + 0.5
    return caught.value.reason


def test_a_silent_server_is_given_up_in_time(wire):
    assert reason(wire(hang)[1]) == "timeout"


def test_a_trickle_of_bytes_does_not_outlast_the_deadline(wire):
    assert reason(wire(trickle)[1]) == "timeout"


def test_an_answer_that_breaks_off_is_no_answer(wire):
    assert reason(wire(break_off)[1]) == "IncompleteRead"


def test_nobody_there_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert reason(Peer(f"http://127.0.0.1:{taken.getsockname()[1]}")) == "refused"


def test_a_server_that_hangs_up_at_once_is_a_reset(wire):
    assert reason(wire(lambda server, request: request.recv(4096))[1]) == "reset"


def test_connections_are_kept_and_used_again(wire):
    server, peer = wire(answer_all)
    for _ in range(5):
        assert peer.request("GET", "/", timeout=1.0).json() == {}
    assert len(server.connections) == 1


def test_connections_grow_old_so_that_traffic_moves(wire):
    server, peer = wire(answer_all, max_age=0.0)
    for _ in range(3):
        peer.request("GET", "/", timeout=1.0)
    assert len(server.connections) == 3


def test_an_idle_connection_that_was_closed_is_replaced_without_an_error(wire):
    server, peer = wire(answer_once)
    for _ in range(3):
        assert peer.request("GET", "/", timeout=1.0).status == 200
    assert len(server.connections) == 3


def test_calls_come_from_the_address_of_the_pod(wire):
    server, peer = wire(answer_all, source="127.0.0.77")
    peer.request("GET", "/", timeout=1.0)
    assert server.connections[0][0] == "127.0.0.77"


@pytest.fixture
def full():
    """A door that neither takes a connection nor refuses it, like a pod whose node is gone, until somebody is let in."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        with socket.create_connection(door.getsockname()):
            yield door


def test_where_nobody_takes_a_connection_another_is_tried_at_once(full):
    def let_in():
        full.accept()[0].close()
        connection, _ = full.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(OK)

    opening = threading.Timer(0.12, let_in)
    opening.start()
    begin = time.monotonic()
    with closing(Peer(f"http://127.0.0.1:{full.getsockname()[1]}", Client(connect_within=0.05))) as peer:
        assert peer.request("GET", "/", timeout=5.0).status == 200
    assert 0.12 <= time.monotonic() - begin < 0.9, "the kernel would have asked again after a second"
    opening.join()


def test_tries_to_connect_do_not_outlast_the_deadline(full):
    assert reason(Peer(f"http://127.0.0.1:{full.getsockname()[1]}", Client(connect_within=0.05))) == "timeout"
