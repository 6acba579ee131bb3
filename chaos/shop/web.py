"""The HTTP server that all services share: JSON in and out, keep-alive, health endpoints, a drain at the end.

While a service warms up it answers 503 to everything but its liveness check, as a process that still fills its caches would:
that is what a readiness probe is there to hide.
"""

import json
import logging
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOG = logging.getLogger("shop")


@dataclass(frozen=True)
class Request:
    """One request; `name` is the last part of a path such as `/stock/{sku}`."""

    method: str
    path: str
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The JSON body; ValueError (answered with 400) when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What a route answers: a status, a JSON value and a few headers."""

    status: int
    value: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Answer]
Routes = Mapping[str, Route]
"""`"GET /products"` or, with a name at the end of the path, `"GET /stock/"`."""


class Server(ThreadingHTTPServer):
    """Serves `routes` on one address; ready `start_delay` seconds after its making."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], routes: Routes, *, start_delay: float = 0.0, tls: "Tls | None" = None) -> None:
        self.routes = routes
        self.tls = tls
        self.ready_at = time.monotonic() + start_delay
        self.draining = False
        self.at_close: Callable[[], None] = lambda: None
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # http.server would look our address up in the DNS, which may take seconds
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def server_close(self) -> None:
        self.at_close()
        super().server_close()

    @property
    def ready(self) -> bool:
        return not self.draining and time.monotonic() >= self.ready_at

    def drain(self, seconds: float) -> None:
        """Stop being ready, serve on for a moment (until nobody sends new requests), then end `serve_forever`."""
        self.draining = True
        timer = threading.Timer(seconds, self.shutdown)
        timer.daemon = True
        timer.start()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away, or a failed TLS handshake, is nothing to report; the rest is."""
        LOG.info("connection from %s ended early", client_address, exc_info=True)

    def answer(self, request: Request) -> Answer:
        """Health first, then the routes."""
        if request.path == "/healthz":
            return Answer(200, {"alive": True})
        if request.path == "/healthz/ready":
            return Answer(200 if self.ready else 503, {"ready": self.ready})
        if time.monotonic() < self.ready_at:
            return Answer(503, {"error": "warming up"})
        route, request = self._route(request)
        return self._answered(route, request) if route else Answer(404, {"error": f"no such path: {request.path}"})

    @staticmethod
    def _answered(route: Route, request: Request) -> Answer:
        """What the route says; a mistake of the caller is 400, one of ours 500."""
        try:
            return route(request)
        except (ValueError, KeyError, TypeError) as error:
            LOG.warning("%s %s: bad request: %s", request.method, request.path, error)
            return Answer(400, {"error": f"bad request: {error}"})
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return Answer(500, {"error": "our own mistake; it is in the log"})

    def _route(self, request: Request) -> tuple[Route | None, Request]:
        if route := self.routes.get(f"{request.method} {request.path}"):
            return route, request
        folder, _, name = request.path.rpartition("/")
        named = Request(request.method, request.path, name, request.headers, request.body)
        return self.routes.get(f"{request.method} {folder}/"), named


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    timeout = 30  # an idle connection ends, and with it its thread
    server: Server

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request.settimeout(5.0)
            self.request = self.server.tls.server_side(self.request)
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.server.tls is not None:
            self.request.close()  # the server only knows the plain socket, which TLS has taken over

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        path = self.path.partition("?")[0]
        answer = self.server.answer(Request(self.command, path, "", self.headers, body))  # type: ignore[arg-type]
        payload = json.dumps(answer.value).encode()
        self.send_response_only(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if self.server.draining or self.close_connection:  # as the client asked for; it must not use the connection again
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = serve  # noqa: N815 the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: 30 a second, on two shared cores."""


class Tls:
    """A server's certificate and key, read again whenever the mounted file has changed."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._lock = threading.Lock()
        self._stamp = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def server_side(self, connection: Any) -> ssl.SSLSocket:
        """The connection with TLS on it; the handshake is done in the thread of the connection."""
        stamp = self._certificate.stat().st_mtime_ns
        with self._lock:
            if stamp != self._stamp:
                self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._context.load_cert_chain(self._certificate, self._key)
                self._stamp = stamp
            context = self._context
        return context.wrap_socket(connection, server_side=True)
