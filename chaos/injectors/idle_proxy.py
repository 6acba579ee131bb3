"""A fitting: an idle proxy before a Service, so that what passes can be counted as evidence (a scenario's `observe:`)."""

from typing import Literal

from chaos.injectors import in_path, path_rights
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.in_path import PathSpec, PathState
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "api"


class IdleProxy(PathSpec):
    """Which Service to count at."""

    kind: Literal["idle-proxy"] = "idle-proxy"


Spec = IdleProxy
State = PathState
announce, start, stop, verify = in_path.make_twin, in_path.arm, in_path.disarm, in_path.verify
permissions, undo_words, undo_calls = path_rights.permissions, in_path.undo_words, in_path.undo_calls
traffic = in_path.traffic


def prepare(spec: IdleProxy, aim: Aim) -> PathState:
    return PathState(**in_path.prepare(spec, aim))


def dose(state: PathState) -> Dose:
    return Dose(expect=[], words="none: it only counts")
