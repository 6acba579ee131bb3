"""The resolver passes every question on, fails one name on demand, and stops failing it by itself."""

import ast
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from chaos.injectors import resolver_program as program
from chaos.injectors import witness_wire as wire

PAYMENTS = "payments.shop.svc.cluster.local."
SEARCH = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]


@pytest.fixture
def resolver(nameserver, tmp_path, monkeypatch):
    """In front of the nameserver on loopback, which answers every name with 10.96.0.7."""
    (tmp_path / "resolv.conf").write_text(f"nameserver 127.0.0.1\nsearch {' '.join(SEARCH)}\noptions ndots:5\n")
    return program.Resolver("shop", wire.Config(str(tmp_path / "resolv.conf")), nameserver.port)


@pytest.fixture
def served(resolver):
    """Its port on loopback, for UDP and TCP."""
    datagrams, listener = twins()
    for serve, sock in ((program.serve_udp, datagrams), (program.serve_tcp, listener)):
        threading.Thread(target=serve, args=(resolver, sock), daemon=True).start()
    return listener.getsockname()[1]


def twins():
    """A UDP and a TCP socket of one port: what is free for one may be taken for the other, so until a number suits both."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        try:
            return datagrams, socket.create_server(datagrams.getsockname())
        except OSError:
            datagrams.close()


def look_up(port, name=PAYMENTS, within=2.0):
    return wire.look_up(name, "127.0.0.1", port, time.monotonic() + within)


def fail(resolver, answer="nxdomain", name="payments", seconds=60):
    resolver.set_mode({"name": name, "answer": answer, "seconds": seconds})


def test_every_question_is_passed_on_and_counted(resolver, served):
    assert look_up(served) == ["10.96.0.7"]
    assert resolver.asked() == {"clients": {"127.0.0.1": 1}, "failed": {"127.0.0.1": 0}}


@pytest.mark.parametrize("answer", ["nxdomain", "servfail"])
def test_one_name_fails_and_others_go_on(resolver, served, answer):
    fail(resolver, answer)
    with pytest.raises(wire.LookUpFailed, match=answer):
        look_up(served)
    assert look_up(served, "inventory.shop.svc.cluster.local.") == ["10.96.0.7"]
    assert resolver.asked()["failed"]["127.0.0.1"] == 1
    resolver.clear()
    assert look_up(served) == ["10.96.0.7"]


def test_silence_is_silence(resolver, served):
    fail(resolver, "silence")
    with pytest.raises(TimeoutError):
        look_up(served, within=0.6)


def test_a_failure_ends_by_itself(resolver, served):
    fail(resolver, seconds=0.05)
    deadline = time.monotonic() + 2
    found = None
    while found is None and time.monotonic() < deadline:
        try:
            found = look_up(served)
        except wire.LookUpFailed:
            continue
    assert found == ["10.96.0.7"]


@pytest.mark.parametrize(
    ("name", "asked", "fails"),
    [
        ("payments", "payments.shop.svc.cluster.local", True),
        ("payments", "PAYMENTS.shop.svc.cluster.local", True),
        ("payments", "payments.shop.svc.svc.cluster.local", True),
        ("payments", "payments", True),
        ("payments", "payments.other.svc.cluster.local", False),
        ("payments", "my-payments.shop.svc.cluster.local", False),
        ("api.vendor.example", "api.vendor.example", True),
        ("api.vendor.example", "api.vendor.example.shop.svc.cluster.local", True),
        ("api.vendor.example.", "api.vendor.example", True),
        ("api.vendor.example", "vendor.example", False),
    ],
)
def test_every_way_to_ask_for_the_name_fails_and_no_other(resolver, name, asked, fails):
    fail(resolver, name=name)
    answer = resolver.answer(wire.question(asked, 7), "10.1.0.5", tcp=False)
    assert (answer[3] & 0x0F == 3) is fails


def test_over_tcp_too(resolver, served):
    fail(resolver)
    query = wire.question(PAYMENTS, 9)
    with socket.create_connection(("127.0.0.1", served), 2) as sock:
        sock.sendall(struct.pack("!H", len(query)) + query)
        with pytest.raises(wire.LookUpFailed, match="nxdomain"):
            wire.addresses(program.read_framed(sock))


def test_what_edns_adds_to_a_query_is_left_out_of_a_refusal():
    query = wire.question("payments", 9)[:10] + b"\0\1" + wire.question("payments", 9)[12:] + b"\0\0\x29\x10\0\0\0\0\0\0\0"
    answer = program.refusal(query, 3)
    assert answer[:2] == query[:2]
    assert struct.unpack("!HHHH", answer[4:12]) == (1, 0, 0, 0)
    assert answer[12:] == query[12 : 12 + len("payments") + 2 + 4]


@pytest.mark.parametrize("garbage", [b"", b"\0" * 12, b"\0" * 12 + b"\xc0\x0c", b"\0" * 12 + b"\x3f"])
def test_garbage_is_not_answered(resolver, garbage):
    assert resolver.answer(garbage, "10.1.0.5", tcp=False) is None or garbage == b"\0" * 12


@pytest.mark.parametrize(
    "mode",
    [
        {"name": "x", "answer": "refuse", "seconds": 5},
        {"name": "x", "answer": "nxdomain", "seconds": 0},
        {"name": "x", "answer": "nxdomain", "seconds": 1e6},
        {"name": "x", "answer": "nxdomain"},
    ],
)
def test_what_is_no_mode_is_refused(resolver, mode):
    with pytest.raises((ValueError, KeyError)):
        resolver.set_mode(mode)


def test_the_admin_interface(resolver, monkeypatch):
    monkeypatch.setenv("POD_IP", "127.0.0.1")
    server = program.ThreadingHTTPServer(("127.0.0.1", 0), type("BoundAdmin", (program.Admin,), {"resolver": resolver}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def ask(method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{server.server_address[1]}{path}", method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    try:
        assert ask("GET", "/config") == (200, {"address": "127.0.0.1", "search": SEARCH, "ndots": 5})
        assert ask("PUT", "/mode", b'{"name": "payments", "answer": "servfail", "seconds": 5}')[0] == 200
        assert resolver.answer(wire.question("payments", 7), "10.1.0.5", tcp=False)[3] & 0x0F == 2
        assert ask("DELETE", "/mode")[0] == 200
        assert ask("PUT", "/mode", b"{")[0] == 400
        assert ask("GET", "/asked")[1]["failed"] == {"10.1.0.5": 1}
        assert ask("PUT", "/elsewhere", b"{}")[0] == 404
        assert not resolver.ended.is_set()
        assert ask("PUT", "/end")[0] == 200
        assert resolver.ended.is_set()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_its_syntax_is_that_of_python_3_9():
    ast.parse(Path(program.__file__).read_text(), feature_version=(3, 9))
