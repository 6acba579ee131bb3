"""The witness: takes readings of routes where a fault is felt, ten times a second, over held and new connections.

Python 3.9 or later, nothing but the standard library and `witness_wire.py` beside it: they run from a ConfigMap on a public
Python image. It only ever sends GET requests, opens connections and looks up names; it holds no credentials and keeps no
body, only a digest.

    PUT /routes          [Route, ...]: watch these from now on, and no others
    GET /readings?since=SEQ   {"now", "wall", "latest", "readings": [...]}, oldest first, at most 2,000 at once
    GET /healthz

A reading is {"seq", "at", "wall", "route", "connection", "ok", "status", "error", "detail", "seconds", "digest",
"reconnected"}.
`at` is this machine's monotonic clock when the reading began; `now` in the answer lets a reader elsewhere align it. `ok`
means that an answer came in full, whatever its status (0 where there is none). `reconnected` marks a held reading that had
to open its connection.

What a `tcp` route can prove: `new`, that somebody accepts and does not hang up at once; `held`, that the peer's kernel (or a
proxy in the path) still answers keep-alive probes within about 2 s and has not closed. Not that an application answers.

A `dns` route looks up its host, at the nameserver `server` or at the pod's own: there are no held readings of it. Its digest
is that of the addresses, its error `nxdomain`, `servfail`, `refused` or `timeout`.

An `https` route asks nobody who he is. Where it wants a certificate that is `valid`, one out of its dates fails a new
connection with `certificate-expired` or `certificate-not-yet`, and `detail` tells the date.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import itertools
import json
import os
import select
import signal
import socket
import ssl
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

try:
    from chaos.injectors import witness_wire as wire
except ImportError:  # in its pod
    import witness_wire as wire

Route = dict[str, Any]
Reading = dict[str, Any]

PORT = 8470
KEPT = 4_000  # readings in memory, about 2 MB; the oldest go first
AT_ONCE = 2_000  # readings in one answer
MOST_ROUTES = 32
LONGEST_BODY = 256 * 1024  # of a request to us, and of an answer that is digested
_CLOSED_AT_ONCE = 0.05  # how long a tcp connection is watched for being hung up
SCHEMES = ("http", "https", "tcp", "dns")
_REASONS: tuple[tuple[Any, str], ...] = (
    (socket.gaierror, "dns"),
    ((socket.timeout, TimeoutError), "timeout"),
    (ConnectionRefusedError, "refused"),
    ((http.client.BadStatusLine, EOFError), "closed"),  # before "reset": RemoteDisconnected is both
    ((ConnectionResetError, BrokenPipeError), "reset"),
    (ssl.SSLError, "tls"),
    (http.client.HTTPException, "garbled"),
)


class OutOfDate(Exception):
    """A certificate whose dates do not hold now; says which way, and the date."""


class Log:
    """The readings, numbered; a ring: bounded, and safe from any thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: deque[Reading] = deque(maxlen=kept)
        self._lock = threading.Lock()
        self._seq = 0

    def add(self, reading: Reading) -> None:
        with self._lock:
            self._seq += 1
            self._kept.append(dict(reading, seq=self._seq))

    def since(self, seq: int) -> tuple[int, list[Reading]]:
        """The number of the latest reading, and what came after number `seq`."""
        with self._lock:
            fresh = min(len(self._kept), max(0, self._seq - seq))
            first = len(self._kept) - fresh
            return self._seq, list(itertools.islice(self._kept, first, first + AT_ONCE))


class Wire(io.RawIOBase):
    """A socket under one deadline for the whole reading: a slow drip times out like silence does."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self.sock = sock
        self.deadline = deadline

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.sock.settimeout(self.left())
        return self.sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        self.sock.settimeout(self.left())
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(Wire(self.sock, self.deadline))


def resolve(host: str, timeout: float) -> str:
    """The address of a host, within `timeout`: the system's resolver has no time-out of its own that we could set."""
    family = socket.AF_INET6 if ":" in host + os.environ.get("POD_IP", "") else socket.AF_INET
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            found.append(error)

    looking = threading.Thread(target=look_up, daemon=True)
    looking.start()
    looking.join(timeout)
    if not found:
        raise TimeoutError("resolver")
    if isinstance(found[0], OSError):
        raise found[0]
    return str(found[0])


