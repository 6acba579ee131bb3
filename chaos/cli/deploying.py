"""Brings objects onto a cluster, whatever stood there before, and waits until what they ask for is there."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chaos.clock import Clock, RealClock, wait_until
from chaos.errors import ClusterError, Conflict, NotFound, NotReady

if TYPE_CHECKING:
    from chaos.clients.world import Cluster

Obj = dict[str, Any]


def deploy(cluster: "Cluster", objects: Sequence[Obj]) -> None:
    """Create each object, or make the existing one like it; PodDisruptionBudgets that are not asked for any more go."""
    for obj in objects:
        _apply(cluster, obj)
    budgets = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "PodDisruptionBudget"}
    parts = {
        labels.get("app.kubernetes.io/part-of", "") for obj in objects if (labels := obj["metadata"].get("labels", {}))
    } - {""}
    for namespace in {obj["metadata"]["namespace"] for obj in objects if obj["metadata"].get("namespace")}:
        for old in cluster.find("PodDisruptionBudget", namespace):
            if _part_of(old) in parts and old["metadata"]["name"] not in budgets:
                with suppress(NotFound):
                    cluster.delete("PodDisruptionBudget", old["metadata"]["name"], namespace, uid=old["metadata"]["uid"])


def _part_of(obj: Obj) -> str:
    return str(obj["metadata"].get("labels", {}).get("app.kubernetes.io/part-of", ""))


def _apply(cluster: "Cluster", obj: Obj) -> None:
    try:
        cluster.create(obj)
    except ClusterError as error:
        # 422: a Service that is there holds the very node port that is asked for
        if not isinstance(error, Conflict) and error.status != 422:
            raise
        # a merge patch leaves alone what the cluster has filled in: addresses, node ports, versions
        change = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
        try:
            cluster.patch(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""), change)
        except NotFound:
            raise error from None


def wait_ready(
    cluster: "Cluster",
    namespace: str,
    *,
    within: float = 90.0,
    tell: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> None:
    """Wait until every Deployment of the namespace is rolled out and available; NotReady names those that are not."""
    said = ""
    waiting: list[str] = []

    def done() -> bool:
        nonlocal said, waiting
        try:
            waiting = [words for each in cluster.find("Deployment", namespace) if (words := _not_yet(each))]
        except ClusterError as error:  # a cluster that has just been given much to do may be silent for a moment
            waiting = [str(error)]
        if waiting and (line := ", ".join(waiting)) != said:
            said = line
            tell(f"waiting for {line}")
        return not waiting

    if not wait_until(done, clock=clock or RealClock(), within=within, every=0.25):
        raise NotReady(f"not ready after {within:g} s: {', '.join(waiting)}{_troubles(cluster, namespace)}")


def _not_yet(deployment: Obj) -> str:
    """The Deployment's name and how far it is; "" when it is rolled out and available."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if seen and updated == available == wanted and status.get("replicas", 0) == wanted:
        return ""
    return f"{deployment['metadata']['name']} ({min(updated, available)} of {wanted})"


def _troubles(cluster: "Cluster", namespace: str) -> str:
    """What the pods themselves say is wrong: a missing image, a crash loop."""
    said = {line for pod in cluster.find("Pod", namespace) for line in _complaints(pod)}
    return "".join(f"\n  {line}" for line in sorted(said))


def _complaints(pod: Obj) -> Iterable[str]:
    for status in pod.get("status", {}).get("containerStatuses", []):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason"):
            yield f"pod {pod['metadata']['name']}: {waiting['reason']} {waiting.get('message', '')}".rstrip()
