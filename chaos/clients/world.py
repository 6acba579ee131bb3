"""The outside world as Protocols only: what injectors, probes and the engine may ask of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from chaos.model.run import Environment, Permission

Obj = dict[str, Any]
"""A Kubernetes object as JSON."""

PatchType = Literal["merge", "strategic", "json"]


class Cluster(Protocol):
    """A narrow port of the Kubernetes API. Every call is bounded (<= 2 s) and raises only `chaos.errors.ClusterError`s.

    `kind` is one of `chaos.clients.kinds.KINDS`. Objects are plain JSON.
    """

    @property
    def environment(self) -> Environment: ...

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        """The object; NotFound when it is not there."""

    def find(
        self, kind: str, namespace: str = "", *, labels: Mapping[str, str] | str | None = None, fields: str = ""
    ) -> list[Obj]:
        """All objects of a kind in a namespace ("" = all namespaces), by label and field selector."""

    def create(self, obj: Obj, *, dry: bool = False) -> Obj:
        """Create it; Conflict when one of that name exists. `dry`: the server only says whether it would."""

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
        """Patch it. A `metadata.resourceVersion` (merge) or a `test` (json) in the patch makes it conditional: Conflict."""

    def replace(self, obj: Obj) -> Obj:
        """Replace it; conditional on its `metadata.resourceVersion`: Conflict when it changed meanwhile."""

    def delete(
        self, kind: str, name: str, namespace: str = "", *, uid: str = "", grace: int | None = None, propagation: str = ""
    ) -> None:
        """Delete it. With `uid`, only that very object: NotFound when another one bears the name now."""

    def evict(self, pod: str, namespace: str, *, uid: str = "", grace: int | None = None, dry: bool = False) -> None:
        """Ask for an eviction; Refused when a PodDisruptionBudget declines. `dry`: the server only says whether it would."""

    def may(self, wanted: Sequence[Permission]) -> list[Permission]:
        """The same permissions with `allowed` answered by SelfSubjectAccessReviews."""

    def pod_request(
        self, namespace: str, pod: str, port: int, method: str, path: str, body: object | None = None
    ) -> tuple[int, bytes]:
        """An HTTP request to a pod's port through the API server (`pods/proxy`), as (status, body)."""

    def pod_log(self, namespace: str, pod: str, *, container: str = "", tail: int = 50) -> str:
        """The last lines of a container's log."""


class Containers(Protocol):
    """The Docker daemon that runs the nodes of a kind cluster; only containers labelled as nodes of it are touched."""

    def nodes(self) -> list[dict[str, Any]]:
        """The node containers: name, id, role, state (running, paused, exited), addresses by network."""

    def stop(self, node: str) -> None: ...
    def start(self, node: str) -> None: ...
    def pause(self, node: str) -> None: ...
    def unpause(self, node: str) -> None: ...
    def restart(self, node: str) -> None: ...
    def revive(self, node: str, addresses: Mapping[str, str], fixed: Collection[str] = ()) -> None: ...
    def disconnect(self, node: str, network: str) -> None: ...
    def connect(self, node: str, network: str, address: str) -> None: ...


class ToxiproxyAdmin(Protocol):
    """One Toxiproxy server's admin API, driven through toxiproxy-python."""

    def version(self) -> str: ...
    def create(self, name: str, *, listen: str, upstream: str) -> None:
        """Create the proxy, enabled; the same proxy existing already is success."""

    def delete(self, name: str) -> None:
        """Delete the proxy; not there is success."""

    def proxies(self) -> dict[str, dict[str, Any]]:
        """name -> {listen, upstream, enabled, toxics: [{name, type, stream, toxicity, attributes}]}."""

    def set_enabled(self, name: str, enabled: bool) -> None: ...
    def set_upstream(self, name: str, upstream: str) -> None: ...
    def add_toxic(
        self, proxy: str, toxic: str, *, kind: str, stream: str, attributes: Mapping[str, int], toxicity: float = 1.0
    ) -> None:
        """Add the toxic and read it back; one of that name existing already is replaced."""

    def remove_toxic(self, proxy: str, toxic: str) -> None:
        """Remove the toxic; not there is success."""

    def traffic(self) -> dict[str, dict[str, float]]:
        """proxy name -> {received: bytes from clients, sent: bytes to clients}, monotone since its start (`/metrics`)."""


class Proxies(Protocol):
    """Finds the admin API of a Toxiproxy that runs as a pod."""

    def of_pod(self, namespace: str, pod: str, port: int = 8474) -> ToxiproxyAdmin: ...


@dataclass(frozen=True, kw_only=True)
class World:
    """What a fault may touch."""

    cluster: Cluster
    proxies: Proxies
    containers: Containers | None = None
