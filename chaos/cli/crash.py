"""Keeps the traceback of our own crash where it can be pasted from."""

import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path


def keep(error: BaseException) -> Path | str:
    """Writes the traceback to a file that only its owner can read; tells where, or the text if there is nowhere."""
    text = _text(error)
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / name
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            continue  # the next folder may do
        return path
    return text


def _folders() -> list[Path]:
    from chaos.ledger import state_folder

    return [state_folder() / "crashes", Path(tempfile.gettempdir())]


def _text(error: BaseException) -> str:
    import chaos

    head = f"gameday {chaos.__version__}, Python {platform.python_version()}, {platform.platform()}"
    return "\n".join([head, f"arguments: {sys.argv[1:]}", "", *traceback.format_exception(error)])
