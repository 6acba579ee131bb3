"""A fitting: the witness pod, which takes readings over routes from inside the cluster while faults are in effect."""

import json
from pathlib import Path
from typing import Literal

from chaos.clients.world import World
from chaos.injectors import helpers
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.model.dose import Dose, Route
from chaos.model.run import Permission

PRIVILEGE: Privilege = "api"
PORT = 8470
_PROGRAM = Path(__file__).with_name("witness_program.py")


class Witness(FaultSpec):
    """Which routes to read."""

    kind: Literal["witness"] = "witness"
    routes: list[Route]


class State(FaultState):
    """The pod, and what it reads."""

    pod: str
    image: str
    routes: list[Route]


Spec = Witness


def prepare(spec: Witness, aim: Aim) -> State:
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        pod=helpers.name_for("witness", aim.run),
        image=aim.images["python"],
        routes=spec.routes,
    )


def permissions(state: State) -> list[Permission]:
    return [
        *[Permission(verb="create", resource=kind, namespace=state.namespace) for kind in ("configmaps", "pods")],
        *[
            Permission(verb=verb, resource=kind, namespace=state.namespace, use="undo")
            for kind in ("configmaps", "pods")
            for verb in ("get", "delete")
        ],
        Permission(verb="get", resource="pods", subresource="proxy", namespace=state.namespace, use="observe"),
    ]


def undo_words(state: State) -> str:
    return f"delete pod/{state.pod} and its config map"


def start(state: State, world: World) -> None:
    helpers.make(world.cluster, helpers.program_map(state, state.pod, _PROGRAM))
    env = {"ROUTES": json.dumps([route.model_dump(mode="json") for route in state.routes])}
    pod = helpers.program_pod(state, state.pod, image=state.image, program="witness", port=PORT, env=env)
    helpers.make(world.cluster, pod)
    helpers.await_ready(world.cluster, state.namespace, state.pod)


def stop(state: State, world: World) -> None:
    helpers.remove(world, state, *_objects(state))


def verify(state: State, world: World) -> list[str]:
    return helpers.left_of(world, state, *_objects(state))


def dose(state: State) -> Dose:
    return Dose(expect=[], words="none: it only reads")


def _objects(state: State) -> tuple[tuple[str, str], ...]:
    return (("Pod", state.pod), ("ConfigMap", state.pod))
