"""Changing a Deployment's template, which rolls out new pods, and putting the very old template back."""

import math
from typing import Any

from chaos.clients.world import Cluster, Obj
from chaos.errors import BadInput
from chaos.injectors.targets import named, refuse_protected
from chaos.model.caps import Caps
from chaos.model.run import Permission
from chaos.probes.pods_ready import is_ready

RESTARTED = "gameday.dev/restarted-by"
_TEMPLATE = "/spec/template"


def deployment(cluster: Cluster, name: str, namespace: str) -> Obj:
    """The Deployment; BadInput where a change of its template would not roll out."""
    refuse_protected(namespace)
    found = named(cluster, "Deployment", name, namespace)
    if found["spec"].get("paused"):
        raise BadInput(f"deployment/{name} is paused: a change of its template would roll out nothing")
    if not found["spec"].get("replicas", 1):
        raise BadInput(f"deployment/{name} has no replicas: nothing would be struck")
    return found


def pods_of(cluster: Cluster, found: Obj) -> list[Obj]:
    """The living pods that the Deployment selects."""
    wanted = found["spec"]["selector"].get("matchLabels") or {}
    pods = cluster.find("Pod", found["metadata"]["namespace"], labels=wanted)
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def taken_at_once(found: Obj) -> int:
    """How many pods a rollout takes away before new ones are ready, by the Deployment's own strategy."""
    replicas, strategy = int(found["spec"].get("replicas", 1)), found["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    rolling = strategy.get("rollingUpdate") or {}
    surge = _part(rolling.get("maxSurge", "25%"), replicas, up=True)
    gone = _part(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return min(replicas, gone if gone or surge else 1)


def _part(value: int | str, whole: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    part = whole * int(value.rstrip("%")) / 100
    return math.ceil(part) if up else math.floor(part)


def keep_caps(found: Obj, pods: list[Obj], caps: Caps) -> None:
    """Refuse a rollout that would take more of the workload than the caps allow before new pods are ready."""
    name, taken, replicas = found["metadata"]["name"], taken_at_once(found), int(found["spec"].get("replicas", 1))
    ready = sum(map(is_ready, pods))
    if taken and ready <= taken and not caps.last_replica:
        raise BadInput(
            f"this rollout may take the last ready replica of deployment/{name}, by its own strategy; "
            "raise caps.last_replica with a reason if that is meant"
        )
    if taken > 1 and taken / replicas > caps.max_share + 1e-9:
        raise BadInput(
            f"this rollout may take {taken} of {replicas} pods of deployment/{name} at once, by its own strategy; the cap is "
            f"{caps.max_share:.0%}; raise caps.workload_share with a reason if that is meant"
        )


def notes(found: Obj) -> list[str]:
    """What the Deployment's strategy makes of a rollout whose pods never become ready."""
    name, taken = found["metadata"]["name"], taken_at_once(found)
    stays = (
        f"deployment/{name} lets no old pod go before a new one is ready: that customers feel nothing is its defence at work"
    )
    goes = f"deployment/{name} lets {taken} of {found['spec'].get('replicas', 1)} pods go before new ones are ready"
    return [goes if taken else stays]


def permissions(namespace: str, names: list[str]) -> list[Permission]:
    """Rights to change these Deployments' templates, to put them back, and to see what becomes of their pods."""
    wanted: list[Permission] = []
    for name in names:
        own: dict[str, Any] = {"resource": "deployments", "group": "apps", "namespace": namespace, "name": name}
        wanted.append(Permission(verb="patch", **own))
        wanted += [Permission(verb=verb, use="undo", **own) for verb in ("get", "patch")]
    return [*wanted, Permission(verb="list", resource="pods", namespace=namespace, use="observe")]


# -- a restart: another annotation is another template -------------------------------------------------------------------


def restart_patch(found: Obj, uid: str, mark: str) -> list[Obj]:
    """Rolls all pods, if it still is that very Deployment."""
    same = {"op": "test", "path": "/metadata/uid", "value": uid}
    if found["spec"]["template"]["metadata"].get("annotations"):
        return [same, {"op": "add", "path": _annotation(), "value": mark}]
    return [same, {"op": "add", "path": f"{_TEMPLATE}/metadata/annotations", "value": {RESTARTED: mark}}]


def restart_back(uid: str, mark: str) -> list[Obj]:
    """Rolls back to the template of before, and so to new pods of it; only if the mark still is ours."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": _annotation(), "value": mark},
        {"op": "remove", "path": _annotation()},
    ]


def _annotation() -> str:
    return f"{_TEMPLATE}/metadata/annotations/{RESTARTED.replace('/', '~1')}"
