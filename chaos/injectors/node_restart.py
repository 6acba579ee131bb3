"""`node-restart`: a kind node is off at once, and comes back by itself a moment later, as after a crash of its kernel.

Source: Docker's stop without grace of the node's container, and its start with the address kept.
"""

import threading
from contextlib import suppress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
    down_for: Annotated[Duration, Field(ge=6.0)] = 8.0
    """How long it is off; long enough for that to be seen."""

    @model_validator(mode="after")
    def _back_in_time(self) -> Self:
        if self.duration < self.down_for:
            raise ValueError("duration is shorter than down_for: the undo would come before the node comes back by itself")
        return self


class State(ContainerState):
    """How long the node is off."""

    down_for: float


Spec = NodeRestart
permissions, undo_words = node_containers.permissions, node_containers.undo_words
verify, settle, lands = node_containers.verify, node_containers.settle, node_containers.lands
undo_calls, claims = node_containers.undo_calls, node_containers.claims
_DUE: dict[tuple[str, str], threading.Timer] = {}
"""By run and step: what gives a node back by itself. The undo takes its place, so that it never comes into a later strike."""


def prepare(spec: NodeRestart, aim: Aim) -> State:
    fields = choosing_nodes.prepare(spec, aim, [one_container.chosen(spec, aim)])
    return State(**fields, down_for=spec.down_for)


def start(state: State, world: World) -> None:
    node_containers.everywhere(state, world, node_containers.take_away("stop"))

    def come_back() -> None:
        with suppress(GamedayError):  # the undo does the same, again and again, and tells what stands in its way
            node_containers.stop(state, world)

    back = _DUE[state.run, state.step] = threading.Timer(state.down_for, come_back)
    back.daemon = True
    back.start()


def stop(state: State, world: World) -> None:
    if due := _DUE.pop((state.run, state.step), None):
        due.cancel()
        due.join()
    node_containers.stop(state, world)


def dose(state: State) -> Dose:
    within = {"within": state.down_for}
    words = f"node {state.nodes[0].name} is off for {state.down_for:g} s: its kubelet gives no answer"
    return node_containers.dose(state, words).model_copy(update=within)
