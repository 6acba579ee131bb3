"""PodDisruptionBudgets: how many pods may be taken away now."""

from chaos.sandbox.controllers import Context, is_active, is_ready, owner_of, with_status
from chaos.sandbox.deployments import share
from chaos.sandbox.selectors import matches
from chaos.sandbox.store import Obj, Store, timestamp


def disruptions(store: Store, budget: Obj) -> Obj:
    """The counts of a budget's status, from the pods as they are this moment."""
    spec, meta = budget["spec"], budget["metadata"]
    pods = [pod for pod in store.all("Pod", meta["namespace"]) if matches(spec.get("selector"), pod["metadata"].get("labels"))]
    live = [pod for pod in pods if is_active(pod)]
    healthy = sum(map(is_ready, live))
    if "maxUnavailable" in spec:
        expected = _expected(store, live)
        desired = max(0, expected - share(spec["maxUnavailable"], expected, up=True))
    elif isinstance(spec.get("minAvailable"), str):
        expected = _expected(store, live)
        desired = share(spec["minAvailable"], expected, up=True)
    else:
        expected, desired = len(live), spec.get("minAvailable", 1)
    allowed = max(0, healthy - desired) if expected else 0
    return {"currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected}


def _expected(store: Store, pods: list[Obj]) -> int:
    """What the owners of these pods want; a pod without an owner counts for itself."""
    owners = {each["metadata"]["uid"]: each for each in store.all("ReplicaSet")}
    above = {each["metadata"]["uid"]: each for each in store.all("Deployment")}
    wanted: dict[str, int] = {}
    for pod in pods:
        owner = owners.get(owner_of(pod))
        top = above.get(owner_of(owner)) if owner else None
        counted = top or owner
        uid = counted["metadata"]["uid"] if counted else pod["metadata"]["uid"]
        wanted[uid] = counted["spec"]["replicas"] if counted else 1
    return sum(wanted.values())


def reconcile(context: Context) -> None:
    for budget in context.store.all("PodDisruptionBudget"):
        now, meta = disruptions(context.store, budget), budget["metadata"]
        before: Obj = next(iter((budget.get("status") or {}).get("conditions") or ()), {})
        status = "True" if now["disruptionsAllowed"] else "False"
        since = before["lastTransitionTime"] if before.get("status") == status else timestamp()
        condition = {
            "type": "DisruptionAllowed",
            "status": status,
            "reason": "SufficientPods" if now["disruptionsAllowed"] else "InsufficientPods",
            "message": "",
            "lastTransitionTime": since,
            "observedGeneration": meta["generation"],
        }
        fields = now | {"conditions": [condition], "observedGeneration": meta["generation"]}
        context.store.put("PodDisruptionBudget", with_status(budget, **fields))
