"""`zone-outage`: all nodes of a topology zone are gone at once: off, frozen, or cut off.

Source: Docker, on the containers of the kind nodes whose label `topology.kubernetes.io/zone` names the zone.
"""

from typing import Literal, Self

from pydantic import model_validator

from chaos.clients.world import Obj, World
from chaos.errors import BadInput
from chaos.injectors import choosing_nodes, node_containers
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.node_containers import ContainerSpec, ContainerState, Way
from chaos.model.base import Labels
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "docker"
LABEL_ZONE = "topology.kubernetes.io/zone"


class ZoneOutage(ContainerSpec):
    """All nodes of a zone are gone at once."""

    kind: Literal["zone-outage"]
    zone: str | None = None
    hosting: Labels | None = None
    """Pods, by their labels: one of the zones that they run in."""
    sparing: list[Labels] = []
    """Pods, by their labels: no zone that one of them runs in. With `hosting`."""
    how: Way = "stop"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.zone is None) == (self.hosting is None):
            raise ValueError("give either zone (its name) or hosting (labels of pods that run in it)")
        return self


class State(ContainerState):
    """The zone, and how it is gone."""

    zone: str
    how: Way


Spec = ZoneOutage
permissions, undo_words = node_containers.permissions, node_containers.undo_words
stop, verify, settle = node_containers.stop, node_containers.verify, node_containers.settle
lands = node_containers.lands
undo_calls, claims = node_containers.undo_calls, node_containers.claims


def prepare(spec: ZoneOutage, aim: Aim) -> State:
    nodes = aim.world.cluster.find("Node")
    zones = sorted({_zone(node) for node in nodes} - {""})
    zone = spec.zone or _zone_of_pods(spec, aim, nodes)
    chosen = sorted((node for node in nodes if _zone(node) == zone), key=lambda node: str(node["metadata"]["name"]))
    if not chosen:
        raise BadInput(f"no node is labelled {LABEL_ZONE}={zone}; there are {', '.join(zones) or 'no zones'}")
    if len(zones) < 2:
        raise BadInput(f"zone {zone} is the only one: an outage of all there is shows nothing about zones")
    return State(**choosing_nodes.prepare(spec, aim, chosen), zone=zone, how=spec.how)


def _zone(node: Obj) -> str:
    return str((node["metadata"].get("labels") or {}).get(LABEL_ZONE, ""))


def _zone_of_pods(spec: ZoneOutage, aim: Aim, nodes: list[Obj]) -> str:
    """A zone counts as sparing pods when none of its nodes runs one."""
    everywhere = choosing_nodes.hosting(aim, spec.hosting or {}, [])
    spared = [name for labels in spec.sparing for name in choosing_nodes.hosting(aim, labels, [])]
    struck, safe = ({_zone(node) for node in nodes if node["metadata"]["name"] in each} for each in (everywhere, spared))
    if not (zones := sorted(struck - safe - {""})):
        raise BadInput(f"no zone (label {LABEL_ZONE}) runs these pods and none of those that are to be spared")
    return str(aim.rng.choice(zones))


def start(state: State, world: World) -> None:
    node_containers.everywhere(state, world, node_containers.take_away(state.how))


def dose(state: State) -> Dose:
    return node_containers.dose(state, f"zone {state.zone} is gone: no kubelet of its {len(state.nodes)} nodes answers")
