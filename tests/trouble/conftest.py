"""A front door before an API server: it counts what passes, answers in its stead, and can pass for another cluster."""

import http.client
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from chaos.cli import main

READS = ("GET", "HEAD")
Answer = tuple[int, bytes]


class FrontDoor(ThreadingHTTPServer):
    """Passes requests on. `rule` may answer a request itself, or pass on what the server said in other words."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: str, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Visitor)
        self.behind = urlsplit(server)
        self.tls = tls
        self.seen: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []  # what the server forbade
        self.rule: Callable[[str, str], Answer | None] = lambda method, path: None
        self.reword: Callable[[str, bytes], bytes] = lambda path, body: body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.behind.path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent where whoever asked is gone before the answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def call(self) -> http.client.HTTPConnection:
        """A connection to what is behind."""
        assert self.behind.hostname
        if self.tls is None:
            return http.client.HTTPConnection(self.behind.hostname, self.behind.port, timeout=5)
        return http.client.HTTPSConnection(self.behind.hostname, self.behind.port, timeout=5, context=self.tls)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Requests that could change something: all but reads and questions about our own rights."""
        return [(method, path) for method, path in self.seen if method not in READS and "selfsubjectaccessreviews" not in path]


class _Visitor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FrontDoor

    def _pass(self) -> None:
        door = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        door.seen.append((self.command, self.path))
        answer = door.rule(self.command, self.path)
        if answer is None:
            connection = door.call()
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "content-length")}
            connection.request(self.command, self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            answer = (response.status, door.reword(self.path, response.read()))
            connection.close()
            if response.status == 403:
                door.refused.append((self.command, self.path))
        self.send_response(answer[0])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def before(monkeypatch, tmp_path):
    """Puts a door before a server, for a person who has trusted nothing yet."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("GAMEDAY_TRUST", raising=False)
    with ExitStack() as stack:

        def put(server: str, tls: ssl.SSLContext | None = None) -> FrontDoor:
            door = stack.enter_context(FrontDoor(server, tls=tls))
            thread = threading.Thread(target=door.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(door.shutdown)
            return door

        yield put


@pytest.fixture
def door(sandbox, before):
    """Stands before the sandbox, open."""
    return before(sandbox.server)


@pytest.fixture
def through_the_door(door, kubeconfig, tmp_path) -> Path:
    """A kubeconfig whose context `staging` leads through the door."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = door.url
    config["contexts"][0]["name"] = config["current-context"] = "staging"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def unknown_cluster(door, through_the_door) -> Path:
    """The same, but what is behind it does not say that it is a sandbox."""
    door.reword = lambda path, body: body.replace(b"gameday-sandbox", b"vendor") if path.endswith("/version") else body
    return through_the_door


@pytest.fixture
def web(cluster, namespace):
    """A Deployment `web` of two pods, both ready; gives its namespace."""
    from chaos.clock import RealClock, wait_until

    cluster.create(
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "gameday-echo"}]},
                },
            },
        }
    )

    def ready() -> bool:
        return cluster.get("Deployment", "web", namespace).get("status", {}).get("readyReplicas", 0) == 2

    assert wait_until(ready, clock=RealClock(), within=20.0)
    return namespace


@pytest.fixture
def experiment(web, tmp_path) -> Path:
    """A file: one of the two pods of `web` is scaled away for a moment."""
    value = {
        "format": "experiment/v1",
        "id": "one-less",
        "title": "One pod less",
        "hypothesis": "The other one does.",
        "namespace": web,
        "baseline": "1s",
        "recovery": "1200ms",
        "probes": [{"id": "web-ready", "kind": "pods-ready", "selector": {"app": "web"}, "at_least": 1}],
        "caps": {"workload_share": {"value": "70%", "because": "somebody may scale it meanwhile"}},
        "fault": {"kind": "scale-to-zero", "deployment": "web", "to": 1, "duration": "200ms"},
    }
    path = tmp_path / "one-less.yaml"
    path.write_text(yaml.safe_dump(value))
    return path


@pytest.fixture
def gameday(capsys, tmp_path, monkeypatch):
    """The command, in this process and an empty folder: (exit code, what it said)."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main.run([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call
