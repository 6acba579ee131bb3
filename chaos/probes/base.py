"""What a probe is: a spec, and `read(spec, view) -> Reading`, bounded in time, which never raises for what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.clients.world import World
from chaos.model.base import Id, Model


class ProbeSpec(Model):
    """What a file says about a probe."""

    kind: str
    id: Id


@dataclass(frozen=True)
class Reading:
    """What was seen. `ok` = as the spec expects; something that could not be read is not ok, and `detail` says why.

    `unread`: it is we who could not look (the API server did not answer), which tells nothing of what customers find.
    """

    ok: bool
    unread: bool = False
    value: float | None = None
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """Where a probe looks from."""

    world: World | None  # None with `--on none`
    namespace: str
    base_url: str  # how load enters; relative URLs are resolved against it


class Probe(Protocol):
    """A probe's module."""

    @property
    def Spec(self) -> type[ProbeSpec]: ...  # noqa: N802

    @property
    def read(self) -> Callable[[Any, View], Reading]: ...
