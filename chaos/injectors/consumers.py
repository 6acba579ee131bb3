"""Which workloads of a namespace consume a ConfigMap or a Secret, and how: that decides when they feel a change of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.clients.world import Cluster, Obj

Way = Literal["env", "volume", "sub-path", "image-pull"]
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_REACHES: dict[Way, str] = {
    "env": "in the environment of {}: only containers that start later feel a change",
    "volume": "mounted as files by {}: a kubelet brings a change in 60 to 90 s, and a program that reads them once feels none",
    "sub-path": "mounted by subPath, as single files, by {}: these never change in a container that runs",
    "image-pull": "for pulling the images of {}: only pods that start on a node without the image feel a change",
}


@dataclass(frozen=True)
class Consumer:
    """A workload and its ways to the object."""

    workload: Obj
    ways: tuple[Way, ...]

    @property
    def name(self) -> str:
        return f"{self.workload['kind'].lower()}/{self.workload['metadata']['name']}"


def consumers(cluster: Cluster, kind: str, name: str, namespace: str, keys: Sequence[str] = ()) -> list[Consumer]:
    """All workloads that take `keys` (none: any) of the object, by kind and name."""
    wanted = _Wanted(kind, name, frozenset(keys))
    found: list[Consumer] = []
    for each in KINDS:
        for workload in sorted(cluster.find(each, namespace), key=lambda obj: str(obj["metadata"]["name"])):
            ways = sorted(set(wanted.ways(workload["spec"]["template"]["spec"])))
            found += [Consumer({**workload, "kind": each}, tuple(ways))] if ways else []
    return found


def notes(found: Sequence[Consumer]) -> list[str]:
    """When its consumers feel a change, for plan and report."""
    by_way = {way: ", ".join(each.name for each in found if way in each.ways) for way in _REACHES}
    return [f"it is {_REACHES[way].format(names)}" for way, names in by_way.items() if names]


@dataclass(frozen=True)
class _Wanted:
    kind: str
    name: str
    keys: frozenset[str]

    def ways(self, spec: Obj) -> Iterator[Way]:
        containers = [*(spec.get("initContainers") or []), *spec["containers"]]
        for container in containers:
            if any(self._env(each) for each in container.get("env") or []):
                yield "env"
            if any(self._names(each, "configMapRef", "secretRef") for each in container.get("envFrom") or []):
                yield "env"
        volumes = {volume["name"] for volume in spec.get("volumes") or [] if self._volume(volume)}
        for mount in (each for container in containers for each in container.get("volumeMounts") or []):
            if mount["name"] in volumes and (not mount.get("subPath") or self._has(mount["subPath"])):
                yield "sub-path" if mount.get("subPath") else "volume"
        if self.kind == "Secret" and any(each.get("name") == self.name for each in spec.get("imagePullSecrets") or []):
            yield "image-pull"

    def _has(self, key: str) -> bool:
        return not self.keys or key in self.keys

    def _names(self, source: Obj, config_map: str, secret: str) -> bool:
        chosen = source.get(config_map if self.kind == "ConfigMap" else secret) or {}
        return bool(chosen.get("name") == self.name)

    def _env(self, variable: Obj) -> bool:
        source = variable.get("valueFrom") or {}
        if not self._names(source, "configMapKeyRef", "secretKeyRef"):
            return False
        return self._has(next(each["key"] for each in source.values() if each.get("name") == self.name))

    def _volume(self, volume: Obj) -> bool:
        parts = [volume, *((volume.get("projected") or {}).get("sources") or [])]
        return any(self._part(part) for part in parts)

    def _part(self, part: Obj) -> bool:
        source = part.get("configMap" if self.kind == "ConfigMap" else "secret") or {}
        if self.name not in (source.get("name"), source.get("secretName")):
            return False
        items = source.get("items")
        return not items or any(self._has(item["key"]) for item in items)
