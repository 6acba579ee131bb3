"""Where records go: from a worker to its master, from everybody else to the runner's pipe and the folder of ids."""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

_MOST_WAITING = 64 * 1024 * 1024


class Outlet(Protocol):
    """What a generator hands its records to. A record is a `LoadSecond` or, with `what`, a `LoadNote`."""

    def send(self, records: Iterable[dict[str, Any]], ids: Iterable[dict[str, Any]]) -> None: ...


class Pipe:
    """Writes one JSON line a record, never blocking the generator: what the runner does not read waits here."""

    def __init__(self, descriptor: int, folder: str) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._files = {name: os.open(Path(folder, f"{name}.jsonl"), flags, 0o600) for name in ("acknowledged", "attempted")}
        os.set_blocking(descriptor, False)

    def send(self, records: Iterable[dict[str, Any]], ids: Iterable[dict[str, Any]]) -> None:
        lines: dict[str, list[bytes]] = {"acknowledged": [], "attempted": []}
        for entry in ids:
            lines["acknowledged" if entry["outcome"] == "acknowledged" else "attempted"].append(_line(entry))
        for name, written in lines.items():
            if written:
                os.write(self._files[name], b"".join(written))
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

    def send(self, records: Iterable[dict[str, Any]], ids: Iterable[dict[str, Any]], *, drained: bool = False) -> None:
        told = {"records": [_line(r).decode() for r in records], "ids": [_line(i).decode() for i in ids], "drained": drained}
        if told["records"] or told["ids"] or drained:
            self._runner.send_message(self.MESSAGE, told)

    @staticmethod
    def unpack(told: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], bool]:
        return [json.loads(r) for r in told["records"]], [json.loads(i) for i in told["ids"]], bool(told["drained"])


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
