"""`node-partition`: a kind node goes on running, but nobody reaches it and it reaches nobody.

Source: Docker's network disconnect of the node's container; connected again under the same address.
"""

from typing import Literal

from chaos.clients.world import World
from chaos.injectors import node_containers, one_container
from chaos.injectors.base import Privilege
from chaos.injectors.node_containers import ContainerState
from chaos.injectors.one_container import OneNodeSpec
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "docker"


class NodePartition(OneNodeSpec):
    """A node loses its network, as when its cable is pulled."""

    kind: Literal["node-partition"]


Spec, State = NodePartition, ContainerState
prepare, permissions, undo_words = one_container.prepare, node_containers.permissions, node_containers.undo_words
stop, verify, settle = node_containers.stop, node_containers.verify, node_containers.settle
lands = node_containers.lands
undo_calls, claims = node_containers.undo_calls, node_containers.claims


def start(state: ContainerState, world: World) -> None:
    node_containers.everywhere(state, world, node_containers.take_away("partition"))


def dose(state: ContainerState) -> Dose:
    return node_containers.dose(state, f"node {state.nodes[0].name} is cut off: its kubelet gives no answer")
