"""`pod-partition`: some pods are cut off from everybody, or one of their ports is: packets vanish, standing connections too.

Source: nftables' drop in the pod's own network, in both directions. A NetworkPolicy leaves what stands alone; this does not.
"""

from typing import Literal

from chaos.injectors import net_admin, net_agents
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.net_admin import NetSpec, NetState
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "net-admin"


class PodPartition(NetSpec):
    """Packets of a pod vanish."""

    kind: Literal["pod-partition"]
    only_port: bool = False
    """Cut off `port` alone; default: all ports, and the pod's own calls, names included."""


class State(NetState):
    """Whether the whole pod is cut off."""

    whole: bool


Spec = PodPartition
permissions, settle = net_admin.permissions, net_admin.settle
undo_words, undo_calls = net_admin.undo_words, net_admin.undo_calls
arm, disarm, start, stop, verify = net_agents.arm, net_agents.disarm, net_agents.start, net_agents.stop, net_agents.verify


def prepare(spec: PodPartition, aim: Aim) -> State:
    whole = not spec.only_port
    return State(**net_admin.prepare(spec, aim, act="drop", whole=whole), whole=whole)


def dose(state: State) -> Dose:
    what = "all packets" if state.whole else f"packets at port {state.port}"
    return net_admin.seen(state, "route-fails", f"{what} of {net_admin.whose(state)} vanish")
