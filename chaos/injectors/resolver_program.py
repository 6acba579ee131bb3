"""The resolver: answers the name lookups of the pods that were pointed at it by asking the cluster's own nameserver, and fails
one name for a while when it is told to. Python 3.9 or later, the standard library, and `witness_wire.py` beside it.

It listens on port 53 (UDP and TCP) and, for the run, on 8472:

    PUT /mode     {"name", "answer": "nxdomain" | "servfail" | "silence", "seconds"}: from now on; ends by itself
    DELETE /mode  pass every question on again
    GET /config   {"address", "search", "ndots"}: what the clients' resolv.conf needs
    GET /asked    {"clients": {address: questions}, "failed": {address: of these, failed on purpose}}
    PUT /end      nobody asks any more: end at once when told to stop
    GET /healthz

When it is stopped without `/end`, clients may still be on their way back to their own nameserver: it goes on for a while.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

try:
    from chaos.injectors import witness_wire as wire
except ImportError:  # in its pod
    import witness_wire as wire  # type: ignore[import-not-found,no-redef]

DNS_PORT, ADMIN_PORT = 53, 8472
LINGER = 45.0  # seconds
PATIENCE = 4.0  # seconds for the cluster's nameserver; clients ask again after five
LONGEST = 65_535
CODES = {"nxdomain": 3, "servfail": 2}
_TOGETHER = 64


def asked_name(query: bytes) -> str:
    """The name that a query asks for, in lower case without its last dot; ValueError when it is no query."""
    labels, at = [], 12
    try:
        while (length := query[at]) != 0:
            if length > 63:
                raise ValueError("not a query")
            labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += length + 1
    except IndexError:
        raise ValueError("not a query") from None
    return ".".join(labels).lower()


def refusal(query: bytes, code: int) -> bytes:
    """The answer to a query that has no address, without a time for which it may be kept."""
    (flags,) = struct.unpack_from("!H", query, 2)
    end = 12
    while query[end] != 0:
        end += query[end] + 1
    header = query[:2] + struct.pack("!HHHHH", 0x8080 | (flags & 0x7900) | code, 1, 0, 0, 0)
    return header + query[12 : end + 5]


def names_for(name: str, namespace: str, search: list[str]) -> set[str]:
    """Every full name by which clients of a namespace may ask for `name`."""
    name = name.rstrip(".").lower()
    forms = [name] if "." in name else [name, f"{name}.{namespace}", f"{name}.{namespace}.svc"]
    return {*forms, *(f"{form}.{suffix.rstrip('.')}".lower() for form in forms for suffix in search)}


class Resolver:
    """The current mode, and who has asked. Safe from any thread."""

    def __init__(self, namespace: str, config: wire.Config, port: int = DNS_PORT) -> None:
        self.config = config
        self.ended = threading.Event()
        self._namespace = namespace
        self._upstream = (next(iter(config.servers), ""), port)
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._answer = ""
        self._until = 0.0
        self._clients: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def set_mode(self, mode: dict[str, Any]) -> None:
        """From now on; ValueError when it is not a mode of ours."""
        seconds, answer = float(mode["seconds"]), str(mode["answer"])
        if answer not in (*CODES, "silence") or not 0 < seconds <= 86400:
            raise ValueError(f"not a mode: {mode}")
        with self._lock:
            self._names = names_for(str(mode["name"]), self._namespace, self.config.search)
            self._answer, self._until = answer, time.monotonic() + seconds

    def clear(self) -> None:
        with self._lock:
            self._until = 0.0

    def asked(self) -> dict[str, dict[str, int]]:
        with self._lock:
            return {"clients": dict(self._clients), "failed": dict(self._failed)}

    def answer(self, query: bytes, client: str, tcp: bool) -> bytes | None:
        """What this client hears; None is silence."""
        try:
            name = asked_name(query)
        except ValueError:
            return None
        with self._lock:
            self._clients[client] += 1
            fails = self._answer if name in self._names and time.monotonic() < self._until else ""
            self._failed[client] += bool(fails)
        if fails:
            return refusal(query, CODES[fails]) if fails in CODES else None
        try:
            return self._over_tcp(query) if tcp else self._over_udp(query)
        except OSError:
            return None  # as from a nameserver that does not answer

    def _over_udp(self, query: bytes) -> bytes:
        family = socket.AF_INET6 if ":" in self._upstream[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self._upstream)
            sock.send(query)
            return sock.recv(LONGEST)

    def _over_tcp(self, query: bytes) -> bytes:
        with socket.create_connection(self._upstream, PATIENCE) as sock:
            sock.sendall(struct.pack("!H", len(query)) + query)
            return read_framed(sock)


def read_framed(sock: socket.socket) -> bytes:
    """A message over TCP: its length, then itself; OSError when it ends too soon."""
    (length,) = struct.unpack("!H", read_all(sock, 2))
    return read_all(sock, length)


def read_all(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("ended too soon")
        data += chunk
    return data


def serve_udp(resolver: Resolver, sock: socket.socket) -> None:
    """For ever; a question that takes long holds up no other."""
    with ThreadPoolExecutor(_TOGETHER) as pool:
        while True:
            query, client = sock.recvfrom(LONGEST)
            pool.submit(reply, resolver, sock, query, client)


def reply(resolver: Resolver, sock: socket.socket, query: bytes, client: Any) -> None:
    if (said := resolver.answer(query, client[0], tcp=False)) is not None:
        sock.sendto(said, client)


def serve_tcp(resolver: Resolver, listener: socket.socket) -> None:
    while True:
        sock, client = listener.accept()
        threading.Thread(target=converse, args=(resolver, sock, client[0]), daemon=True).start()


def converse(resolver: Resolver, sock: socket.socket, client: str) -> None:
    with sock:
        sock.settimeout(10)
        try:
            while (said := resolver.answer(read_framed(sock), client, tcp=True)) is not None:
                sock.sendall(struct.pack("!H", len(said)) + said)
        except (OSError, struct.error):
            return


class Admin(BaseHTTPRequestHandler):
    """How the run speaks to us."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    resolver: Resolver

    def do_GET(self) -> None:
        config = self.resolver.config
        known: dict[str, object] = {
            "/healthz": {"ok": True},
            "/asked": self.resolver.asked(),
            "/config": {"address": os.environ.get("POD_IP", ""), "search": config.search, "ndots": config.ndots},
        }
        self.answer(200 if self.path in known else 404, known.get(self.path))

    def do_PUT(self) -> None:
        body = self.rfile.read(min(LONGEST, int(self.headers.get("Content-Length") or 0)))
        try:
            if self.path == "/mode":
                self.resolver.set_mode(json.loads(body))
            elif self.path == "/end":
                self.resolver.ended.set()
            else:
                return self.answer(404, None)
        except (ValueError, KeyError, TypeError) as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(200, {})

    def do_DELETE(self) -> None:
        self.resolver.clear()
        self.answer(200, {})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def stop_politely(resolver: Resolver) -> None:
    """At once when nobody asks any more; else by and by."""
    threading.Timer(0.0 if resolver.ended.is_set() else LINGER, lambda: os._exit(0)).start()


def main() -> None:
    """Serve until SIGTERM, and for a while after it."""
    address = os.environ.get("POD_IP") or "0.0.0.0"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    resolver = Resolver(os.environ["NAMESPACE"], wire.Config())
    signal.signal(signal.SIGTERM, lambda *_: stop_politely(resolver))
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, DNS_PORT))
    listener = socket.create_server((address, DNS_PORT), family=family, backlog=128)
    for serve, sock in ((serve_udp, datagrams), (serve_tcp, listener)):
        threading.Thread(target=serve, args=(resolver, sock), daemon=True).start()
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer((address, ADMIN_PORT), type("BoundAdmin", (Admin,), {"resolver": resolver})).serve_forever()


if __name__ == "__main__":
    main()
