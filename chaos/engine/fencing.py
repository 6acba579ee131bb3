"""The cluster as a run may use it: before each write the lease is checked and, while something is made, the stop flag too.

Injectors know nothing of it: they get a World whose calls raise instead of being sent. What they make is given its owner
here, so that the cluster itself takes it away when the run is gone; an owner that is gone already makes it go at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from chaos.clients.proxies import PodProxies
from chaos.clients.world import Cluster, Containers, Obj, PatchType, World
from chaos.engine.stopping import StopFlag
from chaos.errors import Stopped
from chaos.injectors.base import LABEL_RUN, LABEL_UNDO
from chaos.model.run import Environment, Permission

Check = Callable[[], None]
"""Raises when the call may not be sent."""


def undoing_world(world: World, lease: Check) -> World:
    """For putting back: only the lease can keep it from writing."""
    return _world(world, reading=_nothing, writing=lease, owner={})


def making_world(world: World, lease: Check, stop: StopFlag, owner: Obj) -> World:
    """For arming and striking: once the run is stopped no call is sent any more, so that no wait outlasts a stop either."""

    def going() -> None:
        if stop.is_set:
            raise Stopped("the run was stopped meanwhile")

    def may_write() -> None:
        going()
        lease()

    return _world(world, reading=going, writing=may_write, owner=owner)


def _nothing() -> None:
    """Reading is always allowed."""


def _world(world: World, *, reading: Check, writing: Check, owner: Obj) -> World:
    cluster = Fenced(world.cluster, reading=reading, writing=writing, owner=owner)
    containers = cast("Containers", _Checked(world.containers, reading, writing)) if world.containers else None
    return World(cluster=cluster, proxies=PodProxies(cluster), containers=containers)


class Fenced:
    """A Cluster whose every call is checked first."""

    def __init__(self, cluster: Cluster, *, reading: Check, writing: Check, owner: Obj) -> None:
        self._cluster = cluster
        self._reading = reading
        self._writing = writing
        self._owner = owner

    @property
    def environment(self) -> Environment:
        return self._cluster.environment

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        self._reading()
        return self._cluster.get(kind, name, namespace)

    def find(
        self, kind: str, namespace: str = "", *, labels: Mapping[str, str] | str | None = None, fields: str = ""
    ) -> list[Obj]:
        self._reading()
        return self._cluster.find(kind, namespace, labels=labels, fields=fields)

    def create(self, obj: Obj, *, dry: bool = False) -> Obj:
        self._writing()
        return self._cluster.create(self._owned(obj), dry=dry)

    def _owned(self, obj: Obj) -> Obj:
        """With its owner, where it is ours, lives in the owner's namespace, and does not keep what was there before."""
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        if not self._owner or LABEL_RUN not in labels or LABEL_UNDO in labels or not meta.get("namespace"):
            return obj
        reference = {key: value for key, value in self._owner.items() if key != "namespace"}
        if meta["namespace"] != self._owner["namespace"]:
            return obj  # an owner in another namespace is none: the cluster would collect it at once
        return {**obj, "metadata": {**meta, "ownerReferences": [*(meta.get("ownerReferences") or []), reference]}}

    def patch(
        self,
        kind: str,
        name: str,
        namespace: str,
        patch: Obj | Sequence[Obj],
        *,
        how: PatchType = "merge",
        subresource: str = "",
    ) -> Obj:
        self._writing()
        return self._cluster.patch(kind, name, namespace, patch, how=how, subresource=subresource)

    def replace(self, obj: Obj) -> Obj:
        self._writing()
        return self._cluster.replace(obj)

    def delete(
        self, kind: str, name: str, namespace: str = "", *, uid: str = "", grace: int | None = None, propagation: str = ""
    ) -> None:
        self._writing()
        self._cluster.delete(kind, name, namespace, uid=uid, grace=grace, propagation=propagation)

    def evict(self, pod: str, namespace: str, *, uid: str = "", grace: int | None = None, dry: bool = False) -> None:
        self._writing()
        self._cluster.evict(pod, namespace, uid=uid, grace=grace, dry=dry)

    def may(self, wanted: Sequence[Permission]) -> list[Permission]:
        self._reading()
        return self._cluster.may(wanted)

    def pod_request(
        self, namespace: str, pod: str, port: int, method: str, path: str, body: object | None = None
    ) -> tuple[int, bytes]:
        (self._reading if method == "GET" else self._writing)()
        return self._cluster.pod_request(namespace, pod, port, method, path, body)

    def pod_log(self, namespace: str, pod: str, *, container: str = "", tail: int = 50) -> str:
        self._reading()
        return self._cluster.pod_log(namespace, pod, container=container, tail=tail)


class _Checked:
    """Any port whose methods are checked first: those that only look by `reading`, all others by `writing`."""

    _LOOKING = ("nodes",)

    def __init__(self, port: object, reading: Check, writing: Check) -> None:
        self._port = port
        self._reading = reading
        self._writing = writing

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def checked(*args: Any, **options: Any) -> Any:
            (self._reading if name in self._LOOKING else self._writing)()
            return found(*args, **options)

        return checked
