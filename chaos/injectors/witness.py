"""The witness: a pod of ours that takes readings where a fault is felt. Not a fault, but made, undone and verified like one.

It runs two stdlib-only files from a ConfigMap on a public Python image, without credentials, and ends by itself.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from chaos.clients.world import Cluster, Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, Conflict, NotFound, NotReady
from chaos.injectors.base import LABEL_RUN, LABEL_STEP, Aim, FaultSpec, FaultState, Privilege, own_labels
from chaos.injectors.helpers import POD_IP, off_nodes
from chaos.injectors.undoing import delete_own, put_back
from chaos.model.dose import Dose, Route
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.model.units import Duration, Exact
from chaos.probes.pods_ready import is_hopeless, why_unready

PRIVILEGE: Privilege = "api"
PORT = 8470
_PROGRAM = "witness.py"
_FOLDER = "/witness"
_READY_WITHIN = 60.0  # a first pull of the image included
_NOBODY = 65534
MOST_ROUTES = 32
"""Which its program takes; each is read ten times a second over two connections."""


class WitnessSpec(FaultSpec):
    """A witness with these routes."""

    kind: Literal["witness"] = "witness"
    routes: list[Route] = []
    avoid: list[str] = []
    """Nodes that it must not run on, since they are to be struck."""
    life: Duration = Exact(7200.0)
    """It ends by itself after this long, whatever becomes of us."""


class State(FaultState):
    """Name of the pod and of its ConfigMap, and what the pod is to watch."""

    pod: str
    image: str
    routes: list[Route]
    avoid: list[str] = []
    life: int


Spec = WitnessSpec


def prepare(spec: WitnessSpec, aim: Aim) -> State:
    if len(spec.routes) > MOST_ROUTES:
        many = f"the faults of this story are to be seen on {len(spec.routes)} routes"
        raise BadInput(f"{many}, and the witness takes readings of at most {MOST_ROUTES}: split the story")
    digest = hashlib.sha256(f"{aim.run}/{aim.step}".encode()).hexdigest()[:10]
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        pod=f"gameday-witness-{digest}",
        image=aim.images["python"],
        routes=spec.routes,
        avoid=spec.avoid,
        life=int(spec.life),
    )


def permissions(state: State) -> list[Permission]:
    def rights(resource: str, verbs: str, use: Literal["inject", "undo", "observe"], subresource: str = "") -> list[Permission]:
        return [
            Permission(verb=verb, resource=resource, namespace=state.namespace, use=use, subresource=subresource)
            for verb in verbs.split()
        ]

    return [
        *rights("pods", "create get", "inject"),
        *rights("configmaps", "create get", "inject"),
        *rights("pods", "list get delete", "undo"),
        *rights("configmaps", "list get delete", "undo"),
        *rights("services", "get", "observe"),
        *rights("pods", "get", "observe", "proxy"),
    ]


def undo_words(state: State) -> str:
    return f"delete our own pod/{state.pod} and configmap/{state.pod}; the pod ends by itself after {state.life} s"


def start(state: State, world: World) -> None:
    """Create it and wait until it takes readings; doing it twice changes nothing."""
    for obj in (_config_map(state), _pod(_resolved(state, world.cluster))):
        _make(world.cluster, obj, state)
    trouble = ""

    def ready() -> bool:
        nonlocal trouble
        pod = world.cluster.get("Pod", state.pod, state.namespace)
        trouble = why_unready(pod)
        return not trouble or is_hopeless(pod)

    if not wait_until(ready, clock=RealClock(), within=_READY_WITHIN) or trouble:
        raise NotReady(f"the witness is not ready: {trouble}")


def undo_calls(state: State) -> list[Call]:
    return [delete_own(state, kind, state.pod) for kind in ("Pod", "ConfigMap")]


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    return [f"{kind.lower()}/{obj['metadata']['name']} is still there" for kind, obj in _ours(state, world.cluster)]


def dose(state: State) -> Dose:
    """A witness changes nothing that could be felt."""
    return Dose(expect=[], words="nothing: the witness only looks")


def _ours(state: State, cluster: Cluster) -> list[tuple[str, Obj]]:
    labels = {LABEL_RUN: state.run, LABEL_STEP: state.step}
    return [(kind, obj) for kind in ("Pod", "ConfigMap") for obj in cluster.find(kind, state.namespace, labels=labels)]


def _resolved(state: State, cluster: Cluster) -> State:
    """Routes whose host is a Service of the namespace lead to its address, which works with and without DNS.

    What a route only looks up stays a name; there, the nameserver may be a Service or a pod.
    """
    return state.model_copy(update={"routes": [_addressed(route, state.namespace, cluster) for route in state.routes]})


def _addressed(route: Route, namespace: str, cluster: Cluster) -> Route:
    which = "server" if route.scheme == "dns" else "host"
    if not (name := getattr(route, which)):
        return route
    try:
        address = cluster.get("Service", name, namespace)["spec"].get("clusterIP")
    except NotFound:
        address = _pod_address(name, namespace, cluster) if which == "server" else None
    return route.model_copy(update={which: address}) if address and address != "None" else route


def _pod_address(name: str, namespace: str, cluster: Cluster) -> str | None:
    try:
        return str(cluster.get("Pod", name, namespace)["status"].get("podIP") or "")
    except NotFound:
        return None


def _make(cluster: Cluster, obj: Obj, state: State) -> None:
    try:
        cluster.create(obj)
    except Conflict:
        kind, name = obj["kind"], obj["metadata"]["name"]
        there = cluster.get(kind, name, state.namespace)
        if there["metadata"].get("labels", {}).get(LABEL_RUN) != state.run:
            raise


def _meta(state: State) -> Obj:
    labels = {**own_labels(state), "app.kubernetes.io/name": "gameday-witness"}
    return {"name": state.pod, "namespace": state.namespace, "labels": labels}


def _config_map(state: State) -> Obj:
    files = {_PROGRAM: "witness_program.py", "witness_wire.py": "witness_wire.py"}
    data = {key: Path(__file__).with_name(name).read_text(encoding="utf-8") for key, name in files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(state), "data": data}


def _pod(state: State) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _meta(state),
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": state.life,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _NOBODY,
                "runAsGroup": _NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"affinity": off_nodes(state.avoid)} if state.avoid else {}),
            "containers": [_container(state)],
            "volumes": [{"name": "program", "configMap": {"name": state.pod}}],
        },
    }


def _container(state: State) -> Obj:
    return {
        "name": "witness",
        "image": state.image,
        "command": ["python3", "-u", f"{_FOLDER}/{_PROGRAM}"],
        "env": [
            {"name": "GAMEDAY_PROGRAM", "value": "witness"},
            POD_IP,
            {"name": "LIFETIME", "value": str(state.life)},
            {"name": "ROUTES", "value": json.dumps([route.as_json() for route in state.routes])},
        ],
        "ports": [{"name": "admin", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "program", "mountPath": _FOLDER, "readOnly": True}],
    }
