"""The closed table from image to program. `command` and `args` of a container are never executed."""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PROGRAMS = {
    "witness": _PACKAGE / "injectors" / "witness_program.py",
    "standin": _PACKAGE / "injectors" / "standin_program.py",
    "guard": _PACKAGE / "injectors" / "guard_program.py",
}


def program_of(image: str, env: dict[str, str], address: str) -> list[str] | None:
    """The command line for an image; None for one that cannot be pulled here."""
    name = image.partition("@")[0]
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    if repository == "gameday-shop":
        return [sys.executable, "-m", "chaos.shop"]
    if repository == "gameday-echo":
        return [sys.executable, "-m", "chaos.sandbox.echo"]
    if repository.endswith("shopify/toxiproxy"):
        own = os.environ.get("GAMEDAY_TOXIPROXY")
        start = [own] if own else [sys.executable, "-m", "chaos.sandbox.toxiproxy"]
        return [*start, "-host", address, "-port", "8474", "-proxy-metrics"]
    if repository in ("python", "docker.io/library/python") and env.get("GAMEDAY_PROGRAM") in _PROGRAMS:
        return [sys.executable, str(_PROGRAMS[env["GAMEDAY_PROGRAM"]])]
    return None
