"""Runs one Locust process in a pod; the runner talks to the master's by HTTP, through the API server. Standard library only.

    GET  healthz               answers as soon as the pod is up
    POST begin                 the master starts Locust; workers begin by themselves when the master's port is open
    GET  records?from=N        {"lines": records from number N on, "sizes": of the files, "exit": null or Locust's exit code}
    GET  file/NAME?from=BYTE   what `NAME.jsonl` holds from there on
    GET  log                   the end of what Locust and the locustfile printed
    POST order                 one order (`{"rate": 40}`), handed to Locust
    POST stop                  `{"drain": s}`: end in good order; `records` tells when it has

Load is a fault too: a master that nobody asks for a while ends, and a worker ends when its master is gone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chaos.load.child.command import MASTER_PORT, as_master, as_worker, locust
from chaos.load.child.setting import VARIABLE, Setting

ORDERS = "GAMEDAY_STATION"
PORT = 8477
SILENCE = 20.0
"""Seconds without a question after which a master thinks that its runner is gone."""
FILES = ("acknowledged", "attempted")
_MOST = 1_000_000  # bytes of one answer
_TAIL = 65536
_EVERY = 0.25
_GONE_AFTER = 5  # attempts in a row


@dataclass(frozen=True, kw_only=True)
class Posting:
    """What this pod is to do, from its environment."""

    role: str  # master or worker
    token: str  # first part of every path, so that a neighbour in the cluster has no say
    master: str = ""  # a worker's: where its master is
    workers: int
    locustfile: str
    host: str
    users: int
    spawn_rate: float
    address: str = ""  # the pod's own


class Station:
    """The Locust process of this pod, and what it has told so far."""

    def __init__(self, posting: Posting, setting: Setting, folder: Path) -> None:
        self.posting = posting
        self.setting = setting
        self.folder = folder
        self.lines: list[bytes] = []
        self.exit: int | None = None
        self.asked = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start Locust; a second call changes nothing."""
        with self._lock:
            if self.process is not None:
                return
            stream, child_end = os.pipe()
            setting = replace(self.setting, stream=child_end, folder=str(self.folder))
            source = str(Path(__file__).resolve().parents[3])  # Locust runs in the locustfile's folder
            environment = {**os.environ, "HOME": str(self.folder), "PYTHONPATH": source, VARIABLE: setting.dumps()}
            with (self.folder / "load.log").open("ab") as log:
                self.process = subprocess.Popen(  # noqa: S603
                    self._command(),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(child_end,),
                    env=environment,
                    cwd=Path(self.posting.locustfile).parent,
                    start_new_session=True,
                )
            os.close(child_end)
        threading.Thread(target=self._listen, args=(stream, self.process), daemon=True).start()

    def _command(self) -> list[str]:
        told = self.posting
        command = locust(
            Path(told.locustfile), told.host, users=told.users, spawn_rate=told.spawn_rate, limit=self.setting.limit
        )
        if told.role == "worker":
            return command + as_worker(told.master)
        return command + as_master(told.workers, told.address or "*")

    def _listen(self, stream: int, process: subprocess.Popen[bytes]) -> None:
        with os.fdopen(stream, "rb") as told:
            for line in told:
                self.lines.append(line)
        self.exit = process.wait()

    def order(self, words: bytes) -> None:
        """Hand an order to Locust."""
        process = self.process
        if process is not None and process.stdin is not None:
            try:
                process.stdin.write(words + b"\n")
                process.stdin.flush()
            except OSError:
                return  # it has ended; `records` says so

    def stop(self, drain: bytes) -> None:
        """Ask Locust to end; it gives open requests the time that `drain` says."""
        self.order(drain)
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """End all that belongs to it, at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    # -- what is asked -----------------------------------------------------------------------------------------------

    def records(self, since: int) -> bytes:
        lines, size, end = self.lines, 0, since
        exited = self.exit  # before the lines are looked at: after it none comes
        while end < len(lines) and size < _MOST:
            size += len(lines[end])
            end += 1
        sizes = {name: path.stat().st_size for name in FILES if (path := self.folder / f"{name}.jsonl").exists()}
        told = {"lines": [line.decode() for line in lines[since:end]], "sizes": sizes, "exit": exited, "more": end < len(lines)}
        return json.dumps(told).encode()

    def file(self, name: str, since: int) -> bytes:
        with (self.folder / f"{name}.jsonl").open("rb") as file:
            file.seek(since)
            return file.read(_MOST)

    def log(self) -> bytes:
        try:
            return (self.folder / "load.log").read_bytes()[-_TAIL:]
        except FileNotFoundError:
            return b""


class Visitor(BaseHTTPRequestHandler):
    """One request of the runner, or of the kubelet."""

    protocol_version = "HTTP/1.1"
    server: "Desk"

    def do_GET(self) -> None:
        station, url = self.server.station, urlsplit(self.path)
        token, _, rest = url.path.lstrip("/").partition("/")
        since = int(parse_qs(url.query).get("from", ["0"])[0])
        if url.path == "/healthz":
            self._answer(200, b"ok")
        elif token != station.posting.token:
            self._answer(404, b"")
        elif rest == "records":
            station.asked = time.monotonic()
            self._answer(200, station.records(since))
        elif rest == "log":
            self._answer(200, station.log())
        elif rest.removeprefix("file/") in FILES:
            self._answer(200, station.file(rest.removeprefix("file/"), since))
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        station = self.server.station
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token, _, rest = self.path.lstrip("/").partition("/")
        acts: dict[str, Callable[[], None]] = {
            "begin": station.begin,
            "order": lambda: station.order(body),
            "stop": lambda: station.stop(body),
        }
        if token != station.posting.token or rest not in acts:
            self._answer(404, b"")
            return
        station.asked = time.monotonic()
        acts[rest]()
        self._answer(200, b"ok")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log is Locust's."""


class Desk(ThreadingHTTPServer):
    """Where the station is asked."""

    daemon_threads = True

    def __init__(self, station: Station) -> None:
        self.address_family = socket.AF_INET6 if ":" in station.posting.address else socket.AF_INET
        super().__init__((station.posting.address, PORT), Visitor)
        self.station = station


def look_after(station: Station) -> int:
    """Until Locust has ended, or nobody wants it any more; the exit code of the pod."""
    missed = 0
    worker = station.posting.role == "worker"
    while True:
        time.sleep(_EVERY if station.process is None else 4 * _EVERY)
        if worker:
            here = _answers(station.posting.master, MASTER_PORT)
            if here:
                station.begin()
            missed = 0 if here else missed + 1
            if station.exit is not None or (station.process is not None and missed >= _GONE_AFTER):
                station.end()
                return 0
        elif time.monotonic() - station.asked > SILENCE:
            station.end()
            return 0 if station.exit is not None else 1


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def main() -> None:
    """`python -m chaos.load.child.station`: what a load pod runs."""
    posting = Posting(**json.loads(os.environ[ORDERS]), address=os.environ.get("POD_IP", ""))
    station = Station(posting, Setting.from_environment(), Path(os.environ["HOME"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    desk = Desk(station)
    threading.Thread(target=desk.serve_forever, daemon=True).start()
    try:
        code = look_after(station)
    finally:
        station.end()
    sys.exit(code)


if __name__ == "__main__":
    main()
