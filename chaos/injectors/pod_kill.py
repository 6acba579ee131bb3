"""`pod-kill`: delete pods with their UIDs as preconditions, all together; their owner makes new ones.

Source: the Kubernetes API's delete with grace period 0 (ungraceful) or the pod's own (graceful).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from chaos.clients.world import World
from chaos.errors import BadInput, NotFound
from chaos.injectors import some_pods
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.some_pods import SomePodsSpec, SomePodsState
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.target import Target
from chaos.model.undo import Call
from chaos.model.units import Duration

PRIVILEGE: Privilege = "api"
_TOGETHER = 20  # threads: the API server is the limit before this


class PodKill(SomePodsSpec):
    """Pods die without notice, as when a node loses them or the kernel kills them."""

    kind: Literal["pod-kill"]
    grace: Duration = 0.0
    """How long a pod may finish what it is doing; default: no time at all."""


class State(SomePodsState):
    """Which pods die, and how many were ready before."""

    grace: int


Spec = PodKill
undo_words, settle, verify = some_pods.undo_words, some_pods.settle, some_pods.verify


def prepare(spec: PodKill, aim: Aim) -> State:
    fields, chosen = some_pods.frozen(spec, aim)
    sets = {each["name"] for pod in chosen for each in pod["metadata"]["ownerReferences"] if each["kind"] == "StatefulSet"}
    if sets and spec.grace < 1:
        raise BadInput(
            f"pods of statefulset {', '.join(sorted(sets))} killed without grace: the next pod of that name may start, and "
            "write, while the last one still runs; give a grace of at least 1s"
        )
    return State(**fields, grace=int(spec.grace))


def permissions(state: State) -> list[Permission]:
    return [Permission(verb="delete", resource="pods", namespace=state.namespace), *some_pods.watching(state)]


def undo_calls(state: State) -> list[Call]:
    return []


def start(state: State, world: World) -> None:
    def kill(target: Target) -> bool:
        try:
            world.cluster.delete("Pod", target.name, state.namespace, uid=target.uid, grace=state.grace)
        except NotFound:
            return False  # gone already, by whatever hand; a namesake with another UID is not ours to kill
        return True

    with ThreadPoolExecutor(min(_TOGETHER, len(state.targets))) as pool:
        killed = list(pool.map(kill, state.targets))
    if not any(killed):
        raise NotFound("none of the planned pods is there any more: nothing was struck")


def stop(state: State, world: World) -> None:
    """A killed pod has no undo; its owner is already at work."""


def dose(state: State) -> Dose:
    return Dose(
        expect=[Expectation(what="pods-gone", namespace=state.namespace, uids=[target.uid for target in state.targets])],
        words="1 pod is gone, by its UID" if len(state.targets) == 1 else f"{len(state.targets)} pods are gone, by their UIDs",
    )
