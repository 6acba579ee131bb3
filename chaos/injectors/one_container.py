"""One kind node, by its name or by what runs on it, as the faults of a single node choose it."""

from typing import Self

from pydantic import model_validator

from chaos.clients.world import Obj
from chaos.errors import BadInput
from chaos.injectors import choosing_nodes
from chaos.injectors.base import Aim
from chaos.injectors.node_containers import ContainerSpec, ContainerState
from chaos.model.base import Labels, Name


class OneNodeSpec(ContainerSpec):
    """One node, by its name or by what runs on it."""

    node: Name | None = None
    hosting: Labels | None = None
    """Pods, by their labels: one of the nodes that they run on."""
    sparing: list[Labels] = []
    """Pods, by their labels: no node that one of them runs on. With `hosting`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.node is None) == (self.hosting is None):
            raise ValueError("give either node (its name) or hosting (labels of pods that run on it)")
        return self


def prepare(spec: OneNodeSpec, aim: Aim) -> ContainerState:
    return ContainerState(**choosing_nodes.prepare(spec, aim, [chosen(spec, aim)]))


def chosen(spec: OneNodeSpec, aim: Aim) -> Obj:
    nodes = {each["metadata"]["name"]: each for each in aim.world.cluster.find("Node")}
    names = [spec.node] if spec.node else choosing_nodes.hosting(aim, spec.hosting or {}, spec.sparing)
    possible = [name for name in names if name in nodes]
    if not possible:
        raise BadInput(f"there is no node {', '.join(names)}; the cluster has {', '.join(sorted(nodes))}")
    return nodes[aim.rng.choice(possible)]
