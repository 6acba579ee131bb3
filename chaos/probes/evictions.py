"""How evictions stand with the disruption budgets of their pods: who stayed, and whether the budget still declines."""

from collections.abc import Iterator, Sequence

from chaos.clients.world import Cluster, Obj
from chaos.errors import Conflict, NotFound, NotReady, Refused
from chaos.model.dose import Dose
from chaos.model.events import Evictions

_ASKED_AGAIN = 5
"""Pods of one budget that are asked again at most: it says the same to all that are healthy."""


def is_by_a_budget(error: Refused) -> bool:
    """Whether a disruption budget declined; otherwise the API server is busy, which says nothing of a budget."""
    return "disruption budget" in str(error).lower()


def look(dose: Dose, cluster: Cluster, *, step: str, fault: str) -> list[Evictions]:
    """One line a budget whose pods were asked to leave. What cannot be read is left out. Changes nothing."""
    try:
        return list(_lines(dose, cluster, step, fault))
    except NotReady:
        return []


def _lines(dose: Dose, cluster: Cluster, step: str, fault: str) -> Iterator[Evictions]:
    for expected in dose.expect:
        if expected.what != "evicted":
            continue
        pods = cluster.find("Pod", expected.namespace)
        stayed = [pod for pod in pods if pod["metadata"]["uid"] in expected.uids and "deletionTimestamp" not in pod["metadata"]]
        status = _status(cluster, expected.name, expected.namespace) if expected.name else {}
        yield Evictions(
            step=step,
            fault=fault,
            namespace=expected.namespace,
            budget=expected.name,
            workloads=expected.workloads,
            asked=len(expected.uids),
            stayed=len(stayed),
            refused=bool(expected.name) and _all_refused(cluster, stayed[:_ASKED_AGAIN]),
            healthy=status.get("currentHealthy", 0),
            needed=status.get("desiredHealthy", 0),
            expected=status.get("expectedPods", 0),
        )


def _status(cluster: Cluster, budget: str, namespace: str) -> Obj:
    found = [each for each in cluster.find("PodDisruptionBudget", namespace) if each["metadata"]["name"] == budget]
    return found[0].get("status", {}) if found else {}


def _all_refused(cluster: Cluster, pods: Sequence[Obj]) -> bool:
    return bool(pods) and all(_refused(cluster, pod["metadata"]) for pod in pods)


def _refused(cluster: Cluster, pod: Obj) -> bool:
    try:
        cluster.evict(pod["name"], pod["namespace"], uid=pod["uid"], dry=True)
    except Refused as error:
        if not is_by_a_budget(error):
            raise
        return True
    except (NotFound, Conflict):
        pass  # it has left since it was listed
    return False
