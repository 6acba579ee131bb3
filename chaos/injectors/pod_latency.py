"""`pod-latency`: what some pods send from a port leaves late, on new and standing connections.

Source: netem (delay with jitter) on a lane of its own before the pod's network device, for packets that our rules name. Where
the node's kernel has no netem, arming says so, and nothing is struck.
"""

from typing import Literal, Self

from pydantic import model_validator

from chaos.injectors import net_admin, net_agents
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.net_admin import NetSpec, NetState
from chaos.model.dose import Dose
from chaos.model.units import Duration, format_duration

PRIVILEGE: Privilege = "net-admin"
_MOST = 0.8  # of the promised latency must be seen: jitter and the clock take their part


class PodLatency(NetSpec):
    """A pod's answers come late."""

    kind: Literal["pod-latency"]
    latency: Duration
    """Added to each packet that leaves the port."""
    jitter: Duration = 0.0
    """Added or taken away at random."""

    @model_validator(mode="after")
    def _felt(self) -> Self:
        if not self.latency:
            raise ValueError("a latency of nothing would strike nothing")
        if self.jitter > self.latency:
            raise ValueError("jitter is larger than latency")
        return self


class State(NetState):
    """How much later."""

    latency: float


Spec = PodLatency
permissions, settle = net_admin.permissions, net_admin.settle
undo_words, undo_calls = net_admin.undo_words, net_admin.undo_calls
arm, disarm, start, stop, verify = net_agents.arm, net_agents.disarm, net_agents.start, net_agents.stop, net_agents.verify


def prepare(spec: PodLatency, aim: Aim) -> State:
    fields = net_admin.prepare(spec, aim, act="delay", latency=spec.latency, jitter=spec.jitter)
    return State(**fields, latency=spec.latency)


def dose(state: State) -> Dose:
    words = f"port {state.port} of {net_admin.whose(state)} answers {format_duration(state.latency)} later"
    return net_admin.seen(state, "route-slower", words, by=_MOST * state.latency)
