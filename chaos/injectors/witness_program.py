"""The witness: takes readings where a fault is felt. One file, standard library only, for any Python from 3.9 on.

It samples each route every PERIOD seconds over a new and over a held connection, each in a thread of its own, and keeps
the latest readings. Admin on port 8470: PUT /routes, GET /readings?since=SEQ, GET /healthz. It ends after LIFETIME seconds.
"""

import hashlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PERIOD = float(os.environ.get("PERIOD", "0.1"))
TIMEOUT = float(os.environ.get("TIMEOUT", "1.0"))
LIFETIME = float(os.environ.get("LIFETIME", "3600"))
OWN = os.environ.get("POD_IP", "")
ADMIN_PORT = 8470
KEPT = 4000


class Readings:
    """The latest readings, numbered."""

    def __init__(self):
        self._lock = threading.Lock()
        self._items = deque(maxlen=KEPT)
        self._seq = 0

    def add(self, reading):
        with self._lock:
            self._seq += 1
            self._items.append(dict(reading, seq=self._seq))

    def since(self, seq):
        with self._lock:
            return [each for each in self._items if each["seq"] > seq]


def connect(route):
    """A connected socket to the route, from this pod's own address, so that policies can tell it apart."""
    source = (OWN, 0) if OWN else None
    sock = socket.create_connection((route["host"], route["port"]), timeout=TIMEOUT, source_address=source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if route["scheme"] == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it asks whether and how fast it is answered, not by whom
        sock = context.wrap_socket(sock, server_hostname=route.get("server_name") or route["host"])
    return sock


def ask(connection, route):
    """One request and its whole answer: status and a digest of the body."""
    connection.request(
        "GET",
        route.get("path") or "/",
        headers={"Host": route.get("server_name") or route["host"], "User-Agent": "gameday-witness"},
    )
    answer = connection.getresponse()
    body = answer.read()
    return answer.status, hashlib.sha256(body).hexdigest()[:12], answer.will_close


def open_http(route):
    connection = http.client.HTTPConnection(route["host"], route["port"], timeout=TIMEOUT)
    connection.sock = connect(route)
    return connection


def reason_of(error):
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return "reset"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed"
    return type(error).__name__


class Sampler(threading.Thread):
    """Reads one route over one kind of connection until told to stop."""

    def __init__(self, route, kind, readings):
        super().__init__(daemon=True)
        self.route, self.kind, self.readings = route, kind, readings
        self.over = threading.Event()
        self._held = None

    def run(self):
        due = time.monotonic()
        while not self.over.is_set():
            self.readings.add(self._read())
            due = max(due + PERIOD, time.monotonic())
            self.over.wait(due - time.monotonic())

    def _read(self):
        reading = {"route": self.route["name"], "connection": self.kind, "at": time.monotonic(), "wall": time.time()}
        started = time.monotonic()
        try:
            reading.update(self._once())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop()
            reading.update(ok=False, status=0, error=reason_of(error), digest="")
        reading["seconds"] = round(time.monotonic() - started, 5)
        return reading

    def _once(self):
        if self.route["scheme"] == "tcp":
            return self._tcp()
        fresh = self.kind == "new" or self._held is None
        connection = open_http(self.route) if fresh else self._held
        try:
            status, digest, closes = ask(connection, self.route)
        except BaseException:
            connection.close()
            raise
        if self.kind == "new" or closes:
            connection.close()
            self._held = None
        else:
            self._held = connection
        return {"ok": True, "status": status, "error": "", "digest": digest, "reconnected": fresh and self.kind == "held"}

    def _tcp(self):
        """All that can be told of an unknown protocol: a connection can be made; a held one is still open."""
        if self.kind == "held" and self._held is not None:
            self._held.setblocking(False)
            try:
                if self._held.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            return {"ok": True, "status": 0, "error": "", "digest": ""}
        sock = connect(self.route)
        if self.kind == "held":
            self._held = sock
        else:
            sock.close()
        return {"ok": True, "status": 0, "error": "", "digest": ""}

    def _drop(self):
        if self._held is not None:
            self._held.close()
            self._held = None


class Witness:
    """The samplers of the routes that are asked for."""

    def __init__(self):
        self.readings = Readings()
        self._samplers = []

    def watch(self, routes):
        for sampler in self._samplers:
            sampler.over.set()
        self._samplers = [Sampler(route, kind, self.readings) for route in routes for kind in ("held", "new")]
        for sampler in self._samplers:
            sampler.start()


def handler_of(witness):
    class Admin(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urlsplit(self.path)
            if url.path == "/readings":
                since = int(parse_qs(url.query).get("since", ["0"])[0])
                self._answer(200, witness.readings.since(since))
            else:
                self._answer(200 if url.path == "/healthz" else 404, {})

        def do_PUT(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            witness.watch(json.loads(body))
            self._answer(200, {})

        def _answer(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    return Admin


def main():
    witness = Witness()
    witness.watch(json.loads(os.environ.get("ROUTES", "[]")))
    server = ThreadingHTTPServer((OWN or "0.0.0.0", ADMIN_PORT), handler_of(witness))
    server.daemon_threads = True
    threading.Timer(LIFETIME, os._exit, [0]).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
