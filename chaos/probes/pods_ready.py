"""`pods-ready`: how many pods of a selector are ready, read from the API server."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from chaos.errors import NotReady
from chaos.model.base import Labels, Name
from chaos.probes.base import ProbeSpec, Reading, View


class PodsReady(ProbeSpec):
    """At least `at_least` pods that match `selector` are ready."""

    kind: Literal["pods-ready"]
    selector: Labels
    namespace: Name | None = None
    at_least: Annotated[int, Field(ge=0)] = 1


Spec = PodsReady


def read(spec: PodsReady, view: View) -> Reading:
    if view.world is None:
        return Reading(ok=False, unread=True, detail="there is no cluster to read from")
    try:
        pods = view.world.cluster.find("Pod", spec.namespace or view.namespace, labels=spec.selector)
    except NotReady as error:
        return Reading(ok=False, unread=True, unit="pods", detail=str(error))
    ready = sum(map(is_ready, pods))
    return Reading(ok=ready >= spec.at_least, value=ready, unit="pods", detail=f"{ready} of {len(pods)} ready")


def is_ready(pod: dict[str, object]) -> bool:
    """Whether a pod takes traffic: its Ready condition is true and it is not being deleted."""
    if pod.get("metadata", {}).get("deletionTimestamp"):  # type: ignore[attr-defined]
        return False
    conditions = pod.get("status", {}).get("conditions", [])  # type: ignore[attr-defined]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


_HOPELESS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "CrashLoopBackOff",
    }
)


def is_hopeless(pod: Mapping[str, Any]) -> bool:
    """Whether waiting for it to become ready is in vain."""
    held_up = {waiting.get("reason", "") for _, waiting in _waiting(pod)}
    return bool(held_up & _HOPELESS) or pod.get("status", {}).get("phase") == "Failed"


def why_unready(pod: Mapping[str, Any]) -> str:
    """Which pod, which of its containers, and what the kubelet or the scheduler says of it; "" when it is ready."""
    if is_ready(pod):  # type: ignore[arg-type]
        return ""
    name, status = f"pod/{pod['metadata']['name']}", pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return f"{name}: is being deleted"
    for container, waiting in _waiting(pod):
        said = ": ".join(part for part in (waiting.get("reason", ""), waiting.get("message", "")) if part)
        return f"{name}: container {container}: {said or 'waits'}"
    unmet = [each.get("message") or each["type"] for each in status.get("conditions") or [] if each["status"] != "True"]
    return f"{name}: phase {status.get('phase', 'unknown')}" + (f", {unmet[0]}" if unmet else "")


def _waiting(pod: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Container and why it waits, for each that does."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return [(each["name"], waiting) for each in statuses if (waiting := each.get("state", {}).get("waiting")) is not None]
