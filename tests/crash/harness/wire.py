"""A wire between a runner and the API server (or Docker): sees every request, and may hold, drop, answer or spoil it.

It stands outside of the runner, which knows it as its server only. What happens to a request is a `Rule`'s to say.
"""

import contextlib
import http.client
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MUTATING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Request:
    """One request as it came, and what became of it."""

    number: int
    at: float  # monotonic
    method: str
    path: str  # below the server's secret path, with its query
    body: bytes
    forwarded: bool = False
    status: int = 0

    @property
    def mutates(self) -> bool:
        """Whether it could change the cluster; asking what one may do changes nothing."""
        return self.method in MUTATING and "selfsubjectaccessreviews" not in self.path

    @property
    def is_review(self) -> bool:
        return "selfsubjectaccessreviews" in self.path


class Hangup(Exception):
    """The connection ends here, without an answer."""


@dataclass
class Exchange:
    """What a rule may do with one request: forward it (or not), answer it (or not). Doing neither forwards and answers."""

    request: Request
    _forward: Callable[[], tuple[int, dict[str, str], bytes]]
    _send: Callable[[int, dict[str, str], bytes], None]
    answered: bool = False

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        answer = self._forward()
        self.request.forwarded, self.request.status = True, answer[0]
        return answer

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._send(status, headers, body)
        self.answered = True

    def say(self, status: int, reason: str, *, headers: dict[str, str] | None = None) -> None:
        """Answer as an API server does, without asking it."""
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status, "message": reason}
        self.request.status = status
        self.answer(status, {"Content-Type": "application/json"} | (headers or {}), json.dumps(body).encode())


Rule = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """The rule that changes nothing."""
    exchange.answer(*exchange.forward())


@dataclass
class Wire:
    """Listens on a port of its own; `rule` may be changed at any time."""

    server: str  # the API server's URL, with its secret path
    rule: Rule = pass_on
    seen: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        wire = self

        class Handler(_Handler):
            owner = wire

        self._listener = _Listener(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def kubeconfig(self, path: Path, *, token: str = "") -> Path:
        """A kubeconfig that leads through this wire."""
        user = {"token": token} if token else {}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "wire",
            "clusters": [{"name": "wire", "cluster": {"server": self.url}}],
            "users": [{"name": "wire", "user": user}],
            "contexts": [{"name": "wire", "context": {"cluster": "wire", "user": "wire"}}],
        }
        path.write_text(json.dumps(config))
        return path

    def note(self, method: str, path: str, body: bytes) -> Request:
        with self._lock:
            request = Request(len(self.seen), time.monotonic(), method, path, body)
            self.seen.append(request)
        return request

    def mutations(self, since: float = 0.0) -> list[Request]:
        """What could have changed the cluster and did reach it since then."""
        with self._lock:
            return [each for each in self.seen if each.mutates and each.forwarded and each.at >= since]

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket that is a file, as Docker's is."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection_to(server: str, timeout: float) -> http.client.HTTPConnection:
    """To http://HOST:PORT/... or unix:///PATH; what follows the port is not part of it."""
    where = urlsplit(server)
    if where.scheme == "unix":
        return _UnixConnection(where.path, timeout)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout)


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed leaves its connection: that is what we are here for."""


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: Wire
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        where = urlsplit(self.owner.server)
        self._root = "" if where.scheme == "unix" else where.path
        self._host = where.netloc or "localhost"
        self._upstream = connection_to(self.owner.server, 40)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        exchange = Exchange(
            self.owner.note(self.command, self.path, body), lambda: self._forward(self.command, self.path, body), self._send
        )
        try:
            self.owner.rule(exchange)
        except Hangup:
            self._reset()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - the base class asks for these names

    def _forward(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {key: value for key, value in self.headers.items() if key.lower() in ("content-type", "accept")}
        self._upstream.request(method, self._root + path, body or None, {"Host": self._host} | headers)
        answer = self._upstream.getresponse()
        return answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.read()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if not status:  # not even HTTP
            self.wfile.write(body)
            raise Hangup
        self.send_response_only(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _reset(self) -> None:
        """End the connection as a dead peer does, with a reset."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it; `Wire.seen` holds it all."""
