"""The stand-in: answers for a vendor, as the vendor would on a bad day. One file, standard library only, Python 3.9 on.

It listens on PORT (with TLS where /tls holds a certificate) and passes everything on to UPSTREAM while no mode is set.

    PUT /mode     {"mode", "seconds", "share"?, "retry_after"?}: from now on; ends by itself after so many seconds
    DELETE /mode  pass everything on again
    GET /mode     the current mode, {} while there is none
    GET /calls    {"calls", "keys", "by_second": [[seconds ago, calls, new keys], ...]}; keys are distinct Idempotency-Keys
    GET /healthz
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Mapping, Optional  # noqa: UP035 - Python 3.9 too

Json = Dict[str, Any]  # noqa: UP006 - evaluated at run time, by Python 3.9 too

ADMIN_PORT = 8471
WITNESS = "gameday-witness"  # whoever proves the dose is no customer: not counted
PATIENCE = 10.0  # seconds for whoever is behind us
LONGEST_BODY = 16 * 1024 * 1024
MOST_KEYS = 100_000
MOST_SECONDS = 3600
_HOP_BY_HOP = ("connection", "content-length", "transfer-encoding", "keep-alive", "proxy-connection", "te", "upgrade")

ANSWERS: Mapping[str, tuple[int, Json]] = {
    "http-429": (429, {"error": {"type": "rate_limited", "message": "Too many requests. Please retry later."}}),
    "http-503": (503, {"error": {"type": "unavailable", "message": "We are aware of an incident and are working on it."}}),
    "auth-revoked": (401, {"error": {"type": "invalid_api_key", "message": "This API key has been revoked."}}),
    "wrong-schema": (200, {"version": "2027-01-01", "data": {"type": "result", "attributes": {}}, "links": []}),
    "partial": (500, {"error": {"type": "internal", "message": "Something went wrong on our end."}}),
}


class State:
    """The current mode, and who has called. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mode: Optional[Json] = None  # noqa: UP045
        self._until = 0.0
        self._calls = 0
        self._keys: set[str] = set()
        self._seconds: deque[list[int]] = deque(maxlen=MOST_SECONDS)

    def set_mode(self, mode: Json) -> None:
        """From now on; ValueError when it is not a mode of ours."""
        seconds, share = float(mode["seconds"]), float(mode.get("share") or 1.0)
        if mode["mode"] not in ANSWERS or not 0 < seconds <= 86400 or not 0 < share <= 1:
            raise ValueError(f"not a mode: {mode}")
        with self._lock:
            self._mode, self._until = {**mode, "share": share}, time.monotonic() + seconds

    def clear(self) -> None:
        with self._lock:
            self._mode = None

    def mode(self) -> Json | None:
        with self._lock:
            return self._mode if self._mode and time.monotonic() < self._until else None

    def count(self, key: str | None) -> None:
        second = int(time.monotonic())
        with self._lock:
            fresh = bool(key) and key not in self._keys and len(self._keys) < MOST_KEYS
            if key and fresh:
                self._keys.add(key)
            self._calls += 1
            if not self._seconds or self._seconds[-1][0] != second:
                self._seconds.append([second, 0, 0])
            self._seconds[-1][1] += 1
            self._seconds[-1][2] += fresh

    def calls(self) -> Json:
        now = int(time.monotonic())
        with self._lock:
            by_second = [[now - second, calls, keys] for second, calls, keys in self._seconds]
            return {"calls": self._calls, "keys": len(self._keys), "by_second": by_second}


def dial(tls: bool) -> http.client.HTTPConnection:
    """A new connection to whoever is behind us, from our pod's own address."""
    host, _, port = os.environ["UPSTREAM"].rpartition(":")
    source = (os.environ["POD_IP"], 0) if os.environ.get("POD_IP") else None
    if not tls:
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE, source_address=source)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the twin: the vendor's own pods, reached by address
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host.strip("[]"), int(port), timeout=PATIENCE, source_address=source, context=context)


