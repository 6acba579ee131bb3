"""The controllers: deployments, replica sets, endpoint slices, jobs, disruption budgets, namespaces, garbage collection.

Each is a function from the store to writes, run again whenever something changed, until nothing changes any more.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from chaos.embedded.problems import ApiProblem
from chaos.embedded.selectors import matches
from chaos.embedded.store import Store, now

Obj = dict[str, Any]


def run_all(store: Store) -> None:
    deployments(store)
    replica_sets(store)
    endpoint_slices(store)
    budgets(store)
    jobs(store)
    namespaces(store)
    collect(store)


# -- helpers -----------------------------------------------------------------------------------------------------------


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return not pod["metadata"].get("deletionTimestamp") and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )


def _owned(store: Store, kind: str, owner: Obj) -> Iterator[Obj]:
    for obj in list(store.all(kind, owner["metadata"]["namespace"])):
        if any(ref["uid"] == owner["metadata"]["uid"] for ref in obj["metadata"].get("ownerReferences") or []):
            yield obj


def _reference(owner: Obj) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _share(value: Any, total: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        part = int(value[:-1]) * total / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value)


# -- deployments -------------------------------------------------------------------------------------------------------


def deployments(store: Store) -> None:
    for deployment in list(store.all("Deployment")):
        if not deployment["metadata"].get("deletionTimestamp"):
            with suppress(ApiProblem):
                _roll(store, deployment)


def template_hash(template: Obj) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _roll(store: Store, deployment: Obj) -> None:
    spec, digest = deployment["spec"], template_hash(deployment["spec"]["template"])
    sets = list(_owned(store, "ReplicaSet", deployment))
    current = next((s for s in sets if s["metadata"]["labels"].get("pod-template-hash") == digest), None)
    if current is None:
        current = _new_set(store, deployment, digest, revision=len(sets) + 1)
        sets.append(current)
    old = [s for s in sets if s["metadata"]["uid"] != current["metadata"]["uid"]]
    wanted = spec.get("replicas", 1)
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    if (spec.get("strategy") or {}).get("type") == "Recreate":
        surge, missing = 0, wanted
    else:
        surge = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
        missing = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    old_total = sum(s["spec"]["replicas"] for s in old)
    if (spec.get("strategy") or {}).get("type") == "Recreate":
        for each in old:
            _scale(store, each, 0)
        _scale(store, current, 0 if any(list(_owned(store, "Pod", each)) for each in old) else wanted)
    else:
        _scale(store, current, min(wanted, max(wanted + surge - old_total, 0)))
        ready = sum(_ready(store, s) for s in [current, *old])
        spare = max(0, ready - (wanted - missing))
        for each in old:
            unready = each["spec"]["replicas"] - _ready(store, each)
            down = min(each["spec"]["replicas"], unready + spare)
            spare -= max(0, down - unready)
            _scale(store, each, each["spec"]["replicas"] - down)
    _deployment_status(store, deployment, current, old)


def _new_set(store: Store, deployment: Obj, digest: str, *, revision: int) -> Obj:
    meta, spec = deployment["metadata"], deployment["spec"]
    template = json.loads(json.dumps(spec["template"]))
    template.setdefault("metadata", {}).setdefault("labels", {})["pod-template-hash"] = digest
    selector = {"matchLabels": {**spec["selector"].get("matchLabels", {}), "pod-template-hash": digest}}
    return store.create(
        {
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "namespace": meta["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": {"deployment.kubernetes.io/revision": str(revision)},
                "ownerReferences": [_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
    )


def _scale(store: Store, replica_set: Obj, replicas: int) -> None:
    if replica_set["spec"]["replicas"] != replicas:
        meta = replica_set["metadata"]
        store.touch("ReplicaSet", meta["namespace"], meta["name"], lambda obj: obj["spec"].update(replicas=replicas))


def _ready(store: Store, replica_set: Obj) -> int:
    return sum(is_ready(pod) for pod in _owned(store, "Pod", replica_set))


def _deployment_status(store: Store, deployment: Obj, current: Obj, old: list[Obj]) -> None:
    pods = [pod for s in [current, *old] for pod in _owned(store, "Pod", s) if not pod["metadata"].get("deletionTimestamp")]
    updated = sum(1 for pod in _owned(store, "Pod", current) if not pod["metadata"].get("deletionTimestamp"))
    ready, wanted = sum(map(is_ready, pods)), deployment["spec"].get("replicas", 1)
    available = "True" if ready >= min(wanted, max(1, wanted - math.floor(wanted * 0.25))) or wanted == 0 else "False"
    before = {c["type"]: c for c in deployment.get("status", {}).get("conditions", [])}
    since = (
        before.get("Available", {}).get("lastTransitionTime", now())
        if before.get("Available", {}).get("status") == available
        else now()
    )
    store.set_status(
        deployment,
        {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - ready),
            "conditions": [
                {"type": "Available", "status": available, "reason": "MinimumReplicasAvailable", "lastTransitionTime": since},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastTransitionTime": since},
            ],
        },
    )


# -- replica sets ------------------------------------------------------------------------------------------------------


def replica_sets(store: Store) -> None:
    for replica_set in list(store.all("ReplicaSet")):
        if replica_set["metadata"].get("deletionTimestamp"):
            continue
        pods = [p for p in _owned(store, "Pod", replica_set) if _counts(p)]
        wanted = replica_set["spec"].get("replicas", 1)
        with suppress(ApiProblem):  # a quota may refuse; the next pass tries again
            for _ in range(wanted - len(pods)):
                _new_pod(store, replica_set)
        for pod in sorted(pods, key=lambda p: (is_ready(p), p["metadata"]["creationTimestamp"]))[: max(0, len(pods) - wanted)]:
            delete_pod(store, pod, None)
        ready = sum(map(is_ready, pods))
        store.set_status(
            replica_set,
            {
                "replicas": len(pods),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": replica_set["metadata"]["generation"],
            },
        )


def _counts(pod: Obj) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _new_pod(store: Store, replica_set: Obj) -> None:
    template = json.loads(json.dumps(replica_set["spec"]["template"]))
    meta = template.setdefault("metadata", {})
    meta.update(
        generateName=replica_set["metadata"]["name"] + "-",
        namespace=replica_set["metadata"]["namespace"],
        ownerReferences=[_reference(replica_set)],
    )
    store.create({"kind": "Pod", **template})


def delete_pod(store: Store, pod: Obj, grace: int | None) -> Obj:
    """Begin, or with a grace of 0 finish, the deletion of a pod."""
    meta = pod["metadata"]
    seconds = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
    if seconds == 0:
        return store.remove("Pod", meta["namespace"], meta["name"])
    return store.mark_deleted(pod, seconds) if not meta.get("deletionTimestamp") else pod


# -- endpoint slices ---------------------------------------------------------------------------------------------------


def endpoint_slices(store: Store) -> None:
    for service in list(store.all("Service")):
        selector = service["spec"].get("selector")
        if selector and service["spec"].get("type") != "ExternalName":
            _slice(store, service, selector)


def _slice(store: Store, service: Obj, selector: dict[str, str]) -> None:
    meta = service["metadata"]
    pods = [
        p for p in store.all("Pod", meta["namespace"]) if matches(p["metadata"].get("labels") or {}, {"matchLabels": selector})
    ]
    endpoints = [_endpoint(pod) for pod in pods if pod.get("status", {}).get("podIP") and _counts(pod)]
    ports = [_port(port, pods) for port in service["spec"].get("ports") or []]
    body: Obj = {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"{meta['name']}-sandbox",
            "namespace": meta["namespace"],
            "labels": {"kubernetes.io/service-name": meta["name"], "endpointslice.kubernetes.io/managed-by": "sandbox"},
            "ownerReferences": [_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }
    old = store.peek("EndpointSlice", meta["namespace"], body["metadata"]["name"])
    if old is None:
        store.create(body)
    elif old["endpoints"] != endpoints or old["ports"] != ports:
        store.touch(
            "EndpointSlice", meta["namespace"], body["metadata"]["name"], lambda o: o.update(endpoints=endpoints, ports=ports)
        )


def _endpoint(pod: Obj) -> Obj:
    ready = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "targetRef": {
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"],
        },
        "nodeName": pod["spec"].get("nodeName", ""),
    }


def _port(port: Obj, pods: list[Obj]) -> Obj:
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        named = [
            p["containerPort"]
            for pod in pods
            for p in pod["spec"]["containers"][0].get("ports") or []
            if p.get("name") == target
        ]
        target = named[0] if named else port["port"]
    return {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}


# -- the rest ----------------------------------------------------------------------------------------------------------


def budgets(store: Store) -> None:
    for budget in list(store.all("PodDisruptionBudget")):
        store.set_status(budget, budget_status(store, budget))


def budget_status(store: Store, budget: Obj) -> Obj:
    spec = budget["spec"]
    pods = [
        pod
        for pod in store.all("Pod", budget["metadata"]["namespace"])
        if _counts(pod) and matches(pod["metadata"].get("labels") or {}, spec.get("selector"))
    ]
    healthy = sum(map(is_ready, pods))
    if "minAvailable" in spec:
        desired = _share(spec["minAvailable"], len(pods), up=True)
    else:
        desired = len(pods) - _share(spec.get("maxUnavailable", 1), len(pods), up=True)
    return {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": len(pods),
        "disruptionsAllowed": max(0, healthy - desired),
        "observedGeneration": budget["metadata"]["generation"],
    }


def jobs(store: Store) -> None:
    """Jobs without pods: a deadline, after which they fail, and a time after which they are gone with all they own."""
    for job in list(store.all("Job")):
        spec, meta = job["spec"], job["metadata"]
        if spec.get("activeDeadlineSeconds") is None:
            continue
        age = (datetime.now(UTC) - datetime.fromisoformat(meta["creationTimestamp"])).total_seconds()
        if age >= spec["activeDeadlineSeconds"] + (spec.get("ttlSecondsAfterFinished") or 0):
            with suppress(ApiProblem):
                store.remove("Job", meta["namespace"], meta["name"])


def namespaces(store: Store) -> None:
    """A namespace that is being deleted takes everything in it along."""
    for space in list(store.all("Namespace")):
        if not space["metadata"].get("deletionTimestamp"):
            continue
        name = space["metadata"]["name"]
        left = [obj for kind in _NAMESPACED for obj in list(store.all(kind, name))]
        for obj in left:
            with suppress(ApiProblem):
                if obj["kind"] == "Pod":
                    delete_pod(store, obj, 0)
                else:
                    store.remove(obj["kind"], name, obj["metadata"]["name"])
        if not left:
            store.remove("Namespace", "", name)


_NAMESPACED = (
    "Deployment",
    "ReplicaSet",
    "Job",
    "Service",
    "EndpointSlice",
    "Pod",
    "ConfigMap",
    "Secret",
    "Lease",
    "Event",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
)


def collect(store: Store) -> None:
    """Owner-reference garbage collection: what has owners, all of which are gone, goes too."""
    uids = {obj["metadata"]["uid"] for kind in _NAMESPACED for obj in store.all(kind)}
    uids |= {obj["metadata"]["uid"] for kind in ("Namespace", "Node") for obj in store.all(kind)}
    for kind in _NAMESPACED:
        for obj in list(store.all(kind)):
            owners = obj["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in uids for owner in owners):
                with suppress(ApiProblem):
                    if kind == "Pod":
                        delete_pod(store, obj, None)
                    else:
                        store.remove(kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
