"""`http`: one GET, and what the answer must look like."""

from typing import Annotated, Literal

from pydantic import Field

from chaos.clients import web
from chaos.errors import NotReady
from chaos.model.units import Duration
from chaos.probes.base import ProbeSpec, Reading, View


class Http(ProbeSpec):
    """A GET of `url` (a path on the load's target, or a whole URL) answers as expected."""

    kind: Literal["http"]
    url: str
    status: Annotated[int, Field(ge=100, le=599)] = 200
    contains: str | None = None
    """Text that the body must hold."""
    within: Duration = 2.0
    """Slower than this is not as expected."""


Spec = Http


def read(spec: Http, view: View) -> Reading:
    url = spec.url if "://" in spec.url else view.base_url.rstrip("/") + "/" + spec.url.lstrip("/")
    try:
        answer = web.get(url, timeout=spec.within)
    except NotReady as error:
        return Reading(ok=False, unit="s", detail=str(error))
    wrong = _what_is_wrong(spec, answer)
    return Reading(
        ok=not wrong, value=answer.seconds, unit="s", detail=wrong or f"{answer.status} in {answer.seconds * 1000:.0f} ms"
    )


def _what_is_wrong(spec: Http, answer: web.Answer) -> str:
    if answer.status != spec.status:
        return f"status {answer.status}, expected {spec.status}"
    if spec.contains is not None and spec.contains not in answer.text:
        return f"the body does not hold {spec.contains!r}"
    if answer.seconds > spec.within:
        return f"took {answer.seconds * 1000:.0f} ms, more than {spec.within * 1000:.0f} ms"
    return ""
