"""`config-map`: keys of a ConfigMap have wrong values or are gone, or all of it is, as after a wrong edit; put back as it was.

When its consumers feel it depends on how they read it (see `consumers.py`); `restart: true` rolls them. Useful from the time on
that a pod takes to start, or 100 s without a restart. Inconclusive where no pod starts and no answer changes meanwhile.
"""

from typing import Literal

from chaos.injectors import consumed, stored_data
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.consumed import ConsumedSpec, ConsumedState
from chaos.model.base import Name

PRIVILEGE: Privilege = "api"


class ConfigMapFault(ConsumedSpec):
    """A workload's configuration is wrong, or not there."""

    kind: Literal["config-map"]
    config_map: Name


class State(ConsumedState):
    """A ConfigMap's."""


Spec = ConfigMapFault
permissions, dose = consumed.permissions, consumed.dose
start, stop, verify = stored_data.start, stored_data.stop, stored_data.verify
undo_words, undo_calls = stored_data.undo_words, stored_data.undo_calls


def prepare(spec: ConfigMapFault, aim: Aim) -> State:
    return State(**consumed.prepare(spec, "ConfigMap", spec.config_map, aim))
