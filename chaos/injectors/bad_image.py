"""`bad-image`: a release rolls out an image that cannot be pulled; the undo puts the very old image back.

One patch of the Deployment's template, one patch back, each only if the image is as we know it. What becomes of the old pods
meanwhile is the Deployment's own strategy: with `maxUnavailable: 0` they stay, and customers feel nothing. Useful from 10 s on:
a registry may take its time to say no. Inconclusive where the image can be pulled after all, or no new pod is placed.
"""

from typing import Annotated, Literal

from pydantic import StringConstraints

from chaos.clients.world import Obj, World
from chaos.errors import BadInput
from chaos.injectors import rollouts
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.targets import target_of
from chaos.injectors.undoing import put_back, still_changed
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

PRIVILEGE: Privilege = "api"
HELD_UP = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"]
_NOWHERE = "gameday.invalid/no-such-image"  # by RFC 2606 that name never resolves: no registry is asked


class BadImage(FaultSpec):
    """A rollout whose new pods cannot start."""

    kind: Literal["bad-image"]
    deployment: Name
    container: str | None = None
    """Whose image it is; default: the only container."""
    image: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """What is rolled out; default: a name that no registry can have."""


class State(FaultState):
    """The image of before and the one we roll out."""

    deployment: str
    uid: str
    container: str
    index: int
    before: str
    image: str
    selector: dict[str, str]
    known: list[str]  # UIDs of the pods before
    notes: list[str] = []


Spec = BadImage


def prepare(spec: BadImage, aim: Aim) -> State:
    cluster = aim.world.cluster
    found = rollouts.deployment(cluster, spec.deployment, aim.namespace)
    index, container = _container(found, spec.container)
    image = spec.image or f"{_NOWHERE}:{aim.step}"
    if image == container["image"]:
        raise BadInput(f"deployment/{spec.deployment} runs {image} already: rolling it out would strike nothing")
    pods = rollouts.pods_of(cluster, found)
    rollouts.keep_caps(found, pods, aim.caps)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(found, "Deployment")],
        deployment=spec.deployment,
        uid=found["metadata"]["uid"],
        container=container["name"],
        index=index,
        before=container["image"],
        image=image,
        selector=found["spec"]["selector"].get("matchLabels") or {},
        known=[pod["metadata"]["uid"] for pod in pods],
        notes=rollouts.notes(found),
    )


def _container(deployment: Obj, wanted: str | None) -> tuple[int, Obj]:
    name, containers = deployment["metadata"]["name"], deployment["spec"]["template"]["spec"]["containers"]
    known = ", ".join(each["name"] for each in containers)
    if wanted is None and len(containers) > 1:
        raise BadInput(f"deployment/{name} has several containers ({known}): say which")
    for index, each in enumerate(containers):
        if wanted in (None, each["name"]):
            return index, each
    raise BadInput(f"deployment/{name} has no container {wanted}; it has {known}")


def permissions(state: State) -> list[Permission]:
    return rollouts.permissions(state.namespace, [state.deployment])


def undo_words(state: State) -> str:
    return f"roll deployment/{state.deployment} back to the image {state.before}"


def _patch(state: State, old: str, new: str) -> list[Obj]:
    here = f"/spec/template/spec/containers/{state.index}"
    return [
        {"op": "test", "path": "/metadata/uid", "value": state.uid},
        {"op": "test", "path": f"{here}/name", "value": state.container},
        {"op": "test", "path": f"{here}/image", "value": old},
        {"op": "replace", "path": f"{here}/image", "value": new},
    ]


def undo_calls(state: State) -> list[Call]:
    patch = _patch(state, state.image, state.before)
    return [PatchBack(kind="Deployment", name=state.deployment, namespace=state.namespace, patch=patch)]


def start(state: State, world: World) -> None:
    patch = _patch(state, state.before, state.image)
    world.cluster.patch("Deployment", state.deployment, state.namespace, patch, how="json")


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    return still_changed(undo_calls(state), world)


def dose(state: State) -> Dose:
    """A kubelet says that it cannot pull the image for a new pod."""
    held_up = Expectation(
        what="new-pods", namespace=state.namespace, selector=state.selector, uids=state.known, reasons=HELD_UP
    )
    words = f"a new pod of deployment/{state.deployment} cannot pull {state.image}"
    return Dose(expect=[held_up], within=20.0, words=words)
