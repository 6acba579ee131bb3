"""Starts, finds and ends the sandbox daemon."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import NotReady

_started: list[subprocess.Popen[bytes]] = []  # kept, so that nobody warns of a daemon that is meant to run on


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that answers."""

    pid: int
    server: str
    kubeconfig: Path
    log: Path
    network: str


def status(folder: Path) -> Sandbox | None:
    """The sandbox of this folder, if one is up. A left-over file of a dead one is no sandbox."""
    try:
        info = json.loads((folder / "info.json").read_text())
        command = Path(f"/proc/{info['pid']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return None
    if b"chaos.sandbox" not in command or str(folder).encode() not in command:
        return None  # the number belongs to somebody else by now
    return Sandbox(info["pid"], info["server"], folder / "kubeconfig", folder / "log", info["network"])


def up(folder: Path, *, within: float = 20.0, die_with_parent: bool = False) -> Sandbox:
    """Start the daemon and wait until it answers; one that is up already is returned as it is."""
    if sys.platform != "linux":
        raise NotReady("the sandbox needs Linux (or WSL); elsewhere use a kind cluster: gameday cluster up")
    folder = folder.resolve()
    if (found := status(folder)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("info.json", "kubeconfig"):
        (folder / name).unlink(missing_ok=True)
    command = [sys.executable, "-m", "chaos.sandbox", str(folder), *([str(os.getpid())] if die_with_parent else [])]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _started.append(process)
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "kubeconfig").exists() and (found := status(folder)):
            return found
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise NotReady(f"the sandbox did not start: {(folder / 'log').read_text()[-500:]}")


def down(folder: Path, *, within: float = 15.0) -> bool:
    """End the sandbox and wait until it is gone; its pods go with it. False when there was none."""
    found = status(folder.resolve())
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + within
    while _alive(found.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    if _alive(found.pid):
        os.kill(found.pid, signal.SIGKILL)
    for name in ("info.json", "kubeconfig"):
        (folder / name).unlink(missing_ok=True)
    return True


def _alive(pid: int) -> bool:
    """Whether a process runs; a child of ours that has ended is taken off the process table first."""
    for child in _started:
        if child.pid == pid:
            return child.poll() is None
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
