"""`cpu-squeeze`: pods have less processor time in place, and get it back.

What needs more than the limit is throttled: it goes on, slower. It is felt under load only.
"""

from typing import Literal

from chaos.injectors import squeezing
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.squeezing import SqueezeSpec, SqueezeState

PRIVILEGE: Privilege = "api"
_LEAST = "10m"  # the kernel gives no container less than a hundredth of a core


class CpuSqueeze(SqueezeSpec):
    """A noisy neighbour, or a limit set too low."""

    kind: Literal["cpu-squeeze"]


class State(SqueezeState):
    """Pods with less cpu."""


Spec = CpuSqueeze
permissions, dose = squeezing.permissions, squeezing.dose
start, stop, verify, settle = squeezing.start, squeezing.stop, squeezing.verify, squeezing.settle
undo_words, undo_calls = squeezing.undo_words, squeezing.undo_calls


def prepare(spec: CpuSqueeze, aim: Aim) -> State:
    return State(**squeezing.prepare(spec, "cpu", _LEAST, aim))
