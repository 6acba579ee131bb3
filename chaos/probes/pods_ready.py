"""`pods-ready`: how many pods of a selector are ready, read from the API server."""

from typing import Annotated, Literal

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
        return Reading(ok=False, detail="there is no cluster to read from")
    try:
        pods = view.world.cluster.find("Pod", spec.namespace or view.namespace, labels=spec.selector)
    except NotReady as error:
        return Reading(ok=False, unit="pods", detail=str(error))
    ready = sum(map(is_ready, pods))
    return Reading(ok=ready >= spec.at_least, value=ready, unit="pods", detail=f"{ready} of {len(pods)} ready")


def is_ready(pod: dict[str, object]) -> bool:
    """Whether a pod takes traffic: its Ready condition is true and it is not being deleted."""
    if pod.get("metadata", {}).get("deletionTimestamp"):  # type: ignore[attr-defined]
        return False
    conditions = pod.get("status", {}).get("conditions", [])  # type: ignore[attr-defined]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
