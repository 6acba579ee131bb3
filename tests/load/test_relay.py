"""Load made by a station and its worker, and told through an API server, is load like any other; without a runner it ends.

Stations run as processes here, each on an address of its own, as pods do; the API server passes requests to pods on.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import chaos
from chaos.clock import RealClock, wait_until
from chaos.load.child.setting import VARIABLE
from chaos.load.child.station import ORDERS, PORT
from chaos.load.spec import LoadSpec, Remote, setting_of

CUSTOMER = """
import itertools
from locust import FastHttpUser, task
number = itertools.count()
class Customer(FastHttpUser):
    @task
    def buy(self):
        self.client.get("/buy", name="buy", context={"transaction": "buy", "id": f"{id(number)}-{next(number)}"})
"""
_OWN = f"127.{100 + os.getpid() // 256 % 100}.{os.getpid() % 256}"  # no other test process has these
MASTER, WORKER = f"{_OWN}.1", f"{_OWN}.2"


class ApiServer(ThreadingHTTPServer):
    """Passes on what is for a pod's port; `away` makes it fail."""

    daemon_threads = True
    away = False


class _PassOn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("/proxy")[2]
        if self.server.away:
            self._answer(503, b"{}")
            return
        pod = http.client.HTTPConnection(MASTER, PORT, timeout=2)
        try:
            pod.request(self.command, path, body=body)
            answer = pod.getresponse()
            self._answer(answer.status, answer.read())
        except OSError:
            self._answer(502, b"{}")
        finally:
            pod.close()

    do_GET = do_POST = _pass  # noqa: N815

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Silent."""


@pytest.fixture
def api():
    with ApiServer(("127.0.0.1", 0), _PassOn) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def station(tmp_path):
    """Starts what a load pod runs."""
    processes = []

    def start(role, file, host, spec):
        home = tmp_path / role
        home.mkdir()
        orders = {"role": role, "token": "t", "master": MASTER, "workers": 1, "locustfile": str(file), "host": host}
        orders |= {"users": 1, "spawn_rate": 100.0}
        env = os.environ | {
            ORDERS: json.dumps(orders),
            VARIABLE: setting_of(spec).dumps(),
            "HOME": str(home),
            "POD_IP": MASTER if role == "master" else WORKER,
            "PYTHONPATH": str(chaos.__path__[0]).rpartition("/")[0],
        }
        process = subprocess.Popen([sys.executable, "-m", "chaos.load.child.station"], env=env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.wait()


@pytest.fixture
def kubeconfig(api, tmp_path):
    config = {
        "kind": "Config",
        "apiVersion": "v1",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_address[1]}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def far(server, locustfile, start, station, kubeconfig):
    """Load from stations: the runner's side of it, and the two pods."""
    file = locustfile(CUSTOMER)
    amounts = {"rate": 40.0, "processes": 1}
    spec = LoadSpec(locustfile=file, host=server.url, limit=60.0, **amounts)
    pods = [station(role, file, server.url, spec) for role in ("master", "worker")]
    assert wait_until(answers, clock=RealClock(), within=10.0)
    remote = Remote(kubeconfig=str(kubeconfig), context="here", namespace="n", pod="master", token="t")
    return start(file, server.url, remote=remote, **amounts), pods


def answers():
    pod = http.client.HTTPConnection(MASTER, PORT, timeout=1)
    try:
        pod.request("GET", "/healthz")
        return pod.getresponse().status == 200
    except OSError:
        return False
    finally:
        pod.close()


def test_all_is_told_and_counted_as_on_this_machine(far, server, records, tmp_path):
    load, pods = far
    records.wait(lambda r: r.total("attempted") > 60)
    load.set_rate(80.0)
    records.wait(lambda r: "rate-changed" in r.said)
    assert load.stop(within=10.0) == 0
    assert records.total("attempted") == records.total("good") == sum(server.seen.values())
    assert {second.worker for second in records.seconds} == {"worker-0"}
    assert records.said[-1] == "ended"
    ids = [json.loads(line)["id"] for line in (tmp_path / "run" / "acknowledged.jsonl").read_text().splitlines()]
    assert len(ids) == len(set(ids)) == records.total("good")
    assert pods[1].wait(timeout=15) == 0, "a worker whose master has ended ends"


def test_an_api_server_that_is_away_for_a_while_loses_nothing(far, server, records, api):
    load, _ = far
    records.wait(lambda r: r.total("attempted") > 20)
    api.away = True
    before = sum(server.seen.values())
    assert wait_until(lambda: sum(server.seen.values()) > before + 60, clock=RealClock(), within=10.0), "load goes on"
    api.away = False
    assert load.stop(within=10.0) == 0
    assert records.total("attempted") == sum(server.seen.values())


def test_without_its_token_nobody_is_obeyed(far, records):
    pod = http.client.HTTPConnection(MASTER, PORT, timeout=2)
    for method, path in (("GET", "/records"), ("POST", "/x/stop"), ("GET", "/x/log"), ("GET", "/t/file/../load.log")):
        pod.request(method, path, body=b"{}" if method == "POST" else None)
        answer = pod.getresponse()
        answer.read()
        assert answer.status == 404, path
    pod.close()


def test_load_ends_when_its_runner_is_killed(far, server, records):
    load, pods = far
    records.wait(lambda r: r.total("attempted") > 20)
    load._process.stdin.close()  # as the kernel does when the runner dies

    def silent():
        return pods[1].poll() is not None or not load.alive

    assert wait_until(silent, clock=RealClock(), within=15.0)
    assert not load.alive
