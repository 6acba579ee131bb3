"""`scale-to-zero`: a Deployment is scaled down, as by a wrong click or a broken autoscaler, and back to what it was."""

from typing import Annotated, Literal

from pydantic import Field

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, NotFound
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.targets import refuse_protected, target_of
from chaos.injectors.undoing import put_back
from chaos.model.base import Name
from chaos.model.caps import Caps
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

PRIVILEGE: Privilege = "api"


class ScaleToZero(FaultSpec):
    """A workload has too few pods, or none."""

    kind: Literal["scale-to-zero"]
    deployment: Name
    to: Annotated[int, Field(ge=0)] = 0


class State(FaultState):
    """What was asked for before, and what we ask for."""

    deployment: str
    uid: str
    before: int
    to: int
    services: list[str]


Spec = ScaleToZero


def prepare(spec: ScaleToZero, aim: Aim) -> State:
    refuse_protected(aim.namespace)
    cluster = aim.world.cluster
    try:
        found = cluster.get("Deployment", spec.deployment, aim.namespace)
    except NotFound:
        raise BadInput(f"there is no deployment {spec.deployment} in namespace {aim.namespace}") from None
    before = int(found["spec"].get("replicas", 1))
    if spec.to >= before:
        raise BadInput(f"deployment/{spec.deployment} has {before} replicas already: scaling to {spec.to} would strike nothing")
    _keep_caps(spec, before, aim.caps)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(found, "Deployment")],
        deployment=spec.deployment,
        uid=found["metadata"]["uid"],
        before=before,
        to=spec.to,
        services=_services_of(cluster, found),
    )


def _keep_caps(spec: ScaleToZero, before: int, caps: Caps) -> None:
    share = (before - spec.to) / before
    if not spec.to and not caps.last_replica:
        raise BadInput(
            f"this would take the last replica of deployment/{spec.deployment}; "
            "raise caps.last_replica with a reason if that is meant"
        )
    if share > caps.max_share + 1e-9 and before > 1:
        raise BadInput(
            f"this would take {share:.0%} of deployment/{spec.deployment}, the cap is {caps.max_share:.0%}; "
            "raise caps.workload_share with a reason if that is meant"
        )


def _services_of(cluster: Cluster, deployment: Obj) -> list[str]:
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    services = cluster.find("Service", deployment["metadata"]["namespace"])
    selectors = {each["metadata"]["name"]: each["spec"].get("selector") for each in services}
    return sorted(name for name, wanted in selectors.items() if wanted and all(labels.get(k) == v for k, v in wanted.items()))


def permissions(state: State) -> list[Permission]:
    return [
        Permission(verb="patch", resource="deployments", group="apps", namespace=state.namespace, name=state.deployment),
        Permission(
            verb="patch", resource="deployments", group="apps", namespace=state.namespace, name=state.deployment, use="undo"
        ),
        Permission(
            verb="get", resource="deployments", group="apps", namespace=state.namespace, name=state.deployment, use="undo"
        ),
    ]


def undo_words(state: State) -> str:
    return f"scale deployment/{state.deployment} back from {state.to} to {state.before}"


def undo_calls(state: State) -> list[Call]:
    patch = _scaling(state, state.to, state.before)
    return [PatchBack(kind="Deployment", name=state.deployment, namespace=state.namespace, patch=patch)]


def start(state: State, world: World) -> None:
    patch = _scaling(state, state.before, state.to)
    world.cluster.patch("Deployment", state.deployment, state.namespace, patch, how="json")


def stop(state: State, world: World) -> None:
    """Back to what it was, unless somebody else has set another number meanwhile: that one is theirs."""
    put_back(undo_calls(state), world)


def _scaling(state: State, old: int, new: int) -> list[Obj]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": state.uid},
        {"op": "test", "path": "/spec/replicas", "value": old},
        {"op": "replace", "path": "/spec/replicas", "value": new},
    ]


def verify(state: State, world: World) -> list[str]:
    try:
        found = world.cluster.get("Deployment", state.deployment, state.namespace)
    except NotFound:
        return []
    replicas = found["spec"].get("replicas", 1)
    if found["metadata"]["uid"] != state.uid or replicas == state.before:
        return []
    whose = "as we set it" if replicas == state.to else "somebody else set it meanwhile; we leave it"
    return [f"deployment/{state.deployment} asks for {replicas} replicas, was {state.before}: {whose}"]


def dose(state: State) -> Dose:
    expect = [
        Expectation(what="endpoints", namespace=state.namespace, service=name, at_most=state.to) for name in state.services
    ]
    if not expect:
        field = Expectation(
            what="object", kind="Deployment", name=state.deployment, namespace=state.namespace, field="status.readyReplicas"
        )
        expect = [field.model_copy(update={"value": str(state.to) if state.to else None})]
    return Dose(expect=expect, within=10.0, words=f"deployment/{state.deployment} has {state.to} ready endpoints")
