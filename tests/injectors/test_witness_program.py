"""The witness's program against real sockets on loopback: each kind of trouble, over held and new connections."""

import ast
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaos.injectors import witness_program as program
from chaos.injectors import witness_wire as wire
from chaos.shop import certificates


class Shop(BaseHTTPRequestHandler):
    """Answers as its server's `mode` says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        mode = self.server.mode
        self.server.peers.add(self.client_address)
        if mode == "hang up":
            self.close_connection = True
            return
        if mode == "silent":
            self.server.released.wait(5)
            return
        self.send_response(503 if mode == "busy" else 200)
        self.send_header("Content-Length", "100" if mode == "drip" else "2")
        if mode == "closing":
            self.send_header("Connection", "close")
        self.end_headers()
        if mode == "drip":
            for _ in range(100):
                self.wfile.write(b"o")
                self.wfile.flush()
                if self.server.released.wait(0.05):
                    return
        self.wfile.write(b"no" if mode == "other" else b"ok")

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def shop():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.daemon_threads = True
    server.mode, server.peers, server.released = "fine", set(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def watch():
    watch = program.Watch(every=0.01)
    yield watch
    watch.set_routes([])


def route(port, **more):
    return {"name": "shop", "host": "127.0.0.1", "port": port, "timeout": 0.3, **more}


def wait_for(watch, wanted, connection, *, since=0, within=5.0):
    """The first reading after number `since` that is as wanted."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for each in watch.log.since(since)[1]:
            if each["connection"] == connection and all(each[key] == value for key, value in wanted.items()):
                return each
        threading.Event().wait(0.01)
    raise AssertionError(f"no {connection} reading with {wanted}; last: {watch.log.since(since)[1][-3:]}")


def latest(watch):
    return watch.log.since(0)[0]


def test_held_readings_share_a_connection_and_new_ones_do_not(shop, watch):
    watch.set_routes([route(shop.server_address[1])])
    for kind in ("held", "new"):
        first = wait_for(watch, {"ok": True, "status": 200, "error": ""}, kind)
        wait_for(watch, {"ok": True}, kind, since=first["seq"] + 8)
    held = [each for each in watch.log.since(0)[1] if each["connection"] == "held"]
    assert [each["reconnected"] for each in held] == [True] + [False] * (len(held) - 1)
    new = sum(each["connection"] == "new" for each in watch.log.since(0)[1])
    assert len(shop.peers) >= new


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("busy", {"ok": True, "status": 503}),
        ("hang up", {"ok": False, "status": 0, "error": "closed"}),
        ("silent", {"ok": False, "error": "timeout"}),
        ("drip", {"ok": False, "error": "timeout"}),
    ],
)
@pytest.mark.parametrize("connection", ["held", "new"])
def test_each_trouble_is_a_reading(shop, watch, mode, seen, connection):
    watch.set_routes([route(shop.server_address[1])])
    wait_for(watch, {"ok": True, "status": 200}, connection)
    shop.mode = mode
    reading = wait_for(watch, seen, connection, since=latest(watch))
    assert reading["seconds"] == pytest.approx(0.3, abs=0.15) if seen.get("error") == "timeout" else reading["seconds"] < 0.2


def test_a_broken_held_connection_is_one_failure_and_then_a_new_start(shop, watch):
    watch.set_routes([route(shop.server_address[1])])
    wait_for(watch, {"ok": True}, "held")
    shop.mode = "hang up"
    broken = wait_for(watch, {"ok": False}, "held", since=latest(watch))
    shop.mode = "fine"
    back = wait_for(watch, {"ok": True}, "held", since=broken["seq"])
    assert back["reconnected"]
    assert not wait_for(watch, {"ok": True}, "held", since=back["seq"])["reconnected"]


def test_a_server_that_closes_after_each_answer_cannot_be_held(shop, watch):
    shop.mode = "closing"
    watch.set_routes([route(shop.server_address[1])])
    first = wait_for(watch, {"ok": True}, "held")
    assert wait_for(watch, {"ok": True}, "held", since=first["seq"])["reconnected"]
    assert all(each["ok"] for each in watch.log.since(0)[1])


