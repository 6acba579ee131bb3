"""Container images of our own, built by Docker from files in memory: the same files make the same tag, and no second build."""

import contextlib
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from chaos.clients.containers import connect, translated
from chaos.errors import DockerError

LOAD_IMAGE = "GAMEDAY_LOAD_IMAGE"
"""Names an image that the nodes can pull, where load runs on a cluster that we cannot bring images onto."""
_BUILD_WITHIN = 900.0  # seconds without a word from Docker; a base image may have to be pulled


def shop_files(package: Path) -> dict[str, bytes]:
    """What the sample shop's image is made of: its part of the package and its Dockerfile, and nothing else of the machine."""
    sources = [package / "__init__.py", *sorted((package / "shop").rglob("*.py"))]
    files = {f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in sources}
    return {**files, "Dockerfile": (package / "shop" / "Dockerfile").read_bytes()}


def load_files(package: Path) -> dict[str, bytes]:
    """What the image of load on a cluster is made of: the listener and what it needs, and Locust as it is installed here."""
    sources = [package / "__init__.py", package / "load" / "__init__.py", *sorted((package / "load" / "child").glob("*.py"))]
    sources += [package / "model" / "__init__.py", package / "model" / "histogram.py"]
    files = {f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in sources}
    pins = "".join(f"{name}=={version(name)}\n" for name in _installed_for("locust"))
    return {**files, "requirements.txt": pins.encode(), "Dockerfile": (package / "load" / "Dockerfile").read_bytes()}


def _installed_for(package: str) -> list[str]:
    """The package and what it asks for itself, as far as it is installed."""
    wanted = [re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] for each in requires(package) or [] if "extra ==" not in each]
    found = [package]
    for name in wanted:
        with contextlib.suppress(PackageNotFoundError):
            version(name)
            found.append(name)
    return sorted(found)


def load_image(package: Path) -> str:
    """The image of load on a cluster: the one that the environment names, else ours, by what it is made of."""
    return os.environ.get(LOAD_IMAGE) or tag_of("gameday-load", load_files(package))


def tag_of(repository: str, files: Mapping[str, bytes]) -> str:
    """A name that changes when any file does, so that no node keeps serving an old build."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return f"{repository}:{digest.hexdigest()[:12]}"


def build(tag: str, files: Mapping[str, bytes], *, tell: Callable[[str], None]) -> None:
    """Build `files` (with their Dockerfile) as `tag`, unless it is there; Docker's words go to `tell`."""
    if there(tag):
        tell(f"image {tag} is there")
        return
    client = connect(timeout=_BUILD_WITHIN)
    try:
        with translated(f"build image {tag}"):
            for step in client.api.build(
                fileobj=io.BytesIO(_tar(files)), custom_context=True, tag=tag, rm=True, forcerm=True, decode=True
            ):
                if error := step.get("error"):
                    raise DockerError(f"could not build image {tag}: {str(error).strip()}")
                if words := str(step.get("stream", "")).strip():
                    tell(words)
    finally:
        client.close()


def there(tag: str) -> bool:
    """Whether this machine's Docker has the image."""
    client = connect()
    try:
        with translated(f"look for image {tag}"):
            return bool(client.images.list(filters={"reference": tag}))
    finally:
        client.close()


def _tar(files: Mapping[str, bytes]) -> bytes:
    """The files as Docker wants them; without times, so that equal files are equal to its cache."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return whole.getvalue()
