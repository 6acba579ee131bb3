"""One kind node, by its name or by what runs on it, as the faults of a single node choose it."""

from typing import Self

from pydantic import model_validator

from chaos.clients.world import Obj
from chaos.errors import BadInput
from chaos.injectors import choosing_nodes
from chaos.injectors.base import Aim
from chaos.injectors.node_containers import ContainerSpec, ContainerState
from chaos.injectors.targets import live_pods
from chaos.model.base import Labels, Name


class OneNodeSpec(ContainerSpec):
    """One node, by its name or by what runs on it."""

    node: Name | None = None
    hosting: Labels | None = None
    """Pods, by their labels: one of the nodes that they run on."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.node is None) == (self.hosting is None):
            raise ValueError("give either node (its name) or hosting (labels of pods that run on it)")
        return self


def prepare(spec: OneNodeSpec, aim: Aim) -> ContainerState:
    return ContainerState(**choosing_nodes.prepare(spec, aim, [chosen(spec, aim)]))


def chosen(spec: OneNodeSpec, aim: Aim) -> Obj:
    nodes = {each["metadata"]["name"]: each for each in aim.world.cluster.find("Node")}
    if spec.node:
        names = [spec.node]
    else:
        pods = live_pods(aim.world.cluster, aim.namespace, spec.hosting or {})
        names = sorted({pod["spec"].get("nodeName", "") for pod in pods} - {""})
    possible = [name for name in names if name in nodes]
    if not possible:
        wanted = f"there is no node {spec.node}" if spec.node else "none of these pods has a node yet"
        raise BadInput(f"{wanted}; the cluster has {', '.join(sorted(nodes))}")
    return nodes[aim.rng.choice(possible)]
