"""`secret`: keys of a Secret have wrong values or are gone, or all of it is, as after a bad rotation; put back as it was.

The bytes of before are nowhere but in an undo Secret of the same namespace. When its consumers feel it depends on how they read
it (see `consumers.py`); `restart: true` rolls them. Useful from the time on that a pod takes to start, or 100 s without a
restart. Inconclusive where no pod starts and no answer changes meanwhile.
"""

from typing import Literal

from chaos.injectors import consumed, stored_data
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.consumed import ConsumedSpec, ConsumedState
from chaos.model.base import Name

PRIVILEGE: Privilege = "api"


class SecretFault(ConsumedSpec):
    """A workload's credentials are wrong, or not there."""

    kind: Literal["secret"]
    secret: Name


class State(ConsumedState):
    """A Secret's."""


Spec = SecretFault
permissions, dose = consumed.permissions, consumed.dose
start, stop, verify = stored_data.start, stored_data.stop, stored_data.verify
undo_words, undo_calls = stored_data.undo_words, stored_data.undo_calls


def prepare(spec: SecretFault, aim: Aim) -> State:
    return State(**consumed.prepare(spec, "Secret", spec.secret, aim))
