"""Container images of our own, built by Docker from files in memory: the same files make the same tag, and no second build."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.clients.containers import connect, translated
from chaos.errors import DockerError

_BUILD_WITHIN = 900.0  # seconds without a word from Docker; a base image may have to be pulled


def shop_files(package: Path) -> dict[str, bytes]:
    """What the sample shop's image is made of: its part of the package and its Dockerfile, and nothing else of the machine."""
    sources = [package / "__init__.py", *sorted((package / "shop").rglob("*.py"))]
    files = {f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in sources}
    return {**files, "Dockerfile": (package / "shop" / "Dockerfile").read_bytes()}


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
