"""`node-stop`: a kind node is off at once, as when its power fails, and stays off until the undo.

Source: Docker's stop without grace of the node's container; started again with its address kept.
"""

from typing import Literal

from chaos.clients.world import World
from chaos.injectors import node_containers, one_container
from chaos.injectors.base import Privilege
from chaos.injectors.node_containers import ContainerState
from chaos.injectors.one_container import OneNodeSpec
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "docker"


class NodeStop(OneNodeSpec):
    """A node is off at once, as when its power fails."""

    kind: Literal["node-stop"]


Spec, State = NodeStop, ContainerState
prepare, permissions, undo_words = one_container.prepare, node_containers.permissions, node_containers.undo_words
stop, verify, settle = node_containers.stop, node_containers.verify, node_containers.settle
lands = node_containers.lands
undo_calls, claims = node_containers.undo_calls, node_containers.claims


def start(state: ContainerState, world: World) -> None:
    node_containers.everywhere(state, world, node_containers.take_away("stop"))


def dose(state: ContainerState) -> Dose:
    return node_containers.dose(state, f"node {state.nodes[0].name} is off: its kubelet gives no answer")