def connect(route: Route, deadline: float) -> socket.socket:
    """A new connection from our pod's own address, so that network policies can tell who it is."""
    left = max(0.001, deadline - time.monotonic())
    address = resolve(route["host"], left)
    source = (os.environ["POD_IP"], 0) if os.environ.get("POD_IP") else None
    sock = socket.create_connection((address, route["port"]), max(0.001, deadline - time.monotonic()), source)
    if route["scheme"] == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # what is asked is whether it answers, not who it is; nothing secret is sent
        context.verify_mode = ssl.CERT_NONE
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            return context.wrap_socket(sock, server_hostname=route["server_name"] or route["host"])
        except BaseException:
            sock.close()
            raise
    return sock


def refuse_out_of_date(sock: ssl.SSLSocket) -> None:
    """OutOfDate where the certificate that the peer showed is not valid at this moment, by our clock."""
    begins, ends = wire.validity(sock.getpeercert(binary_form=True) or b"")
    if time.time() > ends:
        raise OutOfDate("certificate-expired", f"not after {_date(ends)}")
    if time.time() < begins:
        raise OutOfDate("certificate-not-yet", f"not before {_date(begins)}")


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def get(route: Route, sock: socket.socket, deadline: float) -> tuple[int, str, bool]:
    """One GET on an open connection -> (status, digest, whether the server keeps the connection open)."""
    speaker = http.client.HTTPConnection(route["server_name"] or route["host"], route["port"])
    speaker.auto_open = 0  # never on its own, from another address
    speaker.sock = Wire(sock, deadline)
    speaker.request("GET", route["path"], headers={"User-Agent": "gameday-witness"})
    response = speaker.getresponse()
    digest = hashlib.sha256()
    size = 0
    while size < LONGEST_BODY and (chunk := response.read(16 * 1024)):
        digest.update(chunk)
        size += len(chunk)
    if response.length not in (None, 0) and size < LONGEST_BODY:
        raise EOFError("short body")
    kept = not response.will_close and size < LONGEST_BODY
    return response.status, digest.hexdigest()[:16], kept


def still_open(sock: socket.socket, patience: float) -> None:
    """Nothing is sent; ConnectionResetError or EOFError when the peer has hung up or its kernel no longer answers."""
    ready, _, _ = select.select([sock], [], [], patience)
    if ready and not sock.recv(1, socket.MSG_PEEK):
        raise EOFError("closed")


