"""`node-drain`: a worker is emptied for its maintenance: cordoned first, then its pods are evicted as their budgets allow.

Only pods of namespaces that opted in, and that the file names, are asked to leave; all others stay, and the plan lists them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, NotFound
from chaos.injectors import cordoning, evicting
from chaos.injectors.base import LABEL_TARGET, OWN_LABEL, Aim, Privilege
from chaos.injectors.cordoning import NodeSpec, NodeState
from chaos.injectors.evicting import Asked
from chaos.injectors.eviction import MOST_PATIENCE
from chaos.injectors.targets import Workload, keep_caps, refuse_protected, target_of, workloads_of
from chaos.model.base import Name, Record
from chaos.model.dose import Dose
from chaos.model.run import Permission
from chaos.model.target import Target
from chaos.model.units import Duration

PRIVILEGE: Privilege = "api"
_COUNTED = ("Deployment", "ReplicaSet", "StatefulSet")
_MIRROR = "kubernetes.io/config.mirror"


class NodeDrain(NodeSpec):
    """A node is emptied, as for an update of its kernel."""

    kind: Literal["node-drain"]
    namespaces: Annotated[list[Name], Field(max_length=20)] = []
    """More namespaces whose pods leave the node; each must have opted in. Default: only the scenario's own."""
    patience: Annotated[Duration, Field(le=MOST_PATIENCE)] = 5.0
    """How long a pod that a budget keeps is asked again, once a second."""
    back_within: Duration = 90.0
    """How long the owners may take to have as many pods ready as before."""


class Ready(Record):
    """How many pods of a workload were ready."""

    kind: str
    name: str
    namespace: str
    uid: str
    ready: int


class State(NodeState):
    """The node, the pods that are asked to leave it, and how ready their workloads were."""

    leaving: list[Target]
    asked: list[Asked] = []
    workloads: list[Ready]
    patience: float
    back_within: float


Spec = NodeDrain
stop = cordoning.uncordon
undo_calls = cordoning.undo_calls


def prepare(spec: NodeDrain, aim: Aim) -> State:
    cluster = aim.world.cluster
    spaces = [aim.namespace, *(each for each in spec.namespaces if each != aim.namespace)]
    for space in spaces:
        _refuse_closed(cluster, space, own=space == aim.namespace)
    node = cordoning.chosen_node(spec, aim)
    leaving, staying = _parted(cordoning.pods_on(cluster, node["metadata"]["name"]), spaces)
    if not leaving:
        raise BadInput(
            f"node {node['metadata']['name']} runs no pods of {', '.join(spaces)} that could leave: nothing would be struck"
        )
    asked, notes = evicting.by_budget(cluster, leaving)
    workloads = _keep_caps(cluster, spaces, leaving, aim)
    told = ["pods do not move back when the node is given free again", *notes, *staying]
    fields = cordoning.fields(node, aim)
    targets = [target_of(pod, "Pod") for pod in leaving]
    return State(
        **{**fields, "targets": fields["targets"] + targets},
        leaving=targets,
        asked=asked,
        workloads=[ready for each in workloads if (ready := _ready(cluster, each[0], each[1]))],
        patience=spec.patience,
        back_within=spec.back_within,
        notes=told,
    )


def _refuse_closed(cluster: Cluster, space: str, *, own: bool) -> None:
    refuse_protected(space)
    try:
        labels = cluster.get("Namespace", space)["metadata"].get("labels") or {}
    except NotFound:
        raise BadInput(f"there is no namespace {space}") from None
    if not own and labels.get(LABEL_TARGET) != "true":  # the scenario's own has been asked by whoever made the plan
        raise BadInput(f"namespace {space} has not opted in to be struck: its pods stay where they are")


