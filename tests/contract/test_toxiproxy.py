"""The same assertions on the embedded Toxiproxy and on the real one: what holds here holds in the sandbox and on a cluster."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chaos.clients.proxies import Admin
from chaos.errors import ProxyError


def real_binary() -> str | None:
    beside_the_test_cluster = Path.home() / ".cache" / "gameday-cluster" / "bin" / "toxiproxy-server"
    return (
        os.environ.get("GAMEDAY_TOXIPROXY")
        or shutil.which("toxiproxy-server")
        or (str(beside_the_test_cluster) if beside_the_test_cluster.is_file() else None)
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running Toxiproxy and its admin API, raw."""

    def __init__(self, command, *flags):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            self.port = free_port()
            self.process = subprocess.Popen(
                [*command, "-host", "127.0.0.1", "-port", str(self.port), "-proxy-metrics", *flags],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while time.monotonic() < until and self.process.poll() is None:  # it ends if somebody took its port meanwhile
                with contextlib.suppress(OSError):
                    if self.ask("GET", "/version")[0] == 200:
                        return
        raise AssertionError("Toxiproxy did not start")

    def ask(self, method, path, body=None, *, raw=None, agent="tests"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            payload = raw if raw is not None else None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"User-Agent": agent})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def says(self, method, path, body=None, **options):
        status, content = self.ask(method, path, body, **options)
        return status, json.loads(content) if content else None

    @property
    def admin(self):
        return Admin(self.ask)

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module", params=["embedded", "real"])
def server(request):
    command = [sys.executable, "-m", "chaos.sandbox.toxiproxy"]
    if request.param == "real":
        binary = real_binary()
        if binary is None:
            pytest.skip("no toxiproxy-server: not in GAMEDAY_TOXIPROXY, not on PATH, not beside the test cluster")
        command = [binary]
    found = Server(command)
    yield found
    found.end()


