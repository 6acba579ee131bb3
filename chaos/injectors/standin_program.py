"""The stand-in: answers for a vendor, as the vendor would on a bad day. One file, standard library only, Python 3.9 on.

It listens on PORT (with TLS where /tls holds a certificate) and passes everything on to UPSTREAM while no mode is set.
Admin on port 8471: PUT /mode {"mode", "seconds", ...}, DELETE /mode, GET /calls, GET /healthz. A mode ends by itself.
"""

import http.client
import json
import os
import random
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWN = os.environ.get("POD_IP", "0.0.0.0")
ADMIN_PORT = 8471
TLS = os.environ.get("POD_ROOT", "") + "/tls"
TIMEOUT = 10.0

ANSWERS = {
    "http-429": (429, {"error": "rate_limited", "message": "Too many requests. Please retry later."}),
    "http-503": (503, {"error": "service_unavailable", "message": "We are aware of an incident and are working on it."}),
    "auth-revoked": (401, {"error": "invalid_api_key", "message": "This API key has been revoked."}),
    "wrong-schema": (200, {"apiVersion": "2027-01-01", "data": {"type": "result", "attributes": {}}}),
    "partial": (500, {"error": "internal", "message": "Something went wrong on our end."}),
}


class State:
    """The current mode, and who has called."""

    def __init__(self):
        self._lock = threading.Lock()
        self._mode = None
        self._until = 0.0
        self._calls = 0
        self._keys = set()

    def set_mode(self, mode):
        if mode["mode"] not in ANSWERS:
            raise ValueError(mode["mode"])
        with self._lock:
            self._mode, self._until = mode, time.monotonic() + float(mode["seconds"])

    def clear(self):
        with self._lock:
            self._mode = None

    def mode(self):
        with self._lock:
            return self._mode if self._mode and time.monotonic() < self._until else None

    def count(self, key):
        with self._lock:
            self._calls += 1
            if key and len(self._keys) < 100_000:
                self._keys.add(key)

    def calls(self):
        with self._lock:
            return {"calls": self._calls, "keys": len(self._keys)}


def upstream_connection():
    host, _, port = os.environ["UPSTREAM"].rpartition(":")
    source = (os.environ["POD_IP"], 0) if os.environ.get("POD_IP") else None
    if os.path.isdir(TLS):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the twin is the vendor's own pods, inside the cluster
        return http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT, context=context, source_address=source)
    return http.client.HTTPConnection(host, int(port), timeout=TIMEOUT, source_address=source)


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def vendor_of(state):
    class Vendor(Quiet):
        def handle_any(self):
            body = self.body()
            state.count(self.headers.get("Idempotency-Key"))
            mode = state.mode()
            if mode and random.random() < float(mode.get("share", 1.0)):
                self.fail(mode)
            else:
                self.pass_on(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any

        def fail(self, mode):
            status, value = ANSWERS[mode["mode"]]
            headers = {"Content-Type": "application/json"}
            if mode.get("retry_after") is not None:
                headers["Retry-After"] = str(mode["retry_after"])
            self.answer(status, json.dumps(value).encode(), headers)

        def pass_on(self, body):
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "content-length")}
            connection = upstream_connection()
            try:
                connection.request(self.command, self.path, body=body or None, headers=headers)
                given = connection.getresponse()
                content = given.read()
                dropped = ("connection", "content-length", "transfer-encoding", "keep-alive")
                self.answer(given.status, content, {k: v for k, v in given.getheaders() if k.lower() not in dropped})
            except (OSError, http.client.HTTPException):
                self.answer(502, b"{}", {"Content-Type": "application/json"})
            finally:
                connection.close()

    return Vendor


def admin_of(state):
    class Admin(Quiet):
        def do_GET(self):
            known = {"/healthz": {}, "/calls": state.calls(), "/mode": state.mode() or {}}
            value = known.get(self.path)
            self.answer(404 if value is None else 200, json.dumps(value or {}).encode(), {"Content-Type": "application/json"})

        def do_PUT(self):
            try:
                state.set_mode(json.loads(self.body()))
            except (ValueError, KeyError) as error:
                self.answer(400, str(error).encode(), {})
                return
            self.answer(200, b"{}", {})

        def do_DELETE(self):
            state.clear()
            self.answer(200, b"{}", {})

    return Admin


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    context = None

    def get_request(self):
        sock, address = super().get_request()
        if self.context:  # the handshake is the handler thread's to wait for
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request, client_address):
        pass  # a client that goes away is no news


def main():
    state = State()
    vendor = Server((OWN, int(os.environ["PORT"])), vendor_of(state))
    if os.path.isdir(TLS):
        vendor.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        vendor.context.load_cert_chain(TLS + "/tls.crt", TLS + "/tls.key")
    threading.Thread(target=vendor.serve_forever, daemon=True).start()
    Server((OWN, ADMIN_PORT), admin_of(state)).serve_forever()


if __name__ == "__main__":
    main()
