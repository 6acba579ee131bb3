"""ReplicaSets: as many pods as wanted, neither more nor fewer; orphans adopted, strangers let go."""

from chaos.sandbox.controllers import Context, is_active, is_ready, owned_by, owner_of, with_status
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.selectors import matches
from chaos.sandbox.status import Refusal
from chaos.sandbox.store import Obj, seconds_since, timestamp

_BY = "replicaset-controller"
_RETRY = 1.0  # seconds after a refused pod


def reconcile(context: Context) -> None:
    store = context.store
    orphans: dict[str, list[Obj]] = {}
    owned: dict[str, list[Obj]] = {}
    for pod in store.all("Pod"):
        if owner := owner_of(pod):
            owned.setdefault(owner, []).append(pod)
        elif is_active(pod):
            orphans.setdefault(pod["metadata"]["namespace"], []).append(pod)
    for replica_set in store.all("ReplicaSet"):
        meta = replica_set["metadata"]
        pods = owned.get(meta["uid"], [])
        if "deletionTimestamp" not in meta:
            pods = _claim(context, replica_set, pods, orphans.get(meta["namespace"], []))
            failure = _scale(context, replica_set, [pod for pod in pods if is_active(pod)])
        else:
            failure = None
        _report(context, replica_set, [pod for pod in pods if is_active(pod)], failure)


def _claim(context: Context, replica_set: Obj, pods: list[Obj], orphans: list[Obj]) -> list[Obj]:
    """Adopt pods that match and belong to nobody; let go of pods that no longer match."""
    selector, kept = replica_set["spec"]["selector"], []
    for pod in pods:
        if matches(selector, pod["metadata"].get("labels")) or not is_active(pod):
            kept.append(pod)
        else:
            references = [ref for ref in pod["metadata"]["ownerReferences"] if ref["uid"] != replica_set["metadata"]["uid"]]
            context.store.put("Pod", pod | {"metadata": pod["metadata"] | {"ownerReferences": references}})
    for pod in list(orphans):
        if matches(selector, pod["metadata"].get("labels")):
            orphans.remove(pod)
            kept.append(
                context.store.put("Pod", pod | {"metadata": pod["metadata"] | {"ownerReferences": owned_by(replica_set)}})
            )
    return kept


def _scale(context: Context, replica_set: Obj, active: list[Obj]) -> str | None:
    """Make or delete pods; the reason when the API refuses one."""
    missing = replica_set["spec"]["replicas"] - len(active)
    if missing < 0:
        for pod in sorted(active, key=_worth)[:-missing]:
            context.objects.delete(KINDS["Pod"], pod, {})
            context.events.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", by=_BY)
    template, meta = replica_set["spec"]["template"], replica_set["metadata"]
    for _ in range(missing):
        own = {key: template["metadata"][key] for key in ("labels", "annotations") if template["metadata"].get(key)}
        pod = {
            "metadata": own | {"generateName": f"{meta['name']}-", "ownerReferences": owned_by(replica_set)},
            "spec": template["spec"],
        }
        try:
            made = context.objects.create(KINDS["Pod"], meta["namespace"], pod)
        except Refusal as refusal:
            context.events.warning(replica_set, "FailedCreate", f"Error creating: {refusal.message}", by=_BY)
            context.later(_RETRY)
            return refusal.message
        active.append(made)
        context.events.normal(replica_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", by=_BY)
    return None


def _worth(pod: Obj) -> tuple[bool, bool, bool, float]:
    """Deleted first: not placed, not running, not ready, then the youngest."""
    placed = bool(pod["spec"].get("nodeName"))
    age = seconds_since(pod["metadata"]["creationTimestamp"])
    return placed, pod["status"].get("phase") == "Running", is_ready(pod), age


def available(context: Context, pod: Obj, min_ready: int) -> bool:
    """Ready for long enough; when it is not yet, another pass is asked for."""
    if not is_ready(pod):
        return False
    since = next(each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "Ready")
    left = min_ready - seconds_since(since) if min_ready else 0.0
    if left > 0:
        context.later(left)
    return left <= 0


def _report(context: Context, replica_set: Obj, pods: list[Obj], failure: str | None) -> None:
    current = context.store.find("ReplicaSet", replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])
    if current is None:
        return
    wanted, min_ready = current["spec"]["template"]["metadata"].get("labels") or {}, current["spec"].get("minReadySeconds", 0)
    ready = sum(map(is_ready, pods))
    usable = sum(available(context, pod, min_ready) for pod in pods)
    labelled = sum(wanted.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods)
    conditions = None
    if failure:
        old = (current.get("status") or {}).get("conditions") or [{}]
        since = old[0].get("lastTransitionTime") or timestamp()
        trouble = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
        conditions = [trouble | {"lastTransitionTime": since}]
    fields = {
        "replicas": len(pods),
        "fullyLabeledReplicas": labelled or None,
        "readyReplicas": ready or None,
        "availableReplicas": usable or None,
        "observedGeneration": current["metadata"]["generation"],
        "conditions": conditions,
    }
    context.store.put("ReplicaSet", with_status(current, **fields))