def _parted(pods: Sequence[Obj], spaces: Sequence[str]) -> tuple[list[Obj], list[str]]:
    """The pods that leave, and words for those that stay."""
    leaving, staying = [], Counter[str]()
    for pod in pods:
        meta = pod["metadata"]
        owner = next((each["kind"] for each in meta.get("ownerReferences") or [] if each.get("controller")), "")
        if (meta.get("labels") or {}).items() >= OWN_LABEL.items():
            continue  # a helper of ours is none of the node's work
        if meta["namespace"] not in spaces:
            staying[f"of namespace {meta['namespace']}, which this does not strike"] += 1
        elif _MIRROR in (meta.get("annotations") or {}):
            staying["that the node itself runs (mirror pods)"] += 1
        elif owner == "DaemonSet":
            staying["of a DaemonSet, which would be back on the node at once"] += 1
        elif not owner:
            staying["without an owner that would replace them"] += 1
        else:
            leaving.append(pod)
    return leaving, [f"{count} pods stay on the node: {why}" for why, count in sorted(staying.items())]


def _keep_caps(cluster: Cluster, spaces: Sequence[str], leaving: Sequence[Obj], aim: Aim) -> list[tuple[Workload, str]]:
    """Every workload that loses pods, with its namespace; refused where it would lose more than the caps allow."""
    found: dict[str, tuple[Workload, str]] = {}
    for space in spaces:
        chosen = [pod for pod in leaving if pod["metadata"]["namespace"] == space]
        owners = {workload.uid: workload for workload in workloads_of(cluster, chosen).values()}
        there = [pod for pod in cluster.find("Pod", space) if _counts(pod)]
        whole = workloads_of(cluster, there)
        keep_caps(there, chosen, whole, aim.caps)
        found |= {uid: (workload, space) for uid, workload in owners.items()}
    return list(found.values())


def _counts(pod: Obj) -> bool:
    owned = any(each.get("controller") for each in pod["metadata"].get("ownerReferences") or [])
    live = not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")
    return owned and live


def _ready(cluster: Cluster, workload: Workload, space: str) -> Ready | None:
    if workload.kind not in _COUNTED:
        return None
    found = cluster.get(workload.kind, workload.name, space)
    ready = found.get("status", {}).get("readyReplicas", 0)
    return Ready(kind=workload.kind, name=workload.name, namespace=space, uid=workload.uid, ready=ready)


def permissions(state: State) -> list[Permission]:
    spaces = sorted({target.namespace for target in state.leaving})
    kinds = {(each.namespace, each.kind) for each in state.workloads}
    kinds |= {(space, "ReplicaSet") for space, kind in kinds if kind == "Deployment"}  # through which pods belong to it
    read = [
        Permission(verb="get", resource=f"{kind.lower()}s", group="apps", namespace=space, use="observe")
        for space, kind in sorted(kinds)
    ]
    everywhere = Permission(verb="list", resource="pods", use="observe")
    return cordoning.permissions(state) + evicting.permissions(spaces) + [everywhere, *read]


def undo_words(state: State) -> str:
    return f"{cordoning.undo_words(state)}; the {len(state.leaving)} pods stay where their owners have put them"


def start(state: State, world: World) -> None:
    cordoning.cordon(state, world)
    evicting.evict_all(world.cluster, state.leaving, patience=state.patience)


def settle(state: State) -> float:
    """Seconds that `verify` may take: the owners need their time."""
    return state.back_within


def verify(state: State, world: World) -> list[str]:
    short = [words for each in state.workloads if (words := _short(each, world.cluster))]
    return cordoning.verify(state, world) + short


def _short(before: Ready, cluster: Cluster) -> str:
    try:
        found = cluster.get(before.kind, before.name, before.namespace)
    except NotFound:
        return ""
    ready = found.get("status", {}).get("readyReplicas", 0)
    wanted = min(before.ready, found["spec"].get("replicas", 1))
    what = f"{before.kind.lower()}/{before.name} in {before.namespace}"
    return (
        f"{what}: {ready} of {wanted} pods are ready again" if found["metadata"]["uid"] == before.uid and ready < wanted else ""
    )


def dose(state: State) -> Dose:
    words = (
        f"node {state.node} takes no new pods, and each of {len(state.leaving)} pods left it or is kept by a disruption budget"
    )
    return Dose(expect=[cordoning.expectation(state), *evicting.expectations(state.asked)], words=words)