class Echo:
    """An upstream that sends back what it gets; it notes which connections were closed on it."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with contextlib.suppress(OSError), client:
            while data := client.recv(65536):
                client.sendall(data)
        self.ended.set()


@pytest.fixture
def echo():
    upstream = Echo()
    yield upstream
    upstream.socket.close()


@pytest.fixture
def proxy(server, echo):
    """A proxy named `p` before the echo server; gone afterwards."""
    server.admin.create("p", listen="127.0.0.1:0", upstream=echo.address)
    yield server.admin.proxies()["p"]
    server.ask("DELETE", "/proxies/p")


def dial(proxy, timeout=3.0):
    host, port = proxy["listen"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout)


def trip(connection, data=b"hello"):
    """Seconds until all of `data` has come back."""
    started = time.monotonic()
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(got)
        got += piece
    assert got == data
    return time.monotonic() - started


def add(server, kind, stream="downstream", toxicity=1.0, **attributes):
    body = {"name": "t", "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
    assert server.ask("POST", "/proxies/p/toxics", body)[0] == 200


# -- the API -----------------------------------------------------------------------------------------------------------


def test_version(server):
    assert server.says("GET", "/version")[1]["version"].startswith("2.12")


def test_a_proxy_can_be_made_read_changed_and_deleted(server, echo):
    status, made = server.says("POST", "/proxies", {"name": "q", "listen": "127.0.0.1:0", "upstream": echo.address})
    assert status == 201
    assert made["enabled"] is True
    assert made["toxics"] == []
    assert made["listen"] != "127.0.0.1:0"  # the port that it got
    assert server.says("GET", "/proxies/q") == (200, made)
    assert server.says("GET", "/proxies") == (200, {"q": made})
    assert server.says("PATCH", "/proxies/q", {"upstream": "127.0.0.1:1"})[1]["upstream"] == "127.0.0.1:1"
    assert server.says("POST", "/proxies/q", {"enabled": False})[1]["enabled"] is False
    assert server.ask("DELETE", "/proxies/q") == (204, b"")
    assert server.says("GET", "/proxies") == (200, {})


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (("GET", "/proxies/none", None), 404, "proxy not found"),
        (("DELETE", "/proxies/none", None), 404, "proxy not found"),
        (("PATCH", "/proxies/none", {}), 404, "proxy not found"),
        (("GET", "/proxies/none/toxics", None), 404, "proxy not found"),
        (("POST", "/proxies", {"upstream": "127.0.0.1:1"}), 400, "missing required field: name"),
        (("POST", "/proxies", {"name": "x"}), 400, "missing required field: upstream"),
        (("POST", "/proxies", {"name": "p", "upstream": "127.0.0.1:1"}), 409, "proxy already exists"),
        (("GET", "/proxies/p/toxics/none", None), 404, "toxic not found"),
        (("DELETE", "/proxies/p/toxics/none", None), 404, "toxic not found"),
        (("PATCH", "/proxies/p/toxics/none", {}), 404, "toxic not found"),
        (("POST", "/proxies/p/toxics", {"type": "gremlin"}), 400, "invalid toxic type"),
        (
            ("POST", "/proxies/p/toxics", {"type": "latency", "stream": "sideways"}),
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
    ],
)
def test_errors_are_those_of_toxiproxy(server, proxy, request_, status, error):
    assert server.says(*request_) == (status, {"error": error, "status": status})


@pytest.mark.parametrize(
    "raw", ["", "{", "[]", '{"name": 5, "upstream": "x:1"}', '{"name": "x", "upstream": "x:1", "enabled": "no"}']
)
def test_a_body_that_cannot_be_read_is_refused(server, raw):
    status, said = server.says("POST", "/proxies", raw=raw)
    assert status == 400
    assert said["error"].startswith("bad request body: ")


@pytest.mark.parametrize("attributes", [{"latency": "1s"}, {"latency": 1.5}, {"latency": True}])
def test_an_attribute_of_the_wrong_type_is_refused(server, proxy, attributes):
    status, said = server.says("POST", "/proxies/p/toxics", {"type": "latency", "attributes": attributes})
    assert (status, said["error"].split(":")[0]) == (400, "bad request body")
    assert server.says("GET", "/proxies/p/toxics") == (200, [])


def test_what_the_server_does_not_know_it_does_not_refuse(server, proxy):
    """Which is why our own models forbid unknown attributes and bound toxicity."""
    body = {"type": "latency", "attributes": {"latenci": 5}, "toxicity": 2.0}
    status, said = server.says("POST", "/proxies/p/toxics", body)
    assert (status, said["attributes"], said["toxicity"]) == (200, {"latency": 0, "jitter": 0}, 2.0)


def test_a_toxic_is_named_after_its_type_and_stream(server, proxy):
    said = server.says("POST", "/proxies/p/toxics", {"type": "noop"})[1]
    assert (said["name"], said["stream"], said["toxicity"]) == ("noop_downstream", "downstream", 1.0)


def test_a_toxic_exists_once(server, proxy):
    add(server, "noop")
    status, said = server.says("POST", "/proxies/p/toxics", {"name": "t", "type": "noop"})
    assert (status, said["error"]) == (409, "toxic already exists")


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_changing_a_toxic_keeps_what_is_left_out(server, proxy, method):
    add(server, "latency", latency=5, jitter=3, toxicity=0.5)
    status, said = server.says(method, "/proxies/p/toxics/t", {"attributes": {"latency": 7}})
    assert (status, said["attributes"], said["toxicity"]) == (200, {"latency": 7, "jitter": 3}, 0.5)


def test_all_toxics_are_listed_upstream_first(server, proxy):
    for name, stream in (("b", "downstream"), ("a", "upstream")):
        server.ask("POST", "/proxies/p/toxics", {"name": name, "type": "noop", "stream": stream})
    assert [toxic["name"] for toxic in server.says("GET", "/proxies/p")[1]["toxics"]] == ["a", "b"]


def test_populate_makes_what_is_missing_and_keeps_what_is_so(server, proxy):
    wanted = [{"name": "p", "listen": proxy["listen"], "upstream": proxy["upstream"]}]
    add(server, "noop")
    status, said = server.says(
        "POST", "/populate", [*wanted, {"name": "r", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]
    )
    server.ask("DELETE", "/proxies/r")
    assert status == 201
    assert [(each["name"], len(each["toxics"])) for each in said["proxies"]] == [("p", 1), ("r", 0)]
    assert server.says("POST", "/populate", [{"name": "x"}])[0] == 400


def test_reset_enables_every_proxy_and_removes_every_toxic(server, proxy):
    add(server, "noop")
    server.ask("POST", "/proxies/p", {"enabled": False})
    assert server.ask("POST", "/reset") == (204, b"")
    after = server.says("GET", "/proxies/p")[1]
    assert (after["enabled"], after["toxics"]) == (True, [])


def test_a_port_that_is_taken_is_a_server_error(server, proxy):
    status, said = server.says("POST", "/proxies", {"name": "x", "listen": proxy["listen"], "upstream": "127.0.0.1:1"})
    assert status == 500
    assert "address already in use" in said["error"]
    assert server.ask("GET", "/proxies/x")[0] == 404


def test_browsers_unknown_paths_and_methods_are_turned_away(server):
    assert server.ask("GET", "/version", agent="Mozilla/5.0")[0] == 403
    assert server.ask("GET", "/nothing")[0] == 404
    assert server.ask("PUT", "/proxies")[0] == 405


# -- what passes -------------------------------------------------------------------------------------------------------


def test_bytes_pass_unchanged_both_ways(proxy):
    with dial(proxy) as connection:
        trip(connection, os.urandom(300_000))


def test_the_end_of_a_connection_passes_to_the_other_side(proxy, echo):
    with dial(proxy) as connection:
        trip(connection)
    assert echo.ended.wait(3)


def test_an_upstream_that_refuses_looks_like_a_connection_that_closes(server, proxy):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server.admin.set_upstream("p", f"127.0.0.1:{closed.getsockname()[1]}")
        with dial(proxy) as connection, pytest.raises((EOFError, ConnectionError)):
            trip(connection)


def test_disabling_cuts_what_stands_and_refuses_what_comes(server, proxy):
    with dial(proxy) as held:
        trip(held)
        server.admin.set_enabled("p", False)
        with pytest.raises((EOFError, ConnectionError)):
            trip(held)
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    server.admin.set_enabled("p", True)
    with dial(proxy) as connection:
        trip(connection)


def test_another_upstream_cuts_what_stands_and_keeps_the_port(server, proxy):
    other = Echo()
    with dial(proxy) as held:
        trip(held)
        server.admin.set_upstream("p", other.address)
        with pytest.raises((EOFError, ConnectionError)):
            trip(held)
    assert server.admin.proxies()["p"]["listen"] == proxy["listen"]
    with dial(proxy) as connection:
        trip(connection)
    assert other.ended.wait(3)


def test_bytes_are_counted_by_direction(server, proxy):
    before = server.admin.traffic().get("p", {"received": 0, "sent": 0})
    add(server, "limit_data", bytes=600)
    with dial(proxy) as connection, pytest.raises(EOFError):
        trip(connection, b"x" * 1000)

    def counted():
        now = server.admin.traffic().get("p", {"received": 0, "sent": 0})
        return now["received"] - before["received"], now["sent"] - before["sent"]

    until = time.monotonic() + 3  # a real Toxiproxy counts when the connection has ended
    while counted() != (1000, 600) and time.monotonic() < until:
        pass
    assert counted() == (1000, 600)


# -- toxics ------------------------------------------------------------------------------------------------------------


def test_latency_is_felt_by_held_and_new_connections_until_it_is_removed(server, proxy):
    with dial(proxy) as held:
        assert trip(held) < 0.1
        add(server, "latency", latency=150)
        with dial(proxy) as new:
            assert trip(held) >= 0.149
            assert trip(new) >= 0.149
            assert trip(new) < 0.4  # once a round trip
            server.ask("DELETE", "/proxies/p/toxics/t")
            assert trip(new) < 0.1
        assert trip(held) < 0.1


def test_latency_delays_and_does_not_throttle(server, proxy):
    add(server, "latency", latency=100)
    with dial(proxy) as connection:
        assert trip(connection, os.urandom(400_000)) < 1.0


def test_jitter_stays_within_its_bounds(server, proxy):
    add(server, "latency", latency=60, jitter=40)
    with dial(proxy) as connection:
        times = [trip(connection) for _ in range(12)]
    assert min(times) >= 0.019
    assert max(times) - min(times) > 0.01


def test_a_latency_that_is_removed_lets_go_of_what_it_holds(server, proxy):
    with dial(proxy) as connection:
        add(server, "latency", latency=20_000)
        connection.sendall(b"held back")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        server.ask("DELETE", "/proxies/p/toxics/t")
        connection.settimeout(3)
        assert connection.recv(100) == b"held back"


def test_a_toxic_that_is_changed_counts_at_once(server, proxy):
    with dial(proxy) as held:
        add(server, "latency", latency=20_000)
        server.ask("PATCH", "/proxies/p/toxics/t", {"attributes": {"latency": 50}})
        assert 0.049 <= trip(held) < 1.0


def test_toxics_add_up(server, proxy):
    for name in ("one", "two"):
        server.admin.add_toxic("p", name, kind="latency", stream="downstream", attributes={"latency": 60})
    with dial(proxy) as connection:
        assert trip(connection) >= 0.118


def test_toxicity_is_drawn_once_a_connection(server, proxy):
    add(server, "latency", latency=40, toxicity=0.5)
    slow = []
    for _ in range(24):
        with dial(proxy) as connection:
            felt = {trip(connection) >= 0.039 for _ in range(2)}
            assert len(felt) == 1
            slow.append(felt.pop())
    assert 0 < sum(slow) < 24


def test_bandwidth_limits_bytes_a_second(server, proxy):
    add(server, "bandwidth", rate=100)
    with dial(proxy) as connection:
        assert 0.4 <= trip(connection, b"x" * 50_000) < 1.5


def test_slow_close_is_told_late(server, proxy):
    add(server, "slow_close", stream="upstream", delay=300)
    connection = dial(proxy)
    trip(connection)
    started = time.monotonic()
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    assert 0.29 <= time.monotonic() - started < 1.5
    connection.close()


def test_timeout_zero_is_a_black_hole_and_its_connections_stay_dead(server, proxy):
    with dial(proxy) as held:
        trip(held)
        add(server, "timeout", timeout=0)
        held.settimeout(0.3)
        with pytest.raises(TimeoutError):
            trip(held)
        server.ask("DELETE", "/proxies/p/toxics/t")
        held.settimeout(3)
        with pytest.raises((EOFError, ConnectionError)):
            trip(held)
    with dial(proxy) as connection:
        trip(connection)


def test_timeout_closes_after_its_time(server, proxy):
    add(server, "timeout", timeout=200)
    with dial(proxy) as connection:
        started = time.monotonic()
        with pytest.raises((EOFError, ConnectionError)):
            trip(connection)
        assert 0.19 <= time.monotonic() - started < 1.5


def test_reset_peer_resets_new_connections(server, proxy):
    add(server, "reset_peer", timeout=100)
    with dial(proxy) as connection:
        started = time.monotonic()
        with pytest.raises(ConnectionResetError):
            trip(connection)
        assert time.monotonic() - started >= 0.099


def test_reset_peer_ends_held_connections_too(server, proxy):
    with dial(proxy) as held:
        trip(held)
        add(server, "reset_peer", timeout=0)
        with pytest.raises((EOFError, ConnectionError)):
            trip(held)


def test_slicer_cuts_into_pieces_and_loses_nothing(server, proxy):
    add(server, "slicer", average_size=100, size_variation=20, delay=10_000)
    with dial(proxy) as connection:
        data = os.urandom(1000)
        assert trip(connection, data) >= 0.05


def test_limit_data_closes_after_so_many_bytes(server, proxy):
    add(server, "limit_data", bytes=3)
    with dial(proxy) as connection, pytest.raises(EOFError) as ended:
        trip(connection)
    assert ended.value.args[0] == b"hel"


def test_noop_does_nothing(server, proxy):
    add(server, "noop")
    with dial(proxy) as connection:
        assert trip(connection) < 0.1


# -- the adapter around toxiproxy-python -------------------------------------------------------------------------------


def test_the_adapter_reads_back_what_it_adds(server, proxy):
    server.admin.add_toxic("p", "t", kind="latency", stream="upstream", attributes={"latency": 5, "jitter": 2}, toxicity=0.5)
    toxic = server.admin.proxies()["p"]["toxics"][0]
    assert toxic == {
        "name": "t",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 0.5,
        "attributes": {"latency": 5, "jitter": 2},
    }


def test_the_adapter_sees_an_attribute_that_the_server_overlooks(server, proxy):
    with pytest.raises(ProxyError, match="does not read back"):
        server.admin.add_toxic("p", "t", kind="latency", stream="downstream", attributes={"latenci": 5})


def test_the_adapter_can_be_asked_twice(server, proxy, echo):
    for _ in range(2):
        server.admin.create("p", listen=proxy["listen"], upstream=echo.address)
        server.admin.add_toxic("p", "t", kind="latency", stream="downstream", attributes={"latency": 5})
        server.admin.set_enabled("p", False)
    for _ in range(2):
        server.admin.set_enabled("p", True)
        server.admin.remove_toxic("p", "t")
    assert server.admin.proxies()["p"]["toxics"] == []
    for _ in range(2):
        server.admin.delete("p")
    server.admin.remove_toxic("p", "t")
    assert server.admin.proxies() == {}


def test_the_adapter_replaces_a_toxic_of_the_same_name(server, proxy):
    for latency in (5, 9):
        server.admin.add_toxic("p", "t", kind="latency", stream="downstream", attributes={"latency": latency})
    assert [each["attributes"]["latency"] for each in server.admin.proxies()["p"]["toxics"]] == [9]


def test_another_proxy_of_that_name_is_an_error(server, proxy):
    with pytest.raises(ProxyError, match="already exists"):
        server.admin.create("p", listen=proxy["listen"], upstream="127.0.0.1:1")


def test_errors_of_every_status_reach_the_caller(server, proxy):
    with pytest.raises(ProxyError, match="address already in use"):
        server.admin.create("x", listen=proxy["listen"], upstream="127.0.0.1:1")
    with pytest.raises(ProxyError, match="there is no proxy none"):
        server.admin.set_enabled("none", False)
    with pytest.raises(ProxyError, match="invalid toxic type"):
        server.admin.add_toxic("p", "t", kind="gremlin", stream="downstream", attributes={})


def test_a_configuration_file_gives_the_proxies_to_begin_with(server, tmp_path, echo):
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([{"name": "c", "listen": "127.0.0.1:0", "upstream": echo.address}]))
    command = [server.process.args[0]] if "-m" not in server.process.args else server.process.args[:3]
    other = Server(command, "-config", str(config))
    try:
        with dial(other.admin.proxies()["c"]) as connection:
            trip(connection)
    finally:
        other.end()
