"""`scale-to-zero`: a workload is scaled down, as by a wrong click or a broken autoscaler, and back to what it was."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, NotFound
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.targets import named, refuse_protected, target_of
from chaos.injectors.undoing import put_back
from chaos.model.base import Model, Name
from chaos.model.caps import Caps
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

PRIVILEGE: Privilege = "api"
_EACH = 10.0  # seconds for a pod of a StatefulSet to end


class ScaledWorkload(Model):
    """What is scaled."""

    kind: Literal["Deployment", "StatefulSet"]
    name: Name

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


class ScaleToZero(FaultSpec):
    """A workload has too few pods, or none."""

    kind: Literal["scale-to-zero"]
    workload: ScaledWorkload | None = None
    deployment: Name | None = None
    """Short for the workload of kind Deployment and this name."""
    to: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.workload is None) == (self.deployment is None):
            raise ValueError("give either workload (its kind and name) or deployment (its name)")
        return self

    @property
    def scaled(self) -> ScaledWorkload:
        return self.workload or ScaledWorkload(kind="Deployment", name=self.deployment or "")


class State(FaultState):
    """What was asked for before, and what we ask for."""

    workload_kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    workload: str
    uid: str
    before: int
    to: int
    services: list[str]


Spec = ScaleToZero


def prepare(spec: ScaleToZero, aim: Aim) -> State:
    refuse_protected(aim.namespace)
    cluster, scaled = aim.world.cluster, spec.scaled
    found = named(cluster, scaled.kind, scaled.name, aim.namespace)
    before = int(found["spec"].get("replicas", 1))
    if spec.to >= before:
        raise BadInput(f"{scaled} has {before} replicas already: scaling to {spec.to} would strike nothing")
    _keep_caps(spec, before, aim.caps)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(found, scaled.kind)],
        workload_kind=scaled.kind,
        workload=scaled.name,
        uid=found["metadata"]["uid"],
        before=before,
        to=spec.to,
        services=_services_of(cluster, found),
    )


def _keep_caps(spec: ScaleToZero, before: int, caps: Caps) -> None:
    share = (before - spec.to) / before
    if not spec.to and not caps.last_replica:
        raise BadInput(
            f"this would take the last replica of {spec.scaled}; raise caps.last_replica with a reason if that is meant"
        )
    if share > caps.max_share + 1e-9 and before > 1:
        raise BadInput(
            f"this would take {share:.0%} of {spec.scaled}, the cap is {caps.max_share:.0%}; "
            "raise caps.workload_share with a reason if that is meant"
        )


def _services_of(cluster: Cluster, workload: Obj) -> list[str]:
    labels = workload["spec"]["template"]["metadata"].get("labels") or {}
    services = cluster.find("Service", workload["metadata"]["namespace"])
    selectors = {each["metadata"]["name"]: each["spec"].get("selector") for each in services}
    return sorted(name for name, wanted in selectors.items() if wanted and all(labels.get(k) == v for k, v in wanted.items()))


def permissions(state: State) -> list[Permission]:
    resource = f"{state.workload_kind.lower()}s"
    own = Permission(verb="patch", resource=resource, group="apps", namespace=state.namespace, name=state.workload)
    return [own, *(own.model_copy(update={"verb": verb, "use": "undo"}) for verb in ("patch", "get"))]


def _what(state: State) -> str:
    return f"{state.workload_kind.lower()}/{state.workload}"


def undo_words(state: State) -> str:
    return f"scale {_what(state)} back from {state.to} to {state.before}"


def undo_calls(state: State) -> list[Call]:
    patch = _scaling(state, state.to, state.before)
    return [PatchBack(kind=state.workload_kind, name=state.workload, namespace=state.namespace, patch=patch)]


def start(state: State, world: World) -> None:
    patch = _scaling(state, state.before, state.to)
    world.cluster.patch(state.workload_kind, state.workload, state.namespace, patch, how="json")


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
        found = world.cluster.get(state.workload_kind, state.workload, state.namespace)
    except NotFound:
        return []
    replicas = found["spec"].get("replicas", 1)
    if found["metadata"]["uid"] != state.uid or replicas == state.before:
        return []
    whose = "as we set it" if replicas == state.to else "somebody else set it meanwhile; we leave it"
    return [f"{_what(state)} asks for {replicas} replicas, was {state.before}: {whose}"]


def dose(state: State) -> Dose:
    expect = [
        Expectation(what="endpoints", namespace=state.namespace, service=name, at_most=state.to) for name in state.services
    ]
    if not expect:
        field = Expectation(
            what="object",
            kind=state.workload_kind,
            name=state.workload,
            namespace=state.namespace,
            field="status.readyReplicas",
            value=str(state.to) if state.to else None,
        )
        expect = [field]
    one_by_one = state.workload_kind == "StatefulSet"  # its pods go in order, each when the one after it is gone
    within = _EACH * (state.before - state.to) if one_by_one else 10.0
    return Dose(expect=expect, within=max(10.0, within), words=f"{_what(state)} has {state.to} ready endpoints")
