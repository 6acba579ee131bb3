"""Which kind nodes may be struck through their containers, and how all was before. What may not be is refused, with why."""

from collections.abc import Sequence
from typing import Any

from chaos.clients.world import Cluster, Containers, Obj
from chaos.errors import BadInput
from chaos.injectors.base import LABEL_TARGET, Aim
from chaos.injectors.cordoning import pods_on
from chaos.injectors.node_containers import ContainerSpec, NodeBefore
from chaos.injectors.targets import PROTECTED_NAMESPACES, Workload, keep_caps, live_pods, target_of, workload_of
from chaos.model.base import Labels
from chaos.model.node import address_of, is_control_plane
from chaos.probes.pods_ready import is_ready


def hosting(aim: Aim, wanted: Labels, sparing: Sequence[Labels]) -> list[str]:
    """Names of the nodes that run pods with `wanted` labels of the namespace, and none with one of `sparing`."""
    on = {str(pod["spec"].get("nodeName", "")) for pod in live_pods(aim.world.cluster, aim.namespace, wanted)} - {""}
    if not on:
        raise BadInput("none of these pods has a node yet")
    pods = aim.world.cluster.find("Pod", aim.namespace)
    spared = {pod["spec"].get("nodeName") for pod in pods if any(_bears(pod, labels) for labels in sparing)}
    if not on - spared:
        raise BadInput(f"each node that runs these pods ({', '.join(sorted(on))}) runs some that are to be spared, too")
    return sorted(on - spared)


def _bears(pod: Obj, labels: Labels) -> bool:
    own = pod["metadata"].get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items())


def prepare(spec: ContainerSpec, aim: Aim, chosen: Sequence[Obj]) -> dict[str, Any]:
    """The fields of a ContainerState. Refuses, with the reason, what may not be struck or would not come back."""
    containers = _containers(spec.kind, aim)
    names = [node["metadata"]["name"] for node in chosen]
    if len(names) > aim.caps.max_nodes:
        raise BadInput(
            f"this would strike {len(names)} nodes ({', '.join(names)}), the cap is {aim.caps.max_nodes}; "
            "raise caps.nodes with a reason if that is meant"
        )
    _refuse_control_plane(chosen, aim)
    nodes = aim.world.cluster.find("Node")
    others = [node for node in nodes if node["metadata"]["name"] not in names and is_ready(node)]
    if not [node for node in others if not node["spec"].get("taints")]:
        raise BadInput("no ready worker would be left: nothing could run elsewhere")
    _refuse_strangers(aim, names)
    pods = _live(aim.world.cluster.find("Pod", aim.namespace))
    hit = [pod for pod in pods if pod["spec"].get("nodeName") in names]
    keep_caps(pods, hit, {pod["metadata"]["uid"]: _keeper(aim.world.cluster, pod) for pod in pods}, aim.caps)
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(node, "Node") for node in chosen],
        "selector": getattr(spec, "hosting", None) or {},
        "nodes": [_before(node, containers) for node in chosen],
        "address": {node["metadata"]["name"]: address_of(node) for node in chosen},
        "spared": address_of(next((node for node in others if not is_control_plane(node)), others[0])),
        "ready_before": sum(map(is_ready, pods)),
        "back_within": spec.back_within,
        "notes": _notes(names, aim.namespace, len(hit)),
    }


def _containers(kind: str, aim: Aim) -> Containers:
    if aim.caps.docker is None:
        raise BadInput(
            f"{kind} uses the Docker socket, which is as good as root on this machine; where that is meant: "
            "caps: {docker: {because: ...}}"
        )
    if aim.world.containers is None:
        raise BadInput(f"{kind} needs a kind cluster, whose nodes are containers; {aim.world.cluster.environment.name} is none")
    return aim.world.containers


def _refuse_control_plane(chosen: Sequence[Obj], aim: Aim) -> None:
    struck = [node["metadata"]["name"] for node in chosen if is_control_plane(node)]
    if struck and aim.caps.control_plane is None:
        raise BadInput(
            f"node {', '.join(struck)} belongs to the control plane: dose and recovery could not be seen while it is gone; "
            "raise caps.control_plane with a reason if that is meant (the undo needs Docker alone)"
        )


def _refuse_strangers(aim: Aim, names: Sequence[str]) -> None:
    """Whoever lives on these nodes is struck too: only namespaces that have opted in, and what the cluster can spare."""
    cluster = aim.world.cluster
    opted_in = {
        each["metadata"]["name"]
        for each in cluster.find("Namespace")
        if (each["metadata"].get("labels") or {}).get(LABEL_TARGET) == "true"
    }
    pods = [pod for name in names for pod in pods_on(cluster, name) if not _belongs_to_node(pod)]
    strangers = {pod["metadata"]["namespace"] for pod in pods} - opted_in - set(PROTECTED_NAMESPACES)
    if strangers:
        raise BadInput(
            f"pods of {', '.join(sorted(strangers))} run on {', '.join(names)} too, and have not opted in to be struck; "
            f"their owners can: kubectl label namespace NAME {LABEL_TARGET}=true"
        )
    system = _live(cluster.find("Pod", "kube-system"))
    for pod in pods:
        if pod["metadata"]["namespace"] == "kube-system" and not _has_spare(pod, system, names):
            raise BadInput(f"pod {pod['metadata']['name']} of kube-system has no ready replica on another node")


def _has_spare(pod: Obj, pods: Sequence[Obj], names: Sequence[str]) -> bool:
    owner = [each["uid"] for each in pod["metadata"].get("ownerReferences") or []]
    return any(
        is_ready(other)
        and other["spec"].get("nodeName") not in names
        and [each["uid"] for each in other["metadata"].get("ownerReferences") or []] == owner
        for other in pods
    )


def _belongs_to_node(pod: Obj) -> bool:
    """Pods of DaemonSets and static pods go and come with their node."""
    return any(owner["kind"] in ("DaemonSet", "Node") for owner in pod["metadata"].get("ownerReferences") or [])


def _live(pods: Sequence[Obj]) -> list[Obj]:
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]


def _keeper(cluster: Cluster, pod: Obj) -> Workload:
    return workload_of(cluster, pod) or Workload("Pod", pod["metadata"]["name"], pod["metadata"]["uid"])


def _before(node: Obj, containers: Containers) -> NodeBefore:
    name = node["metadata"]["name"]
    found = next((each for each in containers.nodes() if each["name"] == name), None)
    if found is None:
        raise BadInput(f"Docker has no container {name} of this kind cluster: DOCKER_HOST names another machine's, perhaps")
    if found["state"] != "running":
        raise BadInput(f"the container of node {name} is {found['state']} already")
    if address_of(node) not in found["addresses"].values():
        raise BadInput(f"container {name} does not have the node's address {address_of(node)}: it is another cluster's")
    return NodeBefore(
        name=name, uid=node["metadata"]["uid"], container=found["id"], addresses=found["addresses"], fixed=found["fixed"]
    )


def _notes(names: Sequence[str], namespace: str, hit: int) -> list[str]:
    return [
        f"{hit} pods of {namespace} run on {', '.join(names)}; those of other namespaces that have opted in go with them",
        "Kubernetes notices after about 40 s and moves pods after their tolerationSeconds (5 minutes by default); what it has "
        "moved stays there",
        "when the runner is gone, its watchdog gives the nodes back; when that is gone too: gameday recover, on this machine",
    ]
