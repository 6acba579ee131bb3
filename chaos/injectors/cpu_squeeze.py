"""`cpu-squeeze`: pods have less processor time in place, and get it back.

What needs more than the limit is throttled: it goes on, slower. It is felt under load only.
"""

from typing import Literal

from chaos.injectors import squeezing
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.squeezing import (
    SqueezeSpec,
    SqueezeState,
    dose,
    permissions,
    settle,
    start,
    stop,
    undo_calls,
    undo_words,
    verify,
)

PRIVILEGE: Privilege = "api"
_LEAST = "10m"  # the kernel gives no container less than a hundredth of a core


class CpuSqueeze(SqueezeSpec):
    """A noisy neighbour, or a limit set too low."""

    kind: Literal["cpu-squeeze"]


class State(SqueezeState):
    """Pods with less cpu."""


Spec = CpuSqueeze


def prepare(spec: CpuSqueeze, aim: Aim) -> State:
    return State(**squeezing.prepare(spec, "cpu", _LEAST, aim))


__all__ = [
    "PRIVILEGE",
    "Spec",
    "State",
    "dose",
    "permissions",
    "prepare",
    "settle",
    "start",
    "stop",
    "undo_calls",
    "undo_words",
    "verify",
]
