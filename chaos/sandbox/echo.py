"""The `gameday-echo` image: a small HTTP server that tests put into pods. It says who it is and what it was sent.

`/about` tells its caller, environment and files; `/sick` makes `/healthz` fail; `/exit` ends it with the code it was sent.
With `SERVE` it answers with the files below that folder, with `TLS` it shows the certificate in that folder.
"""

import json
import os
import signal
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one write an answer: two would wait for each other on a connection that is kept

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        if os.environ.get("SERVE") and self.path != "/":
            file = _inside(f"{os.environ['SERVE']}/{self.path}")
            return self._send(200, file.read_bytes()) if file.is_file() else self._send(404, b"")
        told: dict[str, object] = {
            "pod": os.environ.get("POD_NAME", ""),
            "method": self.command,
            "path": self.path,
            "body": body,
        }
        if self.path == "/about":
            told |= {"client": self.client_address[0], "env": dict(os.environ), "files": _files()}
        self._send(500 if self.path == "/healthz" and Path(_root(), "sick").exists() else 200, json.dumps(told).encode())
        if self.path == "/exit":
            self.wfile.flush()
            os._exit(int(body or 0))
        if self.path == "/sick":
            Path(_root(), "sick").touch()
        return None

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, format: str, *args: object) -> None:
        sys.stdout.write(f"{format % args}\n")


def _root() -> str:
    return os.environ["POD_ROOT"]


def _inside(path: str) -> Path:
    """A path of the pod's own."""
    return Path(os.path.normpath(f"{_root()}/{path}"))


def _files() -> dict[str, str]:
    found = [path for path in Path(_root()).rglob("*") if path.is_file()]
    return {str(path.relative_to(_root())): path.read_text(errors="replace") for path in found}


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("STUBBORN") else lambda *_: os._exit(0))
    time.sleep(float(os.environ.get("START_DELAY") or 0))
    server = ThreadingHTTPServer((os.environ["POD_IP"], int(os.environ.get("PORT") or 8080)), _Echo)
    if folder := os.environ.get("TLS"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_inside(f"{folder}/tls.crt"), _inside(f"{folder}/tls.key"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
