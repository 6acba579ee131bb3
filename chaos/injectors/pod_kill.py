"""`pod-kill`: delete pods with their UIDs as preconditions, all together; their owner makes new ones.

Source: the Kubernetes API's delete with grace period 0 (ungraceful) or the pod's own (graceful).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

from pydantic import Field, model_validator

from chaos.clients.world import World
from chaos.errors import NotFound
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.targets import choose, how_many, keep_caps, live_pods, target_of, workloads_of
from chaos.model.base import Labels
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.target import Target
from chaos.model.undo import Call
from chaos.model.units import Duration, Percent
from chaos.probes.pods_ready import is_ready

PRIVILEGE: Privilege = "api"
_TOGETHER = 16  # threads: the API server is the limit well before this


class PodKill(FaultSpec):
    """Pods die without notice, as when a node loses them or the kernel kills them."""

    kind: Literal["pod-kill"]
    selector: Labels
    duration: Duration = 10.0
    """How long the fault counts as lasting, although the strike is over at once: the time in which customers feel it."""
    count: Annotated[int | None, Field(ge=1)] = None
    percent: Percent | None = None
    grace: Duration = 0.0
    """How long a pod may finish what it is doing; default: no time at all."""
    back_within: Duration = 60.0
    """How long the owner may take to have as many pods ready as before."""

    @model_validator(mode="after")
    def _one_measure(self) -> "PodKill":
        if (self.count is None) == (self.percent is None):
            raise ValueError("give either count or percent")
        return self


class State(FaultState):
    """Which pods die, and how many were ready before."""

    selector: dict[str, str]
    grace: int
    ready_before: int
    back_within: float


Spec = PodKill


def prepare(spec: PodKill, aim: Aim) -> State:
    cluster = aim.world.cluster
    pods = live_pods(cluster, aim.namespace, spec.selector)
    chosen = choose(pods, how_many(len(pods), count=spec.count, percent=spec.percent), aim.rng)
    keep_caps(pods, chosen, workloads_of(cluster, pods), aim.caps)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(pod, "Pod") for pod in chosen],
        selector=spec.selector,
        grace=int(spec.grace),
        ready_before=sum(map(is_ready, pods)),
        back_within=spec.back_within,
    )


def permissions(state: State) -> list[Permission]:
    return [
        Permission(verb="delete", resource="pods", namespace=state.namespace, use="inject"),
        Permission(verb="list", resource="pods", namespace=state.namespace, use="observe"),
        Permission(verb="get", resource="replicasets", group="apps", namespace=state.namespace, use="observe"),
    ]


def undo_words(state: State) -> str:
    return f"nothing to undo: the owner replaces the pods; clean when {state.ready_before} are ready again"


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


def settle(state: State) -> float:
    """Seconds that `verify` may take: the owner needs its time."""
    return state.back_within


def verify(state: State, world: World) -> list[str]:
    ready = sum(map(is_ready, world.cluster.find("Pod", state.namespace, labels=state.selector)))
    return [] if ready >= state.ready_before else [f"{ready} of {state.ready_before} pods are ready again"]


def dose(state: State) -> Dose:
    return Dose(
        expect=[Expectation(what="pods-gone", namespace=state.namespace, uids=[target.uid for target in state.targets])],
        words=f"{len(state.targets)} pods are gone by their UID",
    )
