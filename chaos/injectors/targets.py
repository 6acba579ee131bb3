"""Choosing targets: a selector resolves to pods, owners are checked, caps are kept, and the choice is frozen by UID."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.clients.world import Cluster, Obj
from chaos.errors import BadInput, NotFound
from chaos.model.caps import Caps
from chaos.model.target import Target
from chaos.probes.pods_ready import is_ready

PROTECTED_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")


def refuse_protected(namespace: str) -> None:
    """No cap raises this one: without these namespaces there is no undo."""
    if namespace in PROTECTED_NAMESPACES:
        raise BadInput(f"namespace {namespace} is never struck: the cluster itself, and with it every undo, lives there")


def named(cluster: Cluster, kind: str, name: str, namespace: str) -> Obj:
    """The object that a file names; BadInput where it is not there."""
    try:
        return cluster.get(kind, name, namespace)
    except NotFound:
        raise BadInput(f"there is no {kind.lower()} {name} in namespace {namespace}") from None


@dataclass(frozen=True)
class Workload:
    """What keeps pods alive: a Deployment (found through its ReplicaSet), StatefulSet, DaemonSet, ..."""

    kind: str
    name: str
    uid: str


def target_of(obj: Obj, kind: str = "") -> Target:
    meta = obj["metadata"]
    return Target(
        kind=kind or obj["kind"],
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta.get("uid", ""),
        node=obj.get("spec", {}).get("nodeName", "") if (kind or obj.get("kind")) == "Pod" else "",
    )


def live_pods(cluster: Cluster, namespace: str, selector: Mapping[str, str]) -> list[Obj]:
    """All pods of a selector that are not finished and not being deleted, by name; an empty match is an error."""
    refuse_protected(namespace)
    pods = [pod for pod in cluster.find("Pod", namespace, labels=selector) if _is_live(pod)]
    if not pods:
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        raise BadInput(f"selector {wanted} matches no pod in namespace {namespace}")
    return sorted(pods, key=lambda pod: pod["metadata"]["name"])


def _is_live(pod: Obj) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def how_many(total: int, *, count: int | None, percent: float | None) -> int:
    """`count`, or `percent` of the total rounded up; refused when it comes to nothing or to more than there is."""
    wanted = count if count is not None else math.ceil((percent or 0.0) * total - 1e-9)
    if wanted < 1:
        raise BadInput(f"{percent or 0:.0%} of {total} pods is none: nothing would be struck")
    if wanted > total:
        raise BadInput(f"asked for {wanted} pods, but only {total} match")
    return wanted


def choose(pods: Sequence[Obj], wanted: int, rng: random.Random) -> list[Obj]:
    """A seeded choice: the same seed, pods and number give the same choice."""
    return sorted(rng.sample(list(pods), wanted), key=lambda pod: pod["metadata"]["name"])


def workload_of(cluster: Cluster, pod: Obj) -> Workload | None:
    """The workload that will replace this pod; None for a bare pod, which never comes back."""
    owner = _controller(pod)
    if owner is None:
        return None
    if owner["kind"] == "ReplicaSet":
        try:
            above = _controller(cluster.get("ReplicaSet", owner["name"], pod["metadata"]["namespace"]))
        except NotFound:
            above = None
        owner = above or owner
    return Workload(owner["kind"], owner["name"], owner["uid"])


def _controller(obj: Obj) -> dict[str, str] | None:
    owners = obj["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def workloads_of(cluster: Cluster, pods: Sequence[Obj]) -> dict[str, Workload]:
    """Pod UID -> its workload; one look-up a ReplicaSet. A bare pod is refused."""
    known: dict[str, Workload | None] = {}
    found: dict[str, Workload] = {}
    for pod in pods:
        owner = _controller(pod)
        key = owner["uid"] if owner else ""
        if key not in known:
            known[key] = workload_of(cluster, pod) if owner else None
        workload = known[key]
        if workload is None:
            raise BadInput(f"pod {pod['metadata']['name']} has no owner that would replace it: it would never come back")
        found[pod["metadata"]["uid"]] = workload
    return found


def keep_caps(pods: Sequence[Obj], chosen: Sequence[Obj], workloads: Mapping[str, Workload], caps: Caps) -> None:
    """Refuse a choice that takes more of a workload than the caps allow, or its last ready replica."""
    hit = {pod["metadata"]["uid"] for pod in chosen}
    for workload in sorted(set(workloads.values()), key=lambda each: each.name):
        own = [pod for pod in pods if workloads[pod["metadata"]["uid"]] == workload]
        struck = [pod for pod in own if pod["metadata"]["uid"] in hit]
        if not struck:
            continue
        name = f"{workload.kind.lower()}/{workload.name}"
        ready_left = sum(is_ready(pod) for pod in own if pod["metadata"]["uid"] not in hit)
        if not ready_left and not caps.last_replica:
            raise BadInput(
                f"this would strike the last ready replica of {name}; raise caps.last_replica with a reason if that is meant"
            )
        share = len(struck) / len(own)
        if share > caps.max_share + 1e-9 and len(struck) > 1:
            raise BadInput(
                f"this would strike {len(struck)} of {len(own)} pods of {name} ({share:.0%}), the cap is {caps.max_share:.0%}; "
                "raise caps.workload_share with a reason if that is meant"
            )
