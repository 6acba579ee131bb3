"""`pod-reset`: connections to a port of some pods are cut off, new ones and those that stand.

Source: nftables' reject with a TCP reset, in the pod's own network, for packets that arrive at the port.
"""

from typing import Literal

from chaos.injectors import net_admin, net_agents
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.net_admin import NetSpec, NetState
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "net-admin"


class PodReset(NetSpec):
    """A pod resets every connection of its callers."""

    kind: Literal["pod-reset"]


Spec, State = PodReset, NetState
permissions, settle = net_admin.permissions, net_admin.settle
undo_words, undo_calls = net_admin.undo_words, net_admin.undo_calls
arm, disarm, start, stop, verify = net_agents.arm, net_agents.disarm, net_agents.start, net_agents.stop, net_agents.verify


def prepare(spec: PodReset, aim: Aim) -> NetState:
    return NetState(**net_admin.prepare(spec, aim, act="reset"))


def dose(state: NetState) -> Dose:
    return net_admin.seen(state, "route-fails", f"connections to port {state.port} of {net_admin.whose(state)} are reset")
