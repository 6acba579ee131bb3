"""A web server on loopback that does as it is told, and the arithmetic of records."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chaos.load.locust import LoadProcess
from chaos.load.spec import LoadSpec
from chaos.model.events import LoadName, LoadNote, LoadSecond

SLOW = 0.8


class ScriptedServer:
    """Answers every request as its mode says: ok, refuse, hang, 503, slow, wrong, degraded, degraded-json, drip, cut."""

    def __init__(self) -> None:
        self._mode = "ok"
        self._change = threading.Condition()
        self._open: set[socket.socket] = set()
        self.seen: Counter[str] = Counter()  # path -> requests read
        self.answered: Counter[int] = Counter()  # status -> answers sent
        self.connections = 0
        self._closing = False
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode: str) -> float:
        """Be in this mode from now on; returns when exactly that was."""
        with self._change:
            if mode == "refuse":
                self._listener.close()
                self._hang_up()
            elif self._mode == "refuse":
                self._listener = self._listen(self.port)
            self._mode = mode
            self._change.notify_all()
            return time.monotonic()

    def close(self) -> None:
        with self._change:
            self._closing = True
            self._listener.close()
            self._hang_up()
            self._change.notify_all()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=512)

    def _hang_up(self) -> None:
        for connection in self._open:
            # end it for both sides: a thread may be reading from it
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._open.clear()

    def _accept(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closing or self._mode != "refuse")
                if self._closing:
                    return
                listener = self._listener
            try:
                listener.settimeout(0.05)
                connection, _ = listener.accept()
            except (TimeoutError, OSError):
                continue
            with self._change:
                self._open.add(connection)
                self.connections += 1
            connection.setblocking(True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                length = next(
                    (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
                )
                while len(buffer) < length:
                    buffer += connection.recv(65536)
                buffer = buffer[length:]
                self._answer(connection, head.split(b" ")[1].decode())
        except OSError:
            return
        finally:
            with self._change:
                self._open.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, path: str) -> None:
        with self._change:
            self.seen[path] += 1
            mode = self._mode
            if mode == "hang":
                self._change.wait_for(lambda: self._closing)
                return
            if mode == "slow":
                self._change.wait_for(lambda: self._closing, timeout=SLOW)
        status, headers, body = 200, "", b"ok"
        if mode == "503":
            status, body = 503, b"no"
        elif mode == "wrong":
            body = b"nonsense"
        elif mode == "degraded":
            headers = "X-Degraded: yes\r\n"
        elif mode == "degraded-json":
            body = b'{"pay": {"deferred": true}}'
        promised = len(body) + (10 if mode in ("cut", "drip") else 0)
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {promised}\r\n{headers}\r\n".encode() + body)
        if mode == "cut":
            connection.shutdown(socket.SHUT_RDWR)
        if mode == "drip":
            for _ in range(10):
                with self._change:
                    self._change.wait_for(lambda: self._closing, timeout=0.3)
                connection.sendall(b".")
        self.answered[status] += 1


class Records:
    """What came out of a generator, and sums over it."""

    def __init__(self) -> None:
        self.seconds: list[LoadSecond] = []
        self.notes: list[LoadNote] = []
        self._more = threading.Condition()

    def __call__(self, record: LoadSecond | LoadNote) -> None:
        with self._more:
            (self.notes if isinstance(record, LoadNote) else self.seconds).append(record)  # type: ignore[arg-type]
            self._more.notify_all()

    def wait(self, holds: Callable[["Records"], Any], within: float = 20.0) -> None:
        """Wait until the records say so."""
        with self._more:
            assert self._more.wait_for(lambda: holds(self), within), f"did not come: {self.notes}"

    def names(self, name: str | None = None) -> list[LoadName]:
        return [load for second in self.seconds for key, load in second.names.items() if name in (None, key)]

    def total(self, field: str, name: str | None = None) -> int:
        return sum(getattr(load, field) for load in self.names(name))

    def errors(self, name: str | None = None) -> Counter[str]:
        return sum((Counter(load.errors) for load in self.names(name)), Counter())

    def histogram(self, field: str) -> dict[int, int]:
        return dict(sum((Counter(getattr(load, field)) for load in self.names()), Counter()))

    def slots(self, good_within: float | None = None) -> dict[int, tuple[int, bool]]:
        """Number of the 50 ms slot -> (attempts begun, whether a good answer came in it)."""
        table: dict[int, tuple[int, bool]] = {}
        for second in self.seconds:
            for load in second.names.values():
                if load.slots is None:
                    continue
                for index in range(20):
                    attempted, good = table.get(second.second * 20 + index, (0, False))
                    fastest = load.slots.fastest[index]
                    answered = load.slots.good[index] > 0 and (good_within is None or 0 < fastest <= good_within)
                    table[second.second * 20 + index] = (attempted + load.slots.attempted[index], good or answered)
        return table

    def longest_outage(self, good_within: float | None = None) -> float:
        """The longest time without a good answer, between two of them, in which somebody tried."""
        table = self.slots(good_within)
        good = [slot for slot in sorted(table) if table[slot][1]]
        gaps = [(later - earlier, earlier, later) for earlier, later in pairwise(good)]
        tried = [gap for gap, earlier, later in gaps if any(table.get(slot, (0,))[0] for slot in range(earlier + 1, later))]
        return max(tried, default=0) / 20

    @property
    def said(self) -> list[str]:
        return [note.what for note in self.notes]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def locustfile(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a locustfile in a folder of its own."""

    def write(text: str) -> Path:
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        path = folder / "customers.py"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def start(tmp_path: Path, records: Records) -> Iterator[Callable[..., LoadProcess]]:
    """Starts load that is certainly stopped again, and waits until it has begun."""
    started: list[LoadProcess] = []

    def begin(file: Path, host: str, **amounts: Any) -> LoadProcess:
        spec = LoadSpec(locustfile=file, host=host, **({"limit": 60.0} | amounts))
        load = LoadProcess.start(spec, folder=tmp_path / "run", on_record=records)
        started.append(load)
        load.wait_started(20)
        return load

    yield begin
    for load in started:
        load.stop(within=0.5)