class Watcher(threading.Thread):
    """Takes readings of one route over one kind of connection until it is told to stop."""

    def __init__(self, route: Route, connection: str, log: Log, every: float) -> None:
        super().__init__(name=f"{route['name']} {connection}", daemon=True)
        self.route, self.connection, self.log, self.every = route, connection, log, every
        self.over = threading.Event()
        self.sock: socket.socket | None = None

    def run(self) -> None:
        due = time.monotonic()
        while not self.over.is_set():
            self.log.add(self.reading())
            due = max(due + self.every, time.monotonic())
            self.over.wait(due - time.monotonic())
        self.drop()

    def reading(self) -> Reading:
        began = time.monotonic()
        found: Reading = {"at": began, "wall": time.time(), "route": self.route["name"], "connection": self.connection}
        found.update(ok=False, status=0, error="", detail="", digest="")
        found["reconnected"] = self.connection == "held" and self.sock is None
        try:
            found.update(self.ask(began + self.route["timeout"]))
            found["ok"] = True
        except (OutOfDate, wire.LookUpFailed) as told:
            self.drop()
            found["error"], found["detail"] = (*told.args, "")[:2]
        except (OSError, EOFError, http.client.HTTPException, ValueError) as error:
            self.drop()
            found["error"] = next((reason for kinds, reason in _REASONS if isinstance(error, kinds)), type(error).__name__)
            found["detail"] = str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
        found.setdefault("seconds", round(time.monotonic() - began, 6))
        return found

    def ask(self, deadline: float) -> Reading:
        if self.route["scheme"] == "dns":
            own = os.environ.get("POD_IP") or ""
            found = wire.look_up(self.route["host"], self.route["server"], self.route["port"], deadline, own)
            return {"digest": hashlib.sha256(repr(found).encode()).hexdigest()[:16], "detail": " ".join(found)}
        if self.connection == "new":
            self.drop()
        if self.sock is None:
            self.sock = connect(self.route, deadline)
            keep_alive(self.sock)
            if self.route["certificate"] == "valid":
                refuse_out_of_date(self.sock)
        if self.route["scheme"] == "tcp":
            connected = round(self.route["timeout"] - (deadline - time.monotonic()), 6)
            still_open(self.sock, _CLOSED_AT_ONCE if self.connection == "new" else 0)
            return {"seconds": connected}
        status, digest, kept = get(self.route, self.sock, deadline)
        if not kept:
            self.drop()
        return {"status": status, "digest": digest}

    def drop(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


def keep_alive(sock: socket.socket) -> None:
    """The kernel asks the peer's kernel once a second; two answers missing break the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def checked(raw: Any) -> Route:
    """A route with all its fields and no others; ValueError when it is not one."""
    route = {
        "name": str(raw["name"]),
        "host": str(raw["host"]),
        "port": int(raw["port"]),
        "scheme": str(raw.get("scheme") or "http"),
        "path": str(raw.get("path") or "/"),
        "server_name": str(raw.get("server_name") or ""),
        "server": str(raw.get("server") or ""),
        "certificate": str(raw.get("certificate") or "any"),
        "timeout": min(30.0, max(0.05, float(raw.get("timeout") or 1.0))),
    }
    possible = route["scheme"] in SCHEMES and 0 < route["port"] < 65536 and route["path"].startswith("/")
    if not possible or (route["certificate"] != "any" and (route["certificate"], route["scheme"]) != ("valid", "https")):
        raise ValueError(f"not a route: {raw!r}")
    return route


class Watch:
    """All watchers; setting the routes anew leaves those of unchanged routes, and their held connections, alone."""

    def __init__(self, every: float = 0.1) -> None:
        self.log = Log()
        self.every = every
        self._watchers: dict[str, Watcher] = {}
        self._lock = threading.Lock()

    def set_routes(self, raw: object) -> None:
        if not isinstance(raw, list) or len(raw) > MOST_ROUTES:
            raise ValueError(f"a list of at most {MOST_ROUTES} routes is wanted")
        wanted = {}
        for route in map(checked, raw):
            for connection in ("new",) if route["scheme"] == "dns" else ("held", "new"):
                wanted[json.dumps(route, sort_keys=True) + connection] = (route, connection)
        with self._lock:
            for key in set(self._watchers) - set(wanted):
                self._watchers.pop(key).over.set()
            for key in set(wanted) - set(self._watchers):
                self._watchers[key] = Watcher(*wanted[key], self.log, self.every)
                self._watchers[key].start()


class Handler(BaseHTTPRequestHandler):
    """The admin interface."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    watch: Watch

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/healthz":
            return self.answer(200, {"ok": True})
        if url.path != "/readings":
            return self.answer(404, {"error": "not here"})
        try:
            since = int(parse_qs(url.query).get("since", ["0"])[0])
        except ValueError:
            return self.answer(400, {"error": "since is a number"})
        latest, readings = self.watch.log.since(since)
        return self.answer(200, {"now": time.monotonic(), "wall": time.time(), "latest": latest, "readings": readings})

    def do_PUT(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != "/routes" or size > LONGEST_BODY:
            self.close_connection = True
            return self.answer(404 if self.path != "/routes" else 413, {"error": "not here, or too large"})
        try:
            self.watch.set_routes(json.loads(self.rfile.read(size)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(200, {"ok": True})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """A reading ten times a second needs no log."""


def serve(watch: Watch, address: str, port: int = PORT) -> ThreadingHTTPServer:
    """The admin server, listening; the caller runs it."""
    ThreadingHTTPServer.daemon_threads = True
    return ThreadingHTTPServer((address, port), type("WitnessHandler", (Handler,), {"watch": watch}))


def main() -> None:
    """Serve until SIGTERM, or until LIFETIME seconds are over: a forgotten witness ends by itself."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as process 1 of a container the signal has no default
    lifetime = threading.Timer(float(os.environ.get("LIFETIME") or 3600.0), lambda: os._exit(0))
    lifetime.daemon = True
    lifetime.start()
    watch = Watch(float(os.environ.get("EVERY") or 0.1))
    watch.set_routes(json.loads(os.environ.get("ROUTES") or "[]"))
    serve(watch, os.environ.get("POD_IP") or "0.0.0.0").serve_forever()


if __name__ == "__main__":
    main()