class Quiet(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections kept, and no log: there are many calls."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    state: State

    def body(self) -> bytes:
        """The whole body, by length or in chunks; ValueError when it is too long or garbled."""
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return self._chunks()
        size = int(self.headers.get("Content-Length") or 0)
        if size > LONGEST_BODY:
            raise ValueError("body too long")
        return self.rfile.read(size)

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(1000).split(b";")[0], 16):
            if len(found) + size > LONGEST_BODY:
                raise ValueError("body too long")
            found += self.rfile.read(size)
            self.rfile.readline(10)
        while self.rfile.readline(1000).strip():
            pass  # trailers
        return found

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, status: int, value: object, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


class Vendor(Quiet):
    """What callers see."""

    tls = False

    def handle_any(self) -> None:
        try:
            body = self.body()
        except ValueError as error:
            self.close_connection = True
            return self.answer_json(400, {"error": str(error)})
        if self.headers.get("User-Agent") != WITNESS:
            self.state.count(self.headers.get("Idempotency-Key"))
        mode = self.state.mode()
        if mode and random.random() < mode["share"]:
            return self.fail(mode)
        return self.pass_on(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any

    def fail(self, mode: Json) -> None:
        status, value = ANSWERS[mode["mode"]]
        extra = {"Retry-After": str(mode["retry_after"])} if mode.get("retry_after") is not None else {}
        if status == 401:
            extra["WWW-Authenticate"] = "Bearer"
        self.answer_json(status, value, **extra)

    def pass_on(self, body: bytes) -> None:
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
        behind = dial(self.tls)
        try:
            behind.request(self.command, self.path, body=body or None, headers=headers)
            given = behind.getresponse()
            content = given.read()
        except (OSError, http.client.HTTPException):
            return self.answer_json(502, {"error": "nobody answers behind the stand-in"})
        finally:
            behind.close()
        return self.answer(given.status, content, {k: v for k, v in given.getheaders() if k.lower() not in _HOP_BY_HOP})


class Admin(Quiet):
    """How the run speaks to us."""

    def do_GET(self) -> None:
        known = {"/healthz": lambda: {"ok": True}, "/calls": self.state.calls, "/mode": lambda: self.state.mode() or {}}
        ask = known.get(self.path)
        self.answer_json(200, ask()) if ask else self.answer_json(404, {"error": "not here"})

    def do_PUT(self) -> None:
        try:
            self.state.set_mode(json.loads(self.body()))
        except (ValueError, KeyError, TypeError) as error:
            return self.answer_json(400, {"error": str(error)})
        return self.answer_json(200, self.state.mode() or {})

    def do_DELETE(self) -> None:
        self.state.clear()
        self.answer_json(200, {})


class Server(ThreadingHTTPServer):
    """Threads that die with us, and TLS whose handshake holds up nobody else."""

    daemon_threads = True
    request_queue_size = 256
    context: Optional[ssl.SSLContext] = None  # noqa: UP045

    def get_request(self) -> tuple[Any, Any]:
        sock, address = super().get_request()
        if self.context:  # the handshake happens at the first read, in the handler's own thread
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a caller that goes away is no news, anything else is
            super().handle_error(request, client_address)


def serve(address: str, port: int, tls: str) -> tuple[Server, Server]:
    """The vendor's and the admin server, listening; the caller runs them."""
    state = State()
    secure = os.path.isdir(tls)
    vendor = Server((address, port), type("BoundVendor", (Vendor,), {"state": state, "tls": secure}))
    if secure:
        vendor.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        vendor.context.load_cert_chain(tls + "/tls.crt", tls + "/tls.key")
    return vendor, Server((address, ADMIN_PORT), type("BoundAdmin", (Admin,), {"state": state}))


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as process 1 of a container the signal has no default
    address = os.environ.get("POD_IP") or "0.0.0.0"
    vendor, admin = serve(address, int(os.environ["PORT"]), os.environ.get("POD_ROOT", "") + "/tls")
    threading.Thread(target=vendor.serve_forever, daemon=True).start()
    admin.serve_forever()


if __name__ == "__main__":
    main()
