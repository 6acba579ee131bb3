"""The only importer of httpx: bounded requests whose troubles are ours."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from chaos.errors import NotReady


@dataclass(frozen=True)
class Answer:
    """What a server said, and how long it took, in seconds."""

    status: int
    text: str
    headers: Mapping[str, str]
    seconds: float


def get(url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> Answer:
    """GET `url` on a new connection, within `timeout` seconds in all; NotReady when no answer came."""
    import httpx  # noqa: PLC0415 # 100 ms that nobody pays who only validates a file

    started = time.monotonic()
    try:
        with httpx.Client(timeout=timeout, trust_env=False, verify=_verify(url)) as client:
            response = client.get(url, headers=dict(headers or {}))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReady(f"GET {url}: {_short(error)} after {time.monotonic() - started:.2f} s") from error
    return Answer(response.status_code, response.text, response.headers, time.monotonic() - started)


def _verify(url: str) -> bool:
    """Loading the trusted roots costs 40 ms; a plain-HTTP probe needs none."""
    return url.startswith("https:")


def _short(error: Exception) -> str:
    return type(error).__name__ + (f": {error}" if str(error) else "")
