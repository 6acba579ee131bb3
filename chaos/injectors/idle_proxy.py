"""A fitting: an idle proxy before a Service, so that what passes can be counted as evidence (a scenario's `observe:`)."""

from typing import Literal

from chaos.clients.world import World
from chaos.injectors import in_path
from chaos.injectors.base import Aim, FaultSpec, Privilege
from chaos.injectors.in_path import PathState, permissions, traffic, undo_words, verify
from chaos.model.base import Name
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "api"


class IdleProxy(FaultSpec):
    """Which Service to count at."""

    kind: Literal["idle-proxy"] = "idle-proxy"
    service: Name
    port: int | None = None


Spec = IdleProxy
State = PathState
__all__ = ["permissions", "traffic", "undo_words", "verify"]


def prepare(spec: IdleProxy, aim: Aim) -> PathState:
    return in_path.prepare(spec.service, spec.port, aim)


def start(state: PathState, world: World) -> None:
    in_path.arm(state, world)


def stop(state: PathState, world: World) -> None:
    in_path.disarm(state, world)


def dose(state: PathState) -> Dose:
    return Dose(expect=[], words="none: it only counts")
