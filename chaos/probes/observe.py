"""One cheap look at the cluster: ready endpoints, replicas, restarts, and what passed our proxies."""

from collections.abc import Callable, Mapping

from chaos.clients.world import Cluster, Obj
from chaos.errors import ClusterError, NotReady
from chaos.model.events import Observation

Traffic = Callable[[], dict[str, float]]
STANDS_FOR = "gameday.dev/service"
"""Annotation of a Service of ours that leads past our proxy to the pods of the Service it names."""


class Observer:
    """Looks at one namespace. What cannot be read is left out: evidence is missing then, never invented."""

    def __init__(self, cluster: Cluster, namespace: str, *, traffic: Mapping[str, Traffic] | None = None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._traffic = dict(traffic or {})

    def look(self) -> Observation:
        """Four lists and the counters. An API server that does not answer is asked once a look, not four times."""
        kinds = ("Service", "EndpointSlice", "Deployment", "Pod")
        seen = dict(zip(kinds, self._lists(*kinds), strict=True))
        services = seen["Service"]
        return Observation(
            ready=_past_our_proxies(services, _ready(seen["EndpointSlice"])),
            desired=_past_our_proxies(services, _desired(services, seen["Deployment"])),
            restarts=_restarts(seen["Pod"]),
            traffic=self._counters(),
        )

    def _lists(self, *kinds: str) -> list[list[Obj]]:
        found: list[list[Obj]] = []
        silent = False
        for kind in kinds:
            try:
                found.append([] if silent else self._cluster.find(kind, self._namespace))
            except ClusterError as error:
                silent = error.status == 0
                found.append([])
        return found

    def _counters(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for service, read in self._traffic.items():
            try:
                found[service] = read()
            except NotReady:
                continue
        return found


def _ready(slices: list[Obj]) -> dict[str, int]:
    """Service -> endpoints that take traffic; 0 where it has none."""
    found: dict[str, int] = {}
    for each in slices:
        if service := each["metadata"].get("labels", {}).get("kubernetes.io/service-name"):
            ready = sum(1 for end in each.get("endpoints") or [] if end.get("conditions", {}).get("ready"))
            found[service] = found.get(service, 0) + ready
    return found


def _desired(services: list[Obj], deployments: list[Obj]) -> dict[str, int]:
    """Service -> replicas of the Deployments whose pods its selector matches."""
    found: dict[str, int] = {}
    for service in services:
        selector = service["spec"].get("selector")
        behind = [each for each in deployments if selector and _makes_pods_for(each, selector)]
        if behind:
            found[service["metadata"]["name"]] = sum(each["spec"].get("replicas", 1) for each in behind)
    return found


def _makes_pods_for(deployment: Obj, selector: Mapping[str, str]) -> bool:
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _past_our_proxies(services: list[Obj], counts: dict[str, int]) -> dict[str, int]:
    """While a proxy of ours is all that a Service leads to, what stands behind the proxy is told instead."""
    behind = {
        each["metadata"]["name"]: original
        for each in services
        if (original := (each["metadata"].get("annotations") or {}).get(STANDS_FOR))
    }
    told = {name: count for name, count in counts.items() if name not in behind}
    return told | {original: counts[name] for name, original in behind.items() if name in counts}


def _restarts(pods: list[Obj]) -> dict[str, int]:
    """Pod -> restarts of its containers, where there were any."""
    found: dict[str, int] = {}
    for pod in pods:
        if count := sum(each.get("restartCount", 0) for each in pod.get("status", {}).get("containerStatuses") or []):
            found[pod["metadata"]["name"]] = count
    return found
