"""A fitting: Locust on the cluster (`load.workers`), a master and its workers, each a Job with a deadline; idle until told.

The pods run `chaos.load.child.station`. What the runner has to say to the master goes through the API server (pods/proxy), so
nothing needs to reach from the cluster to the runner. The Jobs belong to the run's owner, and go with it.
"""

import json
import secrets
from typing import Any

from chaos.clients.world import Cluster, Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import ClusterError, NotReady
from chaos.injectors import helpers
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege, own_labels
from chaos.injectors.undoing import delete_own, put_back, still_changed
from chaos.load.child.setting import VARIABLE
from chaos.load.child.station import ORDERS, PORT
from chaos.model.dose import Dose
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.probes.pods_ready import is_hopeless, is_ready, why_unready

PRIVILEGE: Privilege = "api"
_PART = "gameday.dev/load"
_FILES = "/gameday/load"
_HOME = "/tmp"  # noqa: S108 - of the pod, an empty folder of its own
_MARGIN = 120.0
"""Seconds that the pods may live beyond the load: to be asked for the last records."""


class LoadWorkers(FaultSpec):
    """How many workers, and what Locust is told."""

    kind: str = "load-workers"
    image: str
    workers: int
    setting: str
    """The listener's setting, as JSON."""
    posting: dict[str, Any]
    """What master and workers are told alike: locustfile, host, users, spawn rate."""
    files: dict[str, str]
    """The locustfile and what it imports from beside it."""
    limit: float


class State(FaultState):
    """All that making it, talking to it and taking it away needs."""

    name: str
    image: str
    workers: int
    setting: str
    posting: dict[str, Any]
    files: dict[str, str]
    deadline: int
    token: str


Spec = LoadWorkers


def prepare(spec: LoadWorkers, aim: Aim) -> State:
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        name=helpers.name_for("load", aim.run, aim.step),
        image=spec.image,
        workers=spec.workers,
        setting=spec.setting,
        posting={**spec.posting, "locustfile": f"{_FILES}/{spec.posting['locustfile']}", "workers": spec.workers},
        files=spec.files,
        deadline=round(spec.limit + _MARGIN),
        token=secrets.token_hex(16),
    )


def permissions(state: State) -> list[Permission]:
    space = state.namespace
    return [
        Permission(verb="create", resource="configmaps", namespace=space),
        Permission(verb="create", resource="jobs", group="batch", namespace=space),
        Permission(verb="list", resource="pods", namespace=space, use="observe"),
        Permission(verb="get", resource="pods", subresource="proxy", namespace=space),
        Permission(verb="create", resource="pods", subresource="proxy", namespace=space),
    ]


def undo_words(state: State) -> str:
    return f"delete the load's jobs {state.name} and {state.name}-workers with their pods, and configmap/{state.name}"


def undo_calls(state: State) -> list[Call]:
    jobs = [delete_own(state, "Job", f"{state.name}-workers"), delete_own(state, "Job", state.name)]
    return [*jobs, delete_own(state, "ConfigMap", state.name)]


def start(state: State, world: World) -> None:
    """Ready to begin: every pod answers, and the workers know where their master is."""
    cluster = world.cluster
    meta = {"name": state.name, "namespace": state.namespace, "labels": own_labels(state)}
    helpers.make(cluster, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": state.files})
    helpers.make(cluster, _job(state, "master", 1, {}))
    (master,) = _await(state, cluster, "master", 1)
    helpers.make(cluster, _job(state, "workers", state.workers, {"master": master["status"]["podIP"]}))
    _await(state, cluster, "workers", state.workers)


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    left = still_changed(undo_calls(state), world)
    pods = world.cluster.find("Pod", state.namespace, labels=own_labels(state))
    return left + [f"pod/{pod['metadata']['name']} in {state.namespace} is still there" for pod in pods]


def dose(state: State) -> Dose:
    return Dose(expect=[], words="none: it makes the load")


def master_pod(state: State, cluster: Cluster) -> str:
    """The pod that the runner talks to."""
    pods = _pods(state, cluster, "master")
    if not pods:
        raise NotReady(f"the load's master is gone from namespace {state.namespace}")
    return str(pods[0]["metadata"]["name"])


def _pods(state: State, cluster: Cluster, part: str) -> list[Obj]:
    return cluster.find("Pod", state.namespace, labels={**own_labels(state), _PART: part})


def _await(state: State, cluster: Cluster, part: str, count: int) -> list[Obj]:
    pods: list[Obj] = []

    def settled() -> bool:
        nonlocal pods
        try:
            pods = _pods(state, cluster, part)
        except ClusterError:
            return False
        return sum(map(is_ready, pods)) >= count or any(map(is_hopeless, pods))

    wait_until(settled, clock=RealClock(), within=helpers.READY_WITHIN, every=0.2)
    ready = [pod for pod in pods if is_ready(pod)]
    if len(ready) < count:
        told = "; ".join(sorted({why_unready(pod) for pod in pods if not is_ready(pod)})) or "no pod was made"
        raise NotReady(
            f"{len(ready)} of {count} pods of the load's {part} are ready: {told}. "
            f"They run {state.image}: on kind, gameday cluster load brings it onto the nodes"
        )
    return ready


def _job(state: State, part: str, count: int, more: dict[str, Any]) -> Obj:
    role = "master" if part == "master" else "worker"
    orders = {**state.posting, "role": role, "token": state.token, **more}
    name = state.name if part == "master" else f"{state.name}-{part}"
    labels = {**own_labels(state), _PART: part}
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": name, "namespace": state.namespace, "labels": own_labels(state)},
        "spec": {
            "parallelism": count,
            "completions": count,
            "backoffLimit": 0,
            "activeDeadlineSeconds": state.deadline,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": labels}, "spec": _pod(state, orders)},
        },
    }


def _pod(state: State, orders: dict[str, Any]) -> Obj:
    env = {ORDERS: json.dumps(orders), VARIABLE: state.setting, "HOME": _HOME}
    container = {
        "name": "load",
        "image": state.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            helpers.POD_IP,
            *({"name": key, "value": value} for key, value in env.items()),
        ],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [{"name": "files", "mountPath": _FILES, "readOnly": True}, {"name": "home", "mountPath": _HOME}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "files", "configMap": {"name": state.name}}, {"name": "home", "emptyDir": {}}],
    }
