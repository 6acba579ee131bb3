"""Runs Locust as a child process and hands on, second by second, what it measured.

Nothing here imports locust: it patches the whole process. The child ends itself when this process ends, is bounded in time,
and can be ended from outside by `pid` and `start_time`.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import chaos
from chaos.errors import BadInput, GamedayError
from chaos.load.child.command import locust
from chaos.load.child.setting import VARIABLE
from chaos.load.crash import explain
from chaos.load.spec import RELAY, LoadSpec, setting_of, users_of
from chaos.model.events import LoadNote, LoadSecond

OnRecord = Callable[[LoadSecond | LoadNote], None]

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_MARGIN = 1.0  # what the child needs to end, beside the time for open requests
_MOST_LOG = 65536


class LoadProcess:
    """The Locust child. Make it with `start`; every started one must be stopped."""

    def __init__(
        self, spec: LoadSpec, process: subprocess.Popen[bytes], *, folder: Path, stream: int, on_record: OnRecord
    ) -> None:
        self.spec = spec
        self.folder = folder
        self._process = process
        self._on_record = on_record
        self._stopping = False
        self._failure: Exception | None = None
        self._began = False
        self._settled = threading.Event()  # it has begun, or it never will
        self.start_time = start_time_of(process.pid)
        self._reader = threading.Thread(target=self._read, args=(stream,), name="load", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, spec: LoadSpec, *, folder: Path, on_record: OnRecord) -> "LoadProcess":
        """Start the child; `on_record` is called in a thread of ours with every record, in order, and with a note when it ends.

        In `folder`: `load.log` (what Locust and the locustfile print), `acknowledged.jsonl` and `attempted.jsonl`.
        """
        spec.check()
        folder.mkdir(parents=True, exist_ok=True)
        stream, child_end = os.pipe()
        try:
            with (folder / "load.log").open("ab") as log:
                process = subprocess.Popen(  # noqa: S603
                    _command(spec),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(child_end,),
                    env=_environment(spec, folder, child_end),
                    cwd=spec.locustfile.resolve().parent,
                    start_new_session=True,
                )
        except OSError:
            os.close(stream)
            raise
        finally:
            os.close(child_end)
        return cls(spec, process, folder=folder, stream=stream, on_record=on_record)

    @property
    def pid(self) -> int:
        """The child's process id, which is also that of its group and session."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_started(self, within: float) -> None:
        """Wait until load begins. BadInput names the mistake where the locustfile crashed or has no user class."""
        settled = self._settled.wait(within)
        if self._began:
            return
        if not settled:
            raise GamedayError(f"Locust did not begin within {within:g} s\n{self.tail()}")
        raise BadInput(explain(self.spec.locustfile, self._log()))

    def set_rate(self, rate: float) -> None:
        """Another arrival rate from now on."""
        if self.spec.rate is None:
            raise ValueError("this load has users, not a rate")
        self._order({"rate": rate})

    def set_users(self, users: int) -> None:
        """Another number of users, reached at the spawn rate."""
        if self.spec.users is None:
            raise ValueError("this load has a rate, not users")
        self._order({"users": users})

    def stop(self, within: float) -> int:
        """End the load and everything that belongs to it within so many seconds; return the exit code. May be called again.

        Open requests may end by themselves as long as a customer would wait and the time allows; then they count as failed.
        """
        self._stopping = True
        if self.alive:
            margin = _MARGIN if self.spec.processes == 1 else 2 * _MARGIN
            self._order({"drain": max(0.0, min(self.spec.request_timeout + 0.2, within - margin))})
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within)
        self._kill_group()
        code = self._process.wait()
        self._reader.join(5.0)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return code

    def tail(self, lines: int = 20) -> str:
        """The last lines that Locust or the locustfile printed."""
        return "\n".join(self._log().splitlines()[-lines:])

    @property
    def acknowledged(self) -> Path:
        return self.folder / "acknowledged.jsonl"

    @property
    def attempted(self) -> Path:
        return self.folder / "attempted.jsonl"

    def __enter__(self) -> "LoadProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(within=2.0)

    def _log(self) -> str:
        with (self.folder / "load.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _MOST_LOG))
            return log.read().decode(errors="replace")

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended; its last note says so
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _kill_group(self) -> None:
        """End what is left of the child's group; the group lives as long as any of its processes does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self, stream: int) -> None:
        with os.fdopen(stream, "rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self._take(line)
        self._end()

    def _take(self, line: bytes) -> None:
        value = json.loads(line)
        record = LoadNote.model_validate(value) if "what" in value else LoadSecond.model_validate(value)
        self._hand_on(record)
        if isinstance(record, LoadNote) and record.what == "started":
            self._began = True
            self._settled.set()

    def _hand_on(self, record: LoadSecond | LoadNote) -> None:
        if self._failure is None:
            try:
                self._on_record(record)
            except Exception as error:  # kept for `stop`, which raises it: this thread has nobody to tell
                self._failure = error

    def _end(self) -> None:
        code = self._process.wait()
        if code == 0 or (self._stopping and self._began):
            note = LoadNote(what="ended", exit_code=code)
        else:
            note = LoadNote(what="crashed", detail=explain(self.spec.locustfile, self._log()), exit_code=code)
        self._hand_on(note)
        self._settled.set()


def start_time_of(pid: int) -> int:
    """When a process started, in clock ticks since boot; with the pid it names one process for ever. 0 = it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _command(spec: LoadSpec) -> list[str]:
    if spec.remote:
        return [sys.executable, "-m", "chaos.load.relay"]
    command = locust(spec.locustfile.resolve(), spec.host, users=users_of(spec), spawn_rate=spec.spawn_rate, limit=spec.limit)
    if spec.processes > 1:
        port = _free_port()
        command += ["--processes", str(spec.processes), "--master-bind-host", "127.0.0.1", "--master-host", "127.0.0.1"]
        command += ["--master-bind-port", str(port), "--master-port", str(port), "--expect-workers-max-wait", "30"]
    return command


def _environment(spec: LoadSpec, folder: Path, stream: int) -> dict[str, str]:
    if spec.remote:  # our own program alone, which reaches the cluster as we do
        return {
            **os.environ,
            RELAY: json.dumps({"remote": asdict(spec.remote), "stream": stream, "folder": str(folder.resolve())}),
        }
    setting = replace(setting_of(spec), stream=stream, folder=str(folder.resolve()))
    handed = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    source = str(Path(chaos.__file__).resolve().parents[1])
    return handed | {"HOME": str(folder.resolve()), "PYTHONPATH": source, **spec.environment, VARIABLE: setting.dumps()}


def _free_port() -> int:
    """One below those that the system hands to clients: until Locust listens, no connection of anybody can take it."""
    for port in random.sample(range(15000, 30000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise GamedayError("no free port on 127.0.0.1 for Locust's master")
