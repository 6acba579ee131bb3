"""`eviction`: pods are asked to leave by the Eviction API, as a drain or an autoscaler asks; a disruption budget may decline.

What a budget declines is no error of ours: the pod stays, the dose says which budget kept it, and keeping all is a finding.
"""

from typing import Annotated, Literal

from pydantic import Field

from chaos.clients.world import World
from chaos.injectors import evicting, some_pods
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.evicting import Asked
from chaos.injectors.some_pods import SomePodsSpec, SomePodsState
from chaos.model.dose import Dose
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.model.units import Duration

PRIVILEGE: Privilege = "api"
MOST_PATIENCE = 8.0  # seconds: a strike under way must not hold up an abort


class Eviction(SomePodsSpec):
    """Pods are moved away politely: they may finish what they do, and budgets are honoured."""

    kind: Literal["eviction"]
    grace: Duration | None = None
    """How long a pod may finish what it is doing; default: what it asks for itself."""
    patience: Annotated[Duration, Field(le=MOST_PATIENCE)] = 3.0
    """How long a pod that a budget keeps is asked again, once a second."""


class State(SomePodsState):
    """Which pods are asked to leave."""

    grace: int | None
    patience: float
    asked: list[Asked] = []
    notes: list[str] = []


Spec = Eviction
undo_words, settle, verify = some_pods.undo_words, some_pods.settle, some_pods.verify


def prepare(spec: Eviction, aim: Aim) -> State:
    fields, chosen = some_pods.frozen(spec, aim)
    asked, notes = evicting.by_budget(aim.world.cluster, chosen)
    grace = None if spec.grace is None else int(spec.grace)
    return State(**fields, grace=grace, patience=spec.patience, asked=asked, notes=notes)


def permissions(state: State) -> list[Permission]:
    return evicting.permissions([state.namespace]) + some_pods.watching(state)


def undo_calls(state: State) -> list[Call]:
    return []


def start(state: State, world: World) -> None:
    evicting.evict_all(world.cluster, state.targets, patience=state.patience, grace=state.grace)


def stop(state: State, world: World) -> None:
    """An evicted pod has no undo; its owner is already at work."""


def dose(state: State) -> Dose:
    words = f"each of {len(state.targets)} pods is gone by its UID, or a disruption budget keeps it"
    return Dose(expect=evicting.expectations(state.asked), words=words)
