"""`memory-squeeze`: pods have less memory in place, and get it back.

A container that grows beyond the limit is killed and restarted. A kubelet declines a limit below what is in use: no dose then.
"""

from typing import Literal

from chaos.injectors import squeezing
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.squeezing import SqueezeSpec, SqueezeState

PRIVILEGE: Privilege = "api"
_LEAST = "6Mi"  # no runtime starts a container with less


class MemorySqueeze(SqueezeSpec):
    """A limit set too low: the next allocation may be one too many."""

    kind: Literal["memory-squeeze"]


class State(SqueezeState):
    """Pods with less memory."""


Spec = MemorySqueeze
permissions, dose = squeezing.permissions, squeezing.dose
start, stop, verify, settle = squeezing.start, squeezing.stop, squeezing.verify, squeezing.settle
undo_words, undo_calls = squeezing.undo_words, squeezing.undo_calls


def prepare(spec: MemorySqueeze, aim: Aim) -> State:
    return State(**squeezing.prepare(spec, "memory", _LEAST, aim))