def test_another_body_has_another_digest(shop, watch):
    watch.set_routes([route(shop.server_address[1])])
    usual = wait_for(watch, {"ok": True}, "new")["digest"]
    shop.mode = "other"
    threading.Event().wait(0.05)
    assert wait_for(watch, {"ok": True}, "new", since=latest(watch) + 2)["digest"] != usual


def test_nobody_listening_is_refused(watch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    watch.set_routes([route(port), route(port, name="raw", scheme="tcp")])
    for kind in ("held", "new"):
        wait_for(watch, {"ok": False, "error": "refused", "route": "shop"}, kind)
        wait_for(watch, {"ok": False, "error": "refused", "route": "raw"}, kind)


def test_a_name_that_does_not_resolve_is_a_reading_in_time(watch):
    watch.set_routes([route(80, host="no-such-name.invalid")])
    reading = wait_for(watch, {"ok": False}, "new")
    assert reading["error"] in ("dns", "timeout")
    assert reading["seconds"] < 0.5


def test_tcp_tells_whether_somebody_accepts_and_stays(watch):
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stay = threading.Event()
        stay.set()

        def accept():
            while True:
                try:
                    peer = listener.accept()[0]
                except OSError:
                    return
                kept.append(peer) if stay.is_set() else peer.close()

        threading.Thread(target=accept, daemon=True).start()
        watch.set_routes([route(listener.getsockname()[1], scheme="tcp")])
        held = wait_for(watch, {"ok": True, "status": 0}, "held")
        wait_for(watch, {"ok": True, "reconnected": False}, "held", since=held["seq"])
        wait_for(watch, {"ok": True}, "new")
        stay.clear()
        wait_for(watch, {"ok": False, "error": "closed"}, "new", since=latest(watch))
        for peer in kept:
            peer.close()
        wait_for(watch, {"ok": False}, "held", since=latest(watch))
        listener.shutdown(socket.SHUT_RDWR)


def test_https_is_read_without_asking_who_answers(shop, watch, tmp_path):
    made = certificates.make(["payments"])
    (tmp_path / "chain").write_text(made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain")
    shop.socket = context.wrap_socket(shop.socket, server_side=True)
    watch.set_routes([route(shop.server_address[1], scheme="https", server_name="payments", timeout=2.0)])
    for kind in ("held", "new"):
        wait_for(watch, {"ok": True, "status": 200}, kind)
    plain = latest(watch)
    watch.set_routes([route(shop.server_address[1], timeout=2.0)])
    assert not wait_for(watch, {"ok": False}, "new", since=plain)["ok"]


@pytest.mark.parametrize(
    ("made_days_ago", "error", "detail"),
    [(0, "", ""), (40, "certificate-expired", "not after 20"), (-2, "certificate-not-yet", "not before 20")],
)
def test_a_certificate_out_of_its_dates_fails_new_connections_and_tells_the_date(
    shop, watch, tmp_path, made_days_ago, error, detail
):
    made = certificates.make(["payments"], now=datetime.now(UTC) - timedelta(days=made_days_ago))
    (tmp_path / "chain").write_text(made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain")
    shop.socket = context.wrap_socket(shop.socket, server_side=True)
    port = shop.server_address[1]
    asked = {"scheme": "https", "server_name": "payments", "timeout": 2.0}
    watch.set_routes([route(port, **asked, certificate="valid"), route(port, **asked, name="careless")])
    reading = wait_for(watch, {"route": "shop", "ok": not error, "error": error}, "new")
    assert reading["detail"].startswith(detail)
    wait_for(watch, {"route": "careless", "ok": True, "status": 200}, "new")


@pytest.mark.parametrize(
    ("mode", "error"), [("nxdomain", "nxdomain"), ("servfail", "servfail"), ("silent", "timeout"), ("empty", "nxdomain")]
)
def test_a_look_up_tells_the_address_and_each_way_to_fail(nameserver, watch, mode, error):
    asked = route(nameserver.port, scheme="dns", host="payments.shop.svc.cluster.local.", server="127.0.0.1")
    watch.set_routes([asked])
    assert wait_for(watch, {"ok": True, "status": 0, "error": ""}, "new")["detail"] == "10.96.0.7"
    nameserver.mode = mode
    wait_for(watch, {"ok": False, "error": error, "digest": ""}, "new", since=latest(watch))
    assert nameserver.asked[0] == b"\x08payments\x04shop\x03svc\x07cluster\x05local\0"
    assert all(each["connection"] == "new" for each in watch.log.since(0)[1])


def test_names_are_tried_as_a_resolver_tries_them(tmp_path):
    (tmp_path / "resolv.conf").write_text(
        "search a.svc b.\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions timeout:1 ndots:2\n"
    )
    config = wire.Config(str(tmp_path / "resolv.conf"))
    assert config.servers == ["10.0.0.1", "10.0.0.2"]
    assert config.candidates("x") == ["x.a.svc.", "x.b.", "x."]
    assert config.candidates("x.y.z") == ["x.y.z.", "x.y.z.a.svc.", "x.y.z.b."]
    assert config.candidates("x.") == ["x."]


@pytest.mark.parametrize("garbage", [b"", b"\0" * 5, b"\0\0\x81\x80\0\0\0\1\0\0\0\0\x05ab"])
def test_garbage_from_a_nameserver_is_no_address(garbage):
    with pytest.raises(ValueError, match="not an answer"):
        wire.addresses(garbage)


def test_routes_that_stay_keep_their_held_connection(shop, watch):
    port = shop.server_address[1]
    watch.set_routes([route(port)])
    wait_for(watch, {"ok": True}, "held")
    watch.set_routes([route(port), route(port, name="second")])
    wait_for(watch, {"route": "second"}, "held")
    starts = [each for each in watch.log.since(0)[1] if each["route"] == "shop" and each["reconnected"]]
    assert len(starts) == 1
    watch.set_routes([])
    watched = [thread for thread in threading.enumerate() if isinstance(thread, program.Watcher)]
    for thread in watched:
        thread.join(2)
    assert not [thread for thread in watched if thread.is_alive()]


def test_the_ring_forgets_the_oldest_and_pages():
    log = program.Log(kept=5)
    for number in range(1, 9):
        log.add({"number": number})
    assert [each["seq"] for each in log.since(0)[1]] == [4, 5, 6, 7, 8]
    assert [each["number"] for each in log.since(6)[1]] == [7, 8]
    assert log.since(8) == (8, [])
    assert log.since(100) == (8, [])


@pytest.mark.parametrize(
    "routes",
    [
        "x",
        [{"name": "a", "host": "h", "port": 80, "certificate": "valid"}],
        [{}],
        [{"name": "a", "host": "h", "port": 0}],
        [{"name": "a", "host": "h", "port": 80, "scheme": "ftp"}],
        [1] * 33,
    ],
)
def test_what_is_no_route_is_refused(watch, routes):
    with pytest.raises((ValueError, KeyError, TypeError)):
        watch.set_routes(routes)


def ask(port, path, *, method="GET", body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_admin_interface(shop, watch):
    server = program.serve(watch, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        port = server.server_address[1]
        assert ask(port, "/healthz") == (200, {"ok": True})
        routes = json.dumps([route(shop.server_address[1])]).encode()
        assert ask(port, "/routes", method="PUT", body=routes)[0] == 200
        wait_for(watch, {"ok": True}, "held", since=2)  # the second reading may be late, and is asked for
        status, page = ask(port, "/readings?since=1")
        assert status == 200
        assert page["readings"][0]["seq"] == 2
        assert page["latest"] >= 2
        assert 0 <= page["now"] - page["readings"][0]["at"] < 5
        assert ask(port, "/routes", method="PUT", body=b'[{"name": 1}]')[0] == 400
        assert ask(port, "/routes", method="PUT", body=b"{")[0] == 400
        assert ask(port, "/readings?since=x")[0] == 400
        assert ask(port, "/elsewhere")[0] == 404
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_ends_by_itself_and_needs_nothing_but_python(tmp_path):
    for module in (program, wire):
        shutil.copy(module.__file__, tmp_path)
    ended = subprocess.run(
        [sys.executable, "-E", "-S", str(tmp_path / "witness_program.py")],
        env={"LIFETIME": "0.2", "POD_IP": "127.99.0.1"},
        timeout=10,
        check=False,
    )
    assert ended.returncode == 0


@pytest.mark.parametrize("module", [program, wire])
def test_its_syntax_is_that_of_python_3_9(module):
    ast.parse(Path(module.__file__).read_text(), feature_version=(3, 9))
