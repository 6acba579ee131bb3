"""The closed table from image to program. A container's `command` and `args` are never executed."""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PROGRAMS = {name: _PACKAGE / "injectors" / f"{name}_program.py" for name in ("witness", "standin", "guard")}
_PYTHON = (sys.executable, "-P")  # the folder that it runs in is no place to import from
API_PROGRAMS = ("guard",)
"""Programs that talk to the API, with the rights of their pod's service account as on a cluster."""


class UnknownImage(Exception):
    """The image is not in the table, so it cannot be pulled here."""


def repository(image: str) -> str:
    """The image without registry defaults, tag and digest."""
    name = image.partition("@")[0]
    name = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(prefix)
    return name


def argv(image: str, env: dict[str, str], address: str) -> list[str]:
    """The command line that stands for an image."""
    match repository(image):
        case "gameday-shop":
            return [*_PYTHON, "-m", "chaos.shop"]
        case "gameday-echo":
            return [*_PYTHON, "-m", "chaos.sandbox.echo"]
        case "ghcr.io/shopify/toxiproxy":
            real = os.environ.get("GAMEDAY_TOXIPROXY")
            start = [real] if real else [*_PYTHON, "-m", "chaos.sandbox.toxiproxy"]
            return [*start, "-host", address, "-port", "8474", "-proxy-metrics"]
        case "python" if program(env) in _PROGRAMS:
            return [*_PYTHON, str(_PROGRAMS[program(env)])]
        case "python":
            known = ", ".join(_PROGRAMS)
            raise UnknownImage(f"the sandbox runs {image} only with GAMEDAY_PROGRAM set to one of {known}")
    raise UnknownImage(f"the sandbox does not know the image {image}; it has gameday-shop, gameday-echo, toxiproxy and python")


def program(env: dict[str, str]) -> str:
    return env.get("GAMEDAY_PROGRAM", "")
