"""`pod-loss`: a share of the packets at a port of some pods is lost, on new and standing connections, in both directions.

Source: nftables' random numbers, drawn for each packet; no netem is needed. Callers see late answers, then time-outs: TCP
sends again what was lost, at first after 200 ms.
"""

from typing import Literal, Self

from pydantic import model_validator

from chaos.injectors import net_admin, net_agents
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.net_admin import NetSpec, NetState
from chaos.model.dose import Dose
from chaos.model.units import Percent

PRIVILEGE: Privilege = "net-admin"
_LEAST = 0.05
_SENT_AGAIN_AFTER = 0.19  # seconds: an answer that is not there by then waits for a packet that was lost


class PodLoss(NetSpec):
    """A bad line to a pod."""

    kind: Literal["pod-loss"]
    share: Percent
    """Of packets, in each direction."""

    @model_validator(mode="after")
    def _felt(self) -> Self:
        if self.share < _LEAST:
            raise ValueError(f"a share below {_LEAST:.0%} cannot be told from none within seconds")
        return self


class State(NetState):
    """The share of packets that is lost."""

    share: float


Spec = PodLoss
permissions, settle = net_admin.permissions, net_admin.settle
undo_words, undo_calls = net_admin.undo_words, net_admin.undo_calls
arm, disarm, start, stop, verify = net_agents.arm, net_agents.disarm, net_agents.start, net_agents.stop, net_agents.verify


def prepare(spec: PodLoss, aim: Aim) -> State:
    return State(**net_admin.prepare(spec, aim, act="drop", share=spec.share), share=spec.share)


def dose(state: State) -> Dose:
    """A call takes at least two packets; the half of what that makes late is enough, since few readings are taken."""
    late = 1 - (1 - state.share) ** 2
    words = f"{state.share:.0%} of the packets at port {state.port} of {net_admin.whose(state)} are lost"
    return net_admin.seen(state, "route-fails", words, share=late / 2, timeout=_SENT_AGAIN_AFTER)
