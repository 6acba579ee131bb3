"""What every fault that takes away some pods of a selector shares: how many, frozen by UID within the caps, and back when?"""

from collections.abc import Sequence
from typing import Any

from chaos.clients.world import Obj, World
from chaos.injectors.base import Aim, FaultState
from chaos.injectors.chosen_pods import ChosenPodsSpec, chosen_of
from chaos.injectors.targets import keep_caps, live_pods, target_of, workloads_of
from chaos.model.run import Permission
from chaos.model.units import Duration
from chaos.probes.pods_ready import is_ready, why_unready


class SomePodsSpec(ChosenPodsSpec):
    """Some of the pods of a selector, which their owner replaces."""

    duration: Duration = 10.0
    """How long the fault counts as lasting, although the strike is over at once: the time in which customers feel it."""
    back_within: Duration = 60.0
    """How long the owner may take to have as many pods ready as before."""


class SomePodsState(FaultState):
    """Which pods are struck, and how many were ready before."""

    selector: dict[str, str]
    ready_before: int
    back_within: float


def frozen(spec: SomePodsSpec, aim: Aim) -> tuple[dict[str, Any], Sequence[Obj]]:
    """The fields of a SomePodsState, and the pods that were chosen."""
    cluster = aim.world.cluster
    pods = live_pods(cluster, aim.namespace, spec.selector)
    chosen = chosen_of(pods, spec, aim.rng)
    keep_caps(pods, chosen, workloads_of(cluster, pods), aim.caps)
    fields = {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(pod, "Pod") for pod in chosen],
        "selector": spec.selector,
        "ready_before": sum(map(is_ready, pods)),
        "back_within": spec.back_within,
    }
    return fields, chosen


def watching(state: SomePodsState) -> list[Permission]:
    """The rights to choose the pods and to see them come back."""
    return [
        Permission(verb="list", resource="pods", namespace=state.namespace, use="observe"),
        Permission(verb="get", resource="replicasets", group="apps", namespace=state.namespace, use="observe"),
    ]


def undo_words(state: SomePodsState) -> str:
    return f"nothing to undo: the owner replaces the pods; clean when {state.ready_before} are ready again"


def settle(state: SomePodsState) -> float:
    """Seconds that `verify` may take: the owner needs its time."""
    return state.back_within


def verify(state: SomePodsState, world: World) -> list[str]:
    pods = world.cluster.find("Pod", state.namespace, labels=state.selector)
    if (ready := sum(map(is_ready, pods))) >= state.ready_before:
        return []
    return [f"{ready} of {state.ready_before} pods are ready again", *filter(None, map(why_unready, pods))]
