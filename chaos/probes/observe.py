"""One cheap look at the cluster: ready endpoints, replicas, restarts, and what passed our proxies."""

from collections.abc import Callable, Mapping
from typing import Any

from chaos.clients.world import Cluster, Obj
from chaos.errors import NotReady
from chaos.model.events import Observation

Traffic = Callable[[], dict[str, float]]


class Observer:
    """Looks at one namespace. What cannot be read is left out: evidence is missing then, never invented."""

    def __init__(self, cluster: Cluster, namespace: str, *, traffic: Mapping[str, Traffic] | None = None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._traffic = dict(traffic or {})

    def look(self) -> Observation:
        """Two lists and a half; a fraction of a second at most."""
        return Observation(
            ready=self._try(self._ready),
            desired=self._try(self._desired),
            restarts=self._try(self._restarts),
            traffic=self._counters(),
        )

    def _try(self, read: Callable[[], dict[str, int]]) -> dict[str, int]:
        try:
            return read()
        except NotReady:
            return {}

    def _ready(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in self._cluster.find("EndpointSlice", self._namespace):
            service = each["metadata"].get("labels", {}).get("kubernetes.io/service-name")
            if service:
                ready = sum(1 for end in each.get("endpoints") or [] if end.get("conditions", {}).get("ready"))
                found[service] = found.get(service, 0) + ready
        return found

    def _desired(self) -> dict[str, int]:
        """Service -> replicas of the Deployments whose pods its selector matches."""
        deployments = self._cluster.find("Deployment", self._namespace)
        found: dict[str, int] = {}
        for service in self._cluster.find("Service", self._namespace):
            selector = service["spec"].get("selector")
            if selector:
                behind = [d for d in deployments if _matches(d, selector)]
                if behind:
                    found[service["metadata"]["name"]] = sum(d["spec"].get("replicas", 1) for d in behind)
        return found

    def _restarts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for pod in self._cluster.find("Pod", self._namespace):
            count = sum(each.get("restartCount", 0) for each in pod.get("status", {}).get("containerStatuses") or [])
            if count:
                found[pod["metadata"]["name"]] = count
        return found

    def _counters(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for service, read in self._traffic.items():
            try:
                found[service] = read()
            except NotReady:
                continue
        return found


def _matches(deployment: Obj, selector: Mapping[str, Any]) -> bool:
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())
