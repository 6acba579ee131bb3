"""The stand-in as a program: it passes on, answers by mode, forgets the mode by itself, and counts."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaos.injectors import standin_program
from chaos.shop import certificates


class Vendor(BaseHTTPRequestHandler):
    """The real one, behind the stand-in."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        said = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        body = json.dumps({"charged": said, "auth": self.headers.get("Authorization"), "path": self.path}).encode()
        self.send_response(201)
        self.send_header("X-Vendor", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


class StandIn:
    """A running stand-in, on a loopback address of its own: its admin port is always the same."""

    def __init__(self, address, upstream, root):
        self.address = address
        with socket.socket() as probe:
            probe.bind((address, 0))
            self.port = probe.getsockname()[1]
        env = {**os.environ, "POD_IP": address, "PORT": str(self.port), "UPSTREAM": upstream, "POD_ROOT": str(root)}
        self._process = subprocess.Popen([sys.executable, "-I", standin_program.__file__], env=env)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                self.admin("GET", "/healthz")
                break

    def connect(self, port=0):
        return contextlib.closing(http.client.HTTPConnection(self.address, port or self.port, timeout=3))

    def call(self, method="POST", path="/charges?x=1", body=b"5 EUR", **headers):
        with self.connect() as connection:
            return talk(connection, method, path, body, **headers)

    def admin(self, method, path, body=None):
        with self.connect(standin_program.ADMIN_PORT) as connection:
            return talk(connection, method, path, None if body is None else json.dumps(body))[:2]

    def set_mode(self, mode, seconds=30, **more):
        assert self.admin("PUT", "/mode", {"mode": mode, "seconds": seconds, **more})[0] == 200

    def end(self):
        self._process.terminate()
        self._process.wait(10)


def talk(connection, method, path, body=None, **headers):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content) if content else None, dict(answer.getheaders())


@contextlib.contextmanager
def vendor_at(address="127.0.0.1", context=None):
    server = ThreadingHTTPServer((address, 0), Vendor)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{address}:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(tmp_path_factory, loopback):
    with vendor_at() as upstream:
        found = StandIn(f"{loopback}.77", upstream, tmp_path_factory.mktemp("pod"))
        yield found
        found.end()


@pytest.fixture
def standin(running):
    """The stand-in without a mode."""
    running.admin("DELETE", "/mode")
    return running


def test_without_a_mode_everything_is_passed_on(standin):
    status, said, headers = standin.call(Authorization="Bearer x")
    assert (status, said) == (201, {"charged": "5 EUR", "auth": "Bearer x", "path": "/charges?x=1"})
    assert headers["X-Vendor"] == "yes"
    assert standin.call("HEAD", body=None)[:2] == (201, None)


def test_a_body_in_chunks_is_passed_on_whole(standin):
    with standin.connect() as connection:
        connection.request("POST", "/", iter([b"5 ", b"EUR"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["charged"] == "5 EUR"


@pytest.mark.parametrize(
    ("mode", "status", "kind"),
    [("http-429", 429, "rate_limited"), ("http-503", 503, "unavailable"), ("auth-revoked", 401, "invalid_api_key")],
)
def test_a_mode_is_felt_on_kept_and_new_connections_until_it_is_cleared(standin, mode, status, kind):
    with standin.connect() as kept:
        assert talk(kept, "POST", "/")[0] == 201
        standin.set_mode(mode)
        for seen in (talk(kept, "POST", "/"), standin.call()):
            assert (seen[0], seen[1]["error"]["type"]) == (status, kind)
        standin.admin("DELETE", "/mode")
        assert [talk(kept, "POST", "/")[0], standin.call()[0]] == [201, 201]


def test_retry_after_is_said_when_it_is_given(standin):
    standin.set_mode("http-429", retry_after=7)
    assert standin.call()[2]["Retry-After"] == "7"
    standin.set_mode("http-429")
    assert "Retry-After" not in standin.call()[2]


def test_a_wrong_schema_is_a_success_without_what_was_there(standin):
    standin.set_mode("wrong-schema")
    status, said, _ = standin.call()
    assert status == 200
    assert "charged" not in said


def test_partial_fails_a_share_of_the_calls(standin):
    standin.set_mode("partial", share=0.5)
    seen = [standin.call()[0] for _ in range(40)]
    assert set(seen) == {201, 500}


def test_a_mode_ends_by_itself(standin):
    standin.set_mode("http-503", seconds=0.3)
    assert standin.call()[0] == 503
    until = time.monotonic() + 3
    while standin.call()[0] == 503 and time.monotonic() < until:
        pass
    assert standin.call()[0] == 201
    assert standin.admin("GET", "/mode") == (200, {})


def test_calls_and_distinct_keys_are_counted_by_second(standin):
    before = standin.admin("GET", "/calls")[1]
    for key in ("a", "b", "a", None):
        standin.call(**({"Idempotency-Key": f"{id(standin)}-{key}"} if key else {}))
    after = standin.admin("GET", "/calls")[1]
    assert (after["calls"] - before["calls"], after["keys"] - before["keys"]) == (4, 2)
    assert sum(calls for _, calls, _ in after["by_second"]) == after["calls"]
    assert sum(keys for _, _, keys in after["by_second"]) == after["keys"]
    assert all(age >= 0 for age, _, _ in after["by_second"])


def test_the_witness_is_answered_and_not_counted(standin):
    before = standin.admin("GET", "/calls")[1]["calls"]
    standin.set_mode("http-503")
    assert standin.call("GET", **{"User-Agent": "gameday-witness"})[0] == 503
    assert standin.admin("GET", "/calls")[1]["calls"] == before


@pytest.mark.parametrize(
    "wanted",
    [
        {"mode": "earthquake", "seconds": 5},
        {"mode": "http-503"},
        {"mode": "http-503", "seconds": 0},
        {"mode": "partial", "seconds": 5, "share": 2},
        [],
    ],
)
def test_what_is_no_mode_is_refused_and_changes_nothing(standin, wanted):
    assert standin.admin("PUT", "/mode", wanted)[0] == 400
    assert standin.call()[0] == 201


def test_nobody_behind_it_is_a_bad_gateway(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        alone = StandIn("127.0.0.78", f"127.0.0.1:{closed.getsockname()[1]}", tmp_path)
        try:
            assert alone.call()[0] == 502
        finally:
            alone.end()


def test_with_the_vendors_certificate_it_speaks_tls_in_the_vendors_name(tmp_path, loopback):
    made = certificates.make(["payments"])
    folder = tmp_path / "tls"
    folder.mkdir()
    for name, content in (("ca.crt", made.authority), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_text(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    trust = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    with vendor_at(context=context) as upstream:
        secure = StandIn(f"{loopback}.79", upstream, tmp_path)
        try:
            with secure.connect() as connection:
                raw = socket.create_connection((secure.address, secure.port), 3)
                connection.sock = trust.wrap_socket(raw, server_hostname="payments")
                assert talk(connection, "POST", "/", b"5")[:2] == (201, {"charged": "5", "auth": None, "path": "/"})
                secure.set_mode("http-503")
                assert talk(connection, "POST", "/")[0] == 503
        finally:
            secure.end()


def test_it_needs_nothing_but_the_standard_library():
    source = Path(standin_program.__file__).read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names) | {"__future__"}
