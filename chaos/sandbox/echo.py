"""The image `gameday-echo`: answers every request with its pod's name; ready after START_DELAY seconds."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_READY_AT = time.monotonic() + float(os.environ.get("START_DELAY", "0"))


class Echo(BaseHTTPRequestHandler):
    """One answer to everything."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        said = self.rfile.read(length).decode(errors="replace")
        ready = time.monotonic() >= _READY_AT
        body = json.dumps({"pod": os.environ.get("POD_NAME", ""), "path": self.path, "said": said}).encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    address = (os.environ.get("POD_IP", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    server = ThreadingHTTPServer(address, Echo)
    server.daemon_threads = True
    server.serve_forever()
