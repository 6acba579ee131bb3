"""Where records go: from a worker to its master, from everybody else to the runner's pipe and the folder of ids."""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from chaos.load.child.ids import Lines

_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one for every line
_MOST_WAITING = 64 * 1024 * 1024


class Outlet(Protocol):
    """What a generator hands its records to. A record is a `LoadSecond` or, with `what`, a `LoadNote`."""

    def send(self, records: Iterable[dict[str, Any]], ids: Lines) -> None: ...


class Pipe:
    """Writes one JSON line a record, never blocking the generator: what the runner does not read waits here."""

    def __init__(self, descriptor: int, folder: str) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._files = {name: os.open(Path(folder, f"{name}.jsonl"), flags, 0o600) for name in ("acknowledged", "attempted")}
        os.set_blocking(descriptor, False)

    def send(self, records: Iterable[dict[str, Any]], ids: Lines) -> None:
        for name, written in ids.items():
            if written:
                os.write(self._files[name], "".join(written).encode())
        for record in records:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting += _line(record)
        self._push()

    def flush(self, within: float) -> None:
        """Get rid of everything, waiting for the runner to read if need be."""
        deadline = time.monotonic() + within
        while self._waiting and time.monotonic() < deadline:
            self._push()
            if self._waiting:
                time.sleep(0.01)

    def _push(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._descriptor, self._waiting[:65536])
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._waiting.clear()  # the runner is gone; the control pipe's end will stop the load
                return
            del self._waiting[:written]


class ToMaster:
    """Sends a worker's records on to its master."""

    MESSAGE = "gameday-records"

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def send(self, records: Iterable[dict[str, Any]], ids: Lines, *, drained: bool = False) -> None:
        lines = [_line(record).decode() for record in records]
        if lines or any(ids.values()) or drained:
            self._runner.send_message(self.MESSAGE, {"records": lines, "ids": ids, "drained": drained})

    @staticmethod
    def unpack(told: dict[str, Any]) -> tuple[list[dict[str, Any]], Lines, bool]:
        return [json.loads(record) for record in told["records"]], told["ids"], bool(told["drained"])


def _line(value: dict[str, Any]) -> bytes:
    return _encode(value).encode() + b"\n"
