"""One worker node, chosen and kept from new pods; given free again only by whoever cordoned it."""

from typing import Any, Self

from pydantic import model_validator

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, NotFound
from chaos.injectors import helpers
from chaos.injectors.base import Aim, FaultSpec, FaultState
from chaos.injectors.targets import live_pods, target_of
from chaos.injectors.undoing import put_back
from chaos.model.base import Labels, Name
from chaos.model.dose import Expectation
from chaos.model.node import is_control_plane
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

MARK = "gameday.dev/cordoned-by"
"""Label of a node that we have cordoned; without it the cordon is somebody else's, and stays."""


class NodeSpec(FaultSpec):
    """One worker node, by its name or by what runs on it."""

    node: Name | None = None
    hosting: Labels | None = None
    """Pods, by their labels: one of the nodes that they run on."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.node is None) == (self.hosting is None):
            raise ValueError("give either node (its name) or hosting (labels of pods that run on it)")
        return self


class NodeState(FaultState):
    """The node, and by which mark its cordon is known to be ours."""

    node: str
    node_uid: str
    mark: str
    notes: list[str] = []


def chosen_node(spec: NodeSpec, aim: Aim) -> Obj:
    """A worker that takes pods now; BadInput, with the reason, where there is none, or where it is the only one."""
    nodes = {each["metadata"]["name"]: each for each in aim.world.cluster.find("Node")}
    if spec.node:
        names = [spec.node]
    else:
        pods = live_pods(aim.world.cluster, aim.namespace, spec.hosting or {})
        names = sorted({pod["spec"].get("nodeName", "") for pod in pods} - {""})
    possible = [name for name in names if name in nodes and not _unfit(nodes[name])]
    if not possible:
        known = ", ".join(sorted(name for name, node in nodes.items() if not _unfit(node)))
        reasons = [_unfit(nodes[name]) if name in nodes else f"there is no node {name}" for name in names]
        raise BadInput(
            f"{'; '.join(reasons) or 'none of these pods has a node yet'} (workers that take pods: {known or 'none'})"
        )
    chosen = nodes[aim.rng.choice(possible)]
    if not [name for name, node in nodes.items() if name != chosen["metadata"]["name"] and not _unfit(node)]:
        raise BadInput(f"node {chosen['metadata']['name']} is the only worker that takes pods: nothing could run elsewhere")
    return chosen


def _unfit(node: Obj) -> str:
    """Why this node is not one to cordon; "" = it is."""
    name = node["metadata"]["name"]
    if is_control_plane(node):
        return f"node {name} belongs to the control plane, which is never struck: every undo passes through it"
    if node["spec"].get("unschedulable"):
        return f"node {name} is cordoned already, by somebody else: it is not ours to give free again"
    ready = next((each["status"] for each in node["status"].get("conditions", []) if each["type"] == "Ready"), "")
    return "" if ready == "True" else f"node {name} is not ready"


def fields(node: Obj, aim: Aim) -> dict[str, Any]:
    """The fields of a NodeState, but for its notes."""
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "node": node["metadata"]["name"],
        "node_uid": node["metadata"]["uid"],
        "mark": helpers.name_for("cordon", aim.run, aim.step),
        "targets": [target_of(node, "Node")],
    }


def permissions(state: NodeState) -> list[Permission]:
    return [
        Permission(verb="patch", resource="nodes", name=state.node),
        Permission(verb="patch", resource="nodes", name=state.node, use="undo"),
        Permission(verb="get", resource="nodes", name=state.node, use="undo"),
        Permission(verb="list", resource="nodes", use="observe"),
    ]


def undo_words(state: NodeState) -> str:
    return f"uncordon node/{state.node}, if the cordon is still ours, and take our label off it"


_LABEL = f"/metadata/labels/{MARK.replace('/', '~1')}"


def undo_calls(state: NodeState) -> list[Call]:
    """Uncordon and unmark in one; where somebody has uncordoned meanwhile, the mark alone."""
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": state.node_uid},
        {"op": "test", "path": _LABEL, "value": state.mark},
    ]
    still_cordoned = {"op": "test", "path": "/spec/unschedulable", "value": True}
    unmark = {"op": "remove", "path": _LABEL}
    return [
        PatchBack(
            kind="Node",
            name=state.node,
            patch=[*tests, still_cordoned, {"op": "remove", "path": "/spec/unschedulable"}, unmark],
        ),
        PatchBack(kind="Node", name=state.node, patch=[*tests, unmark]),
    ]


def cordon(state: NodeState, world: World) -> None:
    """Nothing is struck where it is another node than planned, or where somebody has cordoned it since."""
    node = world.cluster.get("Node", state.node)
    labels = node["metadata"].get("labels") or {}
    if node["spec"].get("unschedulable") and labels.get(MARK) != state.mark:
        raise NotFound(f"node/{state.node} was cordoned by somebody else since the plan: it is left alone, nothing was struck")
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": state.node_uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": node["metadata"]["resourceVersion"]},
        {"op": "add", "path": _LABEL, "value": state.mark},
        {"op": "add", "path": "/spec/unschedulable", "value": True},
    ]
    world.cluster.patch("Node", state.node, "", patch, how="json")


def uncordon(state: NodeState, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: NodeState, world: World) -> list[str]:
    """By the mark alone: a cordon without it is somebody else's, and none of ours."""
    try:
        node = world.cluster.get("Node", state.node)
    except NotFound:
        return []
    if node["metadata"]["uid"] != state.node_uid or (node["metadata"].get("labels") or {}).get(MARK) != state.mark:
        return []
    cordoned = "still cordoned by us" if node["spec"].get("unschedulable") else "free, but still bears our label"
    return [f"node/{state.node} is {cordoned} ({MARK}={state.mark})"]


def expectation(state: NodeState) -> Expectation:
    """The scheduler acts on this field."""
    return Expectation(what="object", kind="Node", name=state.node, field="spec.unschedulable", value="true")


def pods_on(cluster: Cluster, node: str) -> list[Obj]:
    """All pods of all namespaces on a node that are neither finished nor on their way out."""
    pods = cluster.find("Pod", fields=f"spec.nodeName={node}")
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]
