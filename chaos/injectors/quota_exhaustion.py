"""`quota-exhaustion`: the namespace has no room for another pod. A ResourceQuota of ours, created and deleted.

Pods that run go on; what is refused are new ones, so it is felt by a rollout, a scale-up, or the replacement of a pod that
dies: let a scenario pair it with `pod-kill`. Lands at once. Inconclusive where a pod is admitted after all, or is declined for
another reason.
"""

from typing import Literal

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput
from chaos.injectors import helpers
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege, own_labels
from chaos.injectors.targets import refuse_protected
from chaos.injectors.undoing import delete_own, put_back, still_changed
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.target import Target
from chaos.model.undo import Call

PRIVILEGE: Privilege = "api"
_NOTES = [
    "pods that run go on: it is felt when one is to be replaced or added; pair it with pod-kill to see that",
    "helper pods of other steps cannot be created either while it holds; those that are armed before load are there by then",
]


class QuotaExhaustion(FaultSpec):
    """No pod is admitted to the namespace any more."""

    kind: Literal["quota-exhaustion"]


class State(FaultState):
    """The name of our quota."""

    quota: str
    notes: list[str] = []


Spec = QuotaExhaustion


def prepare(spec: QuotaExhaustion, aim: Aim) -> State:
    refuse_protected(aim.namespace)
    if full := _full(aim.world.cluster, aim.namespace):
        raise BadInput(f"resourcequota/{full} leaves no room for pods in namespace {aim.namespace} already")
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[Target(kind="Namespace", name=aim.namespace)],
        quota=helpers.name_for("quota", aim.run, aim.step),
        notes=_NOTES,
    )


def _full(cluster: Cluster, namespace: str) -> str:
    """A quota that is used up already; "" = there is room."""
    for each in cluster.find("ResourceQuota", namespace):
        status = each.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for key in ("pods", "count/pods"):
            if key in hard and int(used.get(key, 0)) >= int(hard[key]):
                return str(each["metadata"]["name"])
    return ""


def permissions(state: State) -> list[Permission]:
    own = {"resource": "resourcequotas", "namespace": state.namespace}
    return [
        Permission(verb="create", **own),
        Permission(verb="list", use="observe", **own),
        Permission(verb="get", use="undo", name=state.quota, **own),
        Permission(verb="delete", use="undo", name=state.quota, **own),
        Permission(verb="create", resource="pods", namespace=state.namespace, use="observe"),  # as a dry run, for the dose
    ]


def undo_words(state: State) -> str:
    return f"delete our own resourcequota/{state.quota}"


def undo_calls(state: State) -> list[Call]:
    return [delete_own(state, "ResourceQuota", state.quota)]


def start(state: State, world: World) -> None:
    meta: Obj = {"name": state.quota, "namespace": state.namespace, "labels": own_labels(state)}
    helpers.make(
        world.cluster, {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": meta, "spec": {"hard": {"pods": "0"}}}
    )


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    return still_changed(undo_calls(state), world)


def dose(state: State) -> Dose:
    """The API server declines a pod, and says that it is for our quota."""
    refused = Expectation(what="pod-refused", namespace=state.namespace, name=state.quota)
    return Dose(expect=[refused], words=f"no pod is admitted to namespace {state.namespace}")
