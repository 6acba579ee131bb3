"""Asks pods to leave by the Eviction API, which honours their disruption budgets: a bounded number of times, never for ever."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from chaos.clients.world import Cluster, Obj
from chaos.clock import Clock, RealClock, wait_until
from chaos.errors import BadInput, Conflict, NotFound, Refused
from chaos.model.run import Permission
from chaos.model.selector import selects
from chaos.model.target import Target

_TOGETHER = 16  # threads: the API server is the limit well before this
_EVERY = 1.0  # seconds between two rounds
Outcome = Literal["gone", "left already", "refused"]


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
        if "disruption budget" not in str(error).lower():
            raise  # the API server is busy, which says nothing of a budget
        return "refused"
    return "gone"


def budgets_of(pod: Obj, budgets: Iterable[Obj]) -> list[Obj]:
    return [each for each in budgets if selects(each["spec"].get("selector"), pod["metadata"].get("labels"))]


def budget_notes(cluster: Cluster, pods: Sequence[Obj]) -> list[str]:
    """What disruption budgets will say, as it looks now. A pod of two budgets can never be evicted, and is refused."""
    notes: dict[str, None] = {}
    for space in sorted({pod["metadata"]["namespace"] for pod in pods}):
        budgets = cluster.find("PodDisruptionBudget", space)
        for pod in (pod for pod in pods if pod["metadata"]["namespace"] == space):
            own = budgets_of(pod, budgets)
            names = [each["metadata"]["name"] for each in own]
            if len(own) > 1:
                raise BadInput(
                    f"pod {pod['metadata']['name']} has more than one disruption budget ({', '.join(names)}): "
                    "the API server never evicts such a pod"
                )
            if own and not own[0].get("status", {}).get("disruptionsAllowed"):
                notes[f"disruption budget {names[0]} allows no disruption now: as long as it does not, its pods stay"] = None
            elif not own:
                notes[f"no disruption budget guards pod {pod['metadata']['name']}: it leaves when it is asked"] = None
    return list(notes)


def permissions(spaces: Iterable[str]) -> list[Permission]:
    """The rights to evict pods and to read their budgets."""
    rights: list[Callable[[str], Permission]] = [
        lambda space: Permission(verb="create", resource="pods", subresource="eviction", namespace=space),
        lambda space: Permission(verb="list", resource="poddisruptionbudgets", group="policy", namespace=space, use="observe"),
    ]
    return [right(space) for space in spaces for right in rights]
