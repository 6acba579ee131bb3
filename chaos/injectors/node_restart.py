"""`node-restart`: a kind node is off at once, and comes back by itself a moment later, as after a crash of its kernel.

Source: Docker's stop without grace of the node's container, and its start with the address kept.
"""

import threading
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import Field

from chaos.clients.world import World
from chaos.errors import GamedayError
from chaos.injectors import choosing_nodes, node_containers, one_container
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.node_containers import ContainerState
from chaos.injectors.one_container import OneNodeSpec
from chaos.model.dose import Dose
from chaos.model.units import Duration

PRIVILEGE: Privilege = "docker"


class NodeRestart(OneNodeSpec):
    """A node restarts."""

    kind: Literal["node-restart"]
    off: Annotated[Duration, Field(ge=6.0)] = 8.0
    """How long it is off; long enough for that to be seen."""


class State(ContainerState):
    """How long the node is off."""

    off: float


Spec = NodeRestart
permissions, undo_words = node_containers.permissions, node_containers.undo_words
stop, verify, settle, undo_calls = (
    node_containers.stop,
    node_containers.verify,
    node_containers.settle,
    node_containers.undo_calls,
)


def prepare(spec: NodeRestart, aim: Aim) -> State:
    fields = choosing_nodes.prepare(spec, aim, [one_container.chosen(spec, aim)])
    return State(**fields, off=spec.off)


def start(state: State, world: World) -> None:
    node_containers.everywhere(state, world, node_containers.take_away("stop"))

    def come_back() -> None:
        with suppress(GamedayError):  # the undo does the same, again and again, and tells what stands in its way
            node_containers.stop(state, world)

    back = threading.Timer(state.off, come_back)
    back.daemon = True
    back.start()


def dose(state: State) -> Dose:
    within = {"within": state.off}
    words = f"node {state.nodes[0].name} is off for {state.off:g} s: its kubelet gives no answer"
    return node_containers.dose(state, words).model_copy(update=within)
