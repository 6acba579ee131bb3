"""What the faults of whole kind nodes share: how their containers are taken away, given back, and read.

A kind node is a container. Docker takes it away and gives it back under the addresses that it had: a kubelet keeps to the one
it was born with. The undo needs Docker alone, so it works while the API server does not.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal

from chaos.clients.world import Cluster, Containers, Obj, World
from chaos.errors import ClusterError, NotFound, NotReady
from chaos.injectors.base import FaultSpec, FaultState
from chaos.model.base import Record
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.model.units import Duration
from chaos.probes.pods_ready import is_ready

_KUBELET = 10250
_TOGETHER = 8
_LANDS_WITHIN = 10.0


class ContainerSpec(FaultSpec):
    """Nodes that are containers."""

    duration: Duration = 30.0
    back_within: Duration = 240.0
    """How long nodes, and as many pods of the namespace as before, may take to be ready again."""


class NodeBefore(Record):
    """A node as it was."""

    name: str
    uid: str
    container: str  # id
    addresses: dict[str, str]  # network -> address
    fixed: list[str] = []  # the networks in which somebody had fixed it


class ContainerState(FaultState):
    """Which nodes, and how all was before."""

    selector: dict[str, str] = {}  # pods for whose sake the nodes were chosen
    nodes: list[NodeBefore]
    address: dict[str, str]  # node -> where its kubelet answers
    spared: str  # address of a node that is not struck
    ready_before: int  # pods of the namespace
    back_within: float
    notes: list[str] = []


def permissions(state: ContainerState) -> list[Permission]:
    return [
        *(Permission(verb="list", resource=resource, use="observe") for resource in ("nodes", "namespaces", "pods")),
        *(Permission(verb="get", resource="nodes", name=node.name, use="undo") for node in state.nodes),
        Permission(verb="list", resource="pods", namespace="kube-system", use="observe"),
        Permission(verb="list", resource="pods", namespace=state.namespace, use="undo"),
        Permission(verb="get", resource="replicasets", group="apps", namespace=state.namespace, use="observe"),
    ]


# -- striking and giving back ------------------------------------------------------------------------------------------


def everywhere(state: ContainerState, world: World, act: Callable[[Containers, NodeBefore], None]) -> None:
    """On all nodes together, each only if it still is that very container; the first trouble is raised when all are through."""
    containers = world.containers
    if containers is None:
        raise NotReady("the nodes' containers cannot be reached from here: this is no kind cluster, or another one")

    def checked(node: NodeBefore) -> None:
        found = next((each for each in containers.nodes() if each["name"] == node.name), None)
        if found is None or found["id"] != node.container:
            raise NotFound(f"the container of node {node.name} is another one than before, or gone: it is not touched")
        act(containers, node)

    with ThreadPoolExecutor(min(_TOGETHER, len(state.nodes))) as pool:
        for done in [pool.submit(checked, node) for node in state.nodes]:
            done.result()


def stop(state: ContainerState, world: World) -> None:
    """Every node runs, is in its networks, under its addresses; whatever was done to it, and how often this is called."""
    everywhere(state, world, lambda containers, node: containers.revive(node.name, node.addresses, node.fixed))


def undo_words(state: ContainerState) -> str:
    nodes = ", ".join(f"{node.name} ({', '.join(node.addresses.values())})" for node in state.nodes)
    return f"start the containers of {nodes} again, in their networks and under these addresses; clean when they are Ready"


def undo_calls(state: ContainerState) -> list[Call]:
    """Nothing that the API server could do."""
    return []


def claims(state: ContainerState) -> list[str]:
    """What no other fault may hold at the same time."""
    return [f"node/{node.name}" for node in state.nodes]


def settle(state: ContainerState) -> float:
    """Seconds that `verify` may take: kubelets and pods need their time."""
    return state.back_within


def lands(state: ContainerState) -> float:
    """Docker carries out what it was asked for, also when nobody waits any more: stopping a full node takes seconds."""
    return _LANDS_WITHIN


def verify(state: ContainerState, world: World) -> list[str]:
    """As Docker tells of the containers, and the API server of nodes and pods."""
    known = {each["name"]: each for each in world.containers.nodes()} if world.containers else {}
    left = [words for node in state.nodes for words in _left_of(node, known.get(node.name))]
    if left:
        return left
    try:
        left = [words for node in state.nodes if (words := _unready(node, known[node.name], world.cluster))]
        ready = sum(map(is_ready, world.cluster.find("Pod", state.namespace)))
    except ClusterError as error:
        return [f"unknown: {error}"]
    if ready < state.ready_before:
        left.append(f"{ready} of {state.ready_before} pods of {state.namespace} are ready again")
    return left


def _left_of(node: NodeBefore, container: dict[str, Any] | None) -> list[str]:
    if container is None or container["id"] != node.container:
        return [f"the container of node {node.name} is not there any more: kind cannot give it back, make the cluster anew"]
    if container["state"] == "paused":
        return [f"node {node.name} is paused: docker unpause {node.name}"]
    if container["state"] != "running":
        return [f"node {node.name} is {container['state']}: docker start {node.name}"]
    missing = {net: address for net, address in node.addresses.items() if container["addresses"].get(net) != address}
    return [
        f"node {node.name} does not have its address {address}: docker network disconnect -f {net} {node.name}; "
        f"docker network connect --ip {address} {net} {node.name}"
        for net, address in missing.items()
    ]


def _unready(node: NodeBefore, container: dict[str, Any], cluster: Cluster) -> str:
    try:
        found = cluster.get("Node", node.name)
    except NotFound:
        return f"node {node.name} is not known to the API server any more: docker restart {node.name}"
    if not is_ready(found):
        return f"node {node.name} runs but is not Ready: docker restart {node.name}"
    if not _heard_since(container["started"], found):  # for 40 s Kubernetes takes one that is off for Ready
        return f"node {node.name} runs, but its kubelet has not been heard since: docker restart {node.name}"
    taints = [each["key"] for each in found["spec"].get("taints") or [] if each["key"].startswith("node.kubernetes.io/")]
    return f"node {node.name} still carries the taint {taints[0]}" if taints else ""


def _heard_since(started: str, node: Obj) -> bool:
    """Whether the node's kubelet reported after its container was started; the clocks are one machine's."""
    told = [each.get("lastHeartbeatTime") for each in node["status"]["conditions"] if each["type"] == "Ready"]
    return all(each and datetime.fromisoformat(each) > datetime.fromisoformat(started) for each in told)


def dose(state: ContainerState, words: str) -> Dose:
    """The nodes' kubelets give no answer, on held and new connections; that of another node does."""
    expect = [Expectation(what="route-fails", route=_route(name, state.address[name])) for name in sorted(state.address)]
    return Dose(expect=expect, control=[_route("spared", state.spared)], within=12.0, words=words)


def _route(name: str, address: str) -> Route:
    return Route(name=f"kubelet-{name}", host=address, port=_KUBELET, scheme="https", path="/healthz")


Way = Literal["stop", "pause", "partition"]


def take_away(how: Way) -> Callable[[Containers, NodeBefore], None]:
    """One way for a node to be gone."""

    def act(containers: Containers, node: NodeBefore) -> None:
        if how == "stop":
            containers.stop(node.name)
        elif how == "pause":
            containers.pause(node.name)
        else:
            for network in node.addresses:
                containers.disconnect(node.name, network)

    return act
