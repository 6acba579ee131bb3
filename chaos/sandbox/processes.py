"""Child processes that cannot outlive their supervisor, and the files that they log to."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LOG_LIMIT = 8 * 1024 * 1024
_BASE = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


class Process:
    """One running program. The kernel kills it when the supervisor dies, however that dies."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: Path, log: "Log") -> None:
        supervisor = os.getpid()

        def bind() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # type: ignore[union-attr]
            if os.getppid() != supervisor:  # it died between fork and prctl
                os._exit(1)

        base = _BASE | {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": _PACKAGE_ROOT, "POD_ROOT": str(folder)}
        with log.opened() as out:
            self._process = subprocess.Popen(  # noqa: S603  argv comes from the closed table of images
                argv,
                env=base | env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=bind,  # noqa: PLW1509  the supervisor has one thread
            )
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._handle = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        code = self._process.wait()
        if not self._ended.done():
            self._ended.set_result(code if code >= 0 else 128 - code)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Its exit code, 128 + n for a signal, as a container runtime says it."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        if not self._ended.done():
            self._process.send_signal(number)

    async def end(self, grace: float) -> int:
        """SIGTERM, and SIGKILL when the grace is over."""
        self.send(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        with suppress(TimeoutError):
            return await asyncio.wait_for(self.ended(), grace if grace > 0 else None)
        self.send(signal.SIGKILL)
        return await self.ended()


class Log:
    """What a container wrote, bounded in size."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def opened(self) -> BinaryIO:
        return self._path.open("ab")

    def text(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def trim(self) -> None:
        """Start anew when it has grown too large; programs append, so they go on at the new end."""
        if self._path.exists() and self._path.stat().st_size > _LOG_LIMIT:
            os.truncate(self._path, 0)

    async def follow(self, first: bytes) -> AsyncIterator[bytes]:
        """What was asked for, then what is written from now on."""
        at = len(self.text())
        if first:
            yield first
        while self._path.exists():
            await asyncio.sleep(0.2)
            text = self.text()
            at = min(at, len(text))
            if text[at:]:
                yield text[at:]
                at = len(text)
