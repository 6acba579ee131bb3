"""Run ids that sort by time, and `reports/latest`."""

import contextlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path


def new_run_id(now: datetime, scenario: str, *, token: str = "") -> str:
    """An id that sorts by time and names the scenario; two runs of one second differ by chance."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{scenario[:40].rstrip('-')}-{token or secrets.token_hex(2)}"


def point_latest(reports: Path, folder: Path) -> None:
    """Let `reports/latest` lead to this run, at once for whoever looks; where links cannot be made, nothing happens."""
    new = reports / f".latest-{os.getpid()}-{secrets.token_hex(2)}"
    try:
        new.symlink_to(folder.name)
        new.replace(reports / "latest")
    except OSError:  # a folder of that name, or a file system without links: a convenience less
        with contextlib.suppress(OSError):
            new.unlink()
