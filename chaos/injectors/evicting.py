"""Asks pods to leave by the Eviction API, which honours their disruption budgets: a bounded number of times, never for ever."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from chaos.clients.world import Cluster, Obj
from chaos.clock import Clock, RealClock, wait_until
from chaos.errors import BadInput, Conflict, NotFound, Refused
from chaos.injectors.targets import workloads_of
from chaos.model.base import Record
from chaos.model.dose import Expectation
from chaos.model.run import Permission
from chaos.model.selector import selects
from chaos.model.target import Target
from chaos.probes.evictions import is_by_a_budget

_TOGETHER = 16  # threads: the API server is the limit well before this
_EVERY = 1.0  # seconds between two rounds
Outcome = Literal["gone", "left already", "refused"]


class Asked(Record):
    """Pods that are asked to leave, and the disruption budget that guards them ("" = none does)."""

    namespace: str
    budget: str
    workloads: list[str]
    uids: list[str]


def evict_all(
    cluster: Cluster, targets: Sequence[Target], *, patience: float, grace: int | None = None, clock: Clock | None = None
) -> dict[str, Outcome]:
    """UID -> what became of the request. Who is refused by a budget is asked again, once a second, for `patience` seconds."""
    found: dict[str, Outcome] = {}

    def none_refused() -> bool:
        again = [target for target in targets if found.get(target.uid, "refused") == "refused"]
        with ThreadPoolExecutor(min(_TOGETHER, len(again))) as pool:
            found.update(pool.map(lambda target: (target.uid, _evict(cluster, target, grace)), again))
        return "refused" not in found.values()

    if targets:
        wait_until(none_refused, clock=clock or RealClock(), within=patience, every=_EVERY)
    if targets and set(found.values()) == {"left already"}:
        raise NotFound("none of the planned pods is there any more: nothing was struck")
    return found


def _evict(cluster: Cluster, target: Target, grace: int | None) -> Outcome:
    try:
        cluster.evict(target.name, target.namespace, uid=target.uid, grace=grace)
    except NotFound:
        return "left already"
    except Conflict as error:
        if "uid" not in str(error).lower():
            raise
        return "left already"  # a namesake has taken its place, and is not ours to strike
    except Refused as error:
        if not is_by_a_budget(error):
            raise
        return "refused"
    return "gone"


def budgets_of(pod: Obj, budgets: Iterable[Obj]) -> list[Obj]:
    return [each for each in budgets if selects(each["spec"].get("selector"), pod["metadata"].get("labels"))]


def by_budget(cluster: Cluster, pods: Sequence[Obj]) -> tuple[list[Asked], list[str]]:
    """The pods by the budgets that guard them, and what these will say, as it looks now.

    A pod of two budgets can never be evicted, and is refused.
    """
    owners = workloads_of(cluster, pods)
    found: dict[tuple[str, str], list[Obj]] = {}
    notes: dict[str, None] = {}
    for space in sorted({pod["metadata"]["namespace"] for pod in pods}):
        budgets = cluster.find("PodDisruptionBudget", space)
        for pod in (pod for pod in pods if pod["metadata"]["namespace"] == space):
            budget = _budget_of(pod, budgets)
            name = budget["metadata"]["name"] if budget else ""
            found.setdefault((space, name), []).append(pod)
            if budget and not budget.get("status", {}).get("disruptionsAllowed"):
                notes[f"disruption budget {name} allows no disruption now: as long as it does not, its pods stay"] = None
            elif not budget:
                notes[f"no disruption budget guards pod {pod['metadata']['name']}: it leaves when it is asked"] = None
    asked = []
    for (space, name), own in sorted(found.items()):
        uids = [str(pod["metadata"]["uid"]) for pod in own]
        workloads = sorted({f"{owners[uid].kind.lower()}/{owners[uid].name}" for uid in uids})
        asked.append(Asked(namespace=space, budget=name, workloads=workloads, uids=uids))
    return asked, list(notes)


def _budget_of(pod: Obj, budgets: Iterable[Obj]) -> Obj | None:
    own = budgets_of(pod, budgets)
    if len(own) > 1:
        names = ", ".join(each["metadata"]["name"] for each in own)
        raise BadInput(
            f"pod {pod['metadata']['name']} has more than one disruption budget ({names}): "
            "the API server never evicts such a pod"
        )
    return own[0] if own else None


def expectations(asked: Iterable[Asked]) -> list[Expectation]:
    """What must be seen: by budget, so that what each of them kept can be told."""
    return [
        Expectation(what="evicted", namespace=each.namespace, name=each.budget, workloads=each.workloads, uids=each.uids)
        for each in asked
    ]


def permissions(spaces: Iterable[str]) -> list[Permission]:
    """The rights to evict pods and to read their budgets."""
    rights: list[Callable[[str], Permission]] = [
        lambda space: Permission(verb="create", resource="pods", subresource="eviction", namespace=space),
        lambda space: Permission(verb="list", resource="poddisruptionbudgets", group="policy", namespace=space, use="observe"),
    ]
    return [right(space) for space in spaces for right in rights]
