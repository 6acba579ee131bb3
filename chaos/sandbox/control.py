"""Starts, finds and ends the sandbox of a folder. A lock that dies with the daemon says whether it lives, not a pid."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import NotReady

_LIFELINES: dict[Path, int] = {}  # folder -> our end of the pipe: the sandbox ends when we do
_POLL = 0.01


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that answers."""

    pid: int
    server: str
    kubeconfig: Path
    log: Path
    network: str


def up(folder: Path, *, within: float = 20.0, die_with_parent: bool = False) -> Sandbox:
    """Start the daemon and wait until it answers; one that is up already is returned as it is.

    With `die_with_parent` it ends when this process does, however that ends.
    """
    if sys.platform != "linux":
        raise NotReady(
            "the sandbox needs Linux (or WSL): its pods have loopback addresses of their own; here, use a kind cluster"
        )
    folder = folder.resolve()
    if (found := status(folder)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-P", "-m", "chaos.sandbox", str(folder)]
    lifeline: tuple[int, ...] = ()
    if die_with_parent:
        reading, writing = os.pipe()
        _cut(folder)
        _LIFELINES[folder] = writing
        lifeline = (reading,)
        command += ["--lifeline", str(reading)]
    path = str(Path(__file__).resolve().parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH"))))}
    try:
        with (folder / "log").open("wb") as log:
            subprocess.run(  # noqa: S603  our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                pass_fds=lifeline,
                timeout=within,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise NotReady(f"the sandbox did not answer within {within:.0f} s; see {folder / 'log'}") from None
    finally:
        for end in lifeline:
            os.close(end)
    if (found := status(folder)) is not None:  # ours, or one that was started at the same moment
        return found
    said = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
    raise NotReady(f"the sandbox did not start: {' '.join(said) or 'it said nothing'}; see {folder / 'log'}")


def status(folder: Path) -> Sandbox | None:
    """The sandbox of this folder, if one is up. What a dead one left behind is no sandbox."""
    folder = folder.resolve()
    if not _locked(folder):
        return None
    try:
        about = json.loads((folder / "sandbox.json").read_text())
    except (OSError, ValueError):
        return None  # it is only starting, or already ending
    return Sandbox(about["pid"], about["server"], folder / "kubeconfig", folder / "log", about["network"])


def down(folder: Path, *, within: float = 15.0) -> bool:
    """End the sandbox, and wait until all its processes are gone. False when there was none."""
    folder = folder.resolve()
    found = status(folder)
    if found is not None:
        os.kill(found.pid, signal.SIGTERM)
        deadline = time.monotonic() + within
        while _session(found.pid) and time.monotonic() < deadline:
            time.sleep(_POLL)
        for pid in _session(found.pid):
            os.kill(pid, signal.SIGKILL)
        while _session(found.pid):
            time.sleep(_POLL)
    _cut(folder)
    for name in ("sandbox.json", "kubeconfig"):
        (folder / name).unlink(missing_ok=True)
    return found is not None


def _cut(folder: Path) -> None:
    if (end := _LIFELINES.pop(folder, None)) is not None:
        os.close(end)


def _locked(folder: Path) -> bool:
    """Whether a daemon holds the lock; the kernel gives it back when the daemon dies."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _session(leader: int) -> list[int]:
    """The processes that still run in the daemon's session: itself and its pods."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == str(leader) and fields[0] not in ("Z", "X"):
            found.append(int(entry.name))
    return found
