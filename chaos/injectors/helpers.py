"""Helper pods of ours: one standard-library program from a ConfigMap on a public Python image, without any rights."""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.clients.world import Cluster, Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import ClusterError, Conflict, NotFound, NotReady
from chaos.injectors.base import LABEL_RUN, LABEL_STEP, FaultState, own_labels
from chaos.probes.pods_ready import is_hopeless, is_ready, why_unready

READY_WITHIN = 60.0  # an image may have to be pulled first
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
"""The variable that tells a program of ours which address is its own."""
_LIFE = 3 * 3600


def name_for(what: str, run: str, step: str = "") -> str:
    """A name that follows from run and step alone, so that another process finds it: short, at most 63 characters."""
    readable = re.sub(r"[^a-z0-9]+", "-", f"gameday-{what}-{step}".lower()).strip("-")[:44].rstrip("-")
    return f"{readable}-{hashlib.sha256(f'{run}/{step}'.encode()).hexdigest()[:8]}"


def make(cluster: Cluster, obj: Obj) -> None:
    """Create it; one of that name from an earlier try of the same run is as good."""
    with suppress(Conflict):
        cluster.create(obj)


def program_map(state: FaultState, name: str, program: Path) -> Obj:
    meta = {"name": name, "namespace": state.namespace, "labels": own_labels(state)}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"program.py": program.read_text()}}


def program_pod(  # noqa: PLR0913 - all by name
    state: FaultState, name: str, *, image: str, program: str, port: int, env: dict[str, str], secret: str = ""
) -> Obj:
    """A pod that runs `/gameday/program.py`; it may do nothing in the cluster and ends by itself."""
    volumes: list[dict[str, Any]] = [{"name": "program", "configMap": {"name": name}}]
    mounts = [{"name": "program", "mountPath": "/gameday", "readOnly": True}]
    if secret:
        volumes.append({"name": "tls", "secret": {"secretName": secret}})
        mounts.append({"name": "tls", "mountPath": "/tls", "readOnly": True})
    variables = [{"name": key, "value": value} for key, value in {"GAMEDAY_PROGRAM": program, **env}.items()]
    container = {
        "name": program,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-u", "/gameday/program.py"],
        "env": [POD_IP, *variables],
        "ports": [{"containerPort": port}],
        "volumeMounts": mounts,
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": state.namespace,
            "labels": {**own_labels(state), "gameday.dev/program": program},
        },
        "spec": {
            "restartPolicy": "Always",
            "activeDeadlineSeconds": _LIFE,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": volumes,
        },
    }


def await_ready(cluster: Cluster, namespace: str, pod: str) -> Obj:
    """The pod once it is ready; NotReady tells what it was waiting for."""
    seen: Obj = {}

    def decided() -> bool:
        nonlocal seen
        seen = cluster.get("Pod", pod, namespace)
        return is_ready(seen) or is_hopeless(seen)

    wait_until(decided, clock=RealClock(), within=READY_WITHIN, every=0.1)
    if why := why_unready(seen):
        raise NotReady(f"it did not become ready: {why}")
    return seen


def off_nodes(nodes: list[str]) -> Obj:
    """The affinity that keeps a pod off these nodes, by the label in which nodes say their names."""
    not_there = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": nodes}
    terms = [{"matchExpressions": [not_there]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def left_of(world: World, state: FaultState, *objects: tuple[str, str]) -> list[str]:
    """Which of our objects are still there, in words."""
    left: list[str] = []
    for kind, name in objects:
        try:
            if _is_ours(world.cluster.get(kind, name, state.namespace), state):
                left.append(f"{kind.lower()}/{name} in {state.namespace} is still there")
        except NotFound:
            continue
        except ClusterError as error:
            left.append(f"unknown: {error}")
    return left


def _is_ours(obj: Obj, state: FaultState) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return labels.get(LABEL_RUN) == state.run and labels.get(LABEL_STEP) == state.step
