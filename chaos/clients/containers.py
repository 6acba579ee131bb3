"""The only importer of docker: the node containers of one kind cluster, and nothing else that Docker runs.

Docker's answers to doing a thing twice are not uniform (unpause 500, connect 403, pause 409), so every call reads the state
first, acts on it, and when Docker objects looks whether what was wanted has come about anyway.
"""

import contextlib
import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chaos.errors import DockerError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABEL_CLUSTER = "io.x-k8s.kind.cluster"
LABEL_ROLE = "io.x-k8s.kind.role"
_TIMEOUT = 5  # seconds; killing a node with dozens of processes in it takes up to one
_NO_FIXED_ADDRESS = "user configured subnets"


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Docker's errors, and those of the HTTP library below it, become ours."""
    import docker.errors  # noqa: PLC0415 - costs 130 ms, and most runs need no Docker
    import requests  # noqa: PLC0415

    try:
        yield
    except docker.errors.NotFound as error:
        raise DockerError(f"could not {doing}: {error.explanation or 'not found'}", status=404) from error
    except docker.errors.APIError as error:
        raise DockerError(f"could not {doing}: {error.explanation or error}", status=error.status_code or 0) from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise DockerError(f"could not {doing}: Docker does not answer ({_short(error)})") from error


def _short(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200] or type(error).__name__


def connect(*, timeout: float = _TIMEOUT) -> "DockerClient":
    """The daemon that DOCKER_HOST (or the default socket) names; DockerError when there is none."""
    with translated("reach Docker"):
        import docker  # noqa: PLC0415

        return docker.from_env(timeout=timeout)  # type: ignore[arg-type]  # the stubs want whole seconds


class KindNodes:
    """The nodes of one kind cluster as Docker sees them. Each call leaves the node as asked, also when repeated."""

    def __init__(self, cluster: str, *, client: Callable[[], "DockerClient"] = connect) -> None:
        self._cluster = cluster
        self._open = client

    @cached_property
    def _client(self) -> "DockerClient":
        return self._open()

    def close(self) -> None:
        """Give the connections to Docker back."""
        if "_client" in self.__dict__:
            self._client.close()

    def nodes(self) -> list[dict[str, Any]]:
        """The node containers by name: name, id, role, state (running, paused, exited), when it started, addresses by
        network, networks in which somebody has fixed the address.
        """
        with translated("list the nodes"):
            found = self._client.containers.list(all=True, filters={"label": [f"{LABEL_CLUSTER}={self._cluster}"]})
        return sorted((_described(each) for each in found), key=lambda node: str(node["name"]))

    def stop(self, node: str) -> None:
        """Off at once, as when the power fails; it stays off."""
        container = self._node(node)
        if container.status == "paused":
            self._settle(container, "unpause", container.unpause, wanted=("running", "exited"))
        if container.status == "running":
            self._settle(container, "stop", lambda: container.stop(timeout=0), wanted=("exited",))

    def start(self, node: str) -> None:
        """Running, whether it was off or paused. Its address may be another one now: `connect` puts that right."""
        container = self._node(node)
        if container.status == "paused":
            self._settle(container, "unpause", container.unpause, wanted=("running",))
        elif container.status != "running":
            self._settle(container, "start", container.start, wanted=("running",))

    def pause(self, node: str) -> None:
        """All its processes frozen; DockerError when it does not run."""
        container = self._node(node)
        if container.status == "paused":
            return
        if container.status != "running":
            raise DockerError(f"could not pause {node}: it is {container.status}")
        self._settle(container, "pause", container.pause, wanted=("paused",))

    def unpause(self, node: str) -> None:
        """Not frozen any more; one that is off stays off."""
        container = self._node(node)
        if container.status == "paused":
            self._settle(container, "unpause", container.unpause, wanted=("running", "exited"))

    def restart(self, node: str) -> None:
        """Off and on again, with the addresses it had."""
        container = self._node(node)
        addresses, fixed = _addresses(container), _fixed(container)
        self.stop(node)
        self.revive(node, addresses, fixed)

    def revive(self, node: str, addresses: Mapping[str, str], fixed: Collection[str] = ()) -> None:
        """Running, whatever became of it, in its networks (name -> address) under the addresses it had.

        One that is off gets them before it boots, where Docker lets us say: what boots under another address writes that down.
        An address stays fixed for good only in the networks `fixed`, or where Docker would give another one: when the host
        starts anew, a node with a fixed address cannot start if one without took it first.
        """
        container = self._node(node)
        if container.status not in ("running", "paused"):
            for network, address in addresses.items():
                self._reserve(container, network, address, fixed=network in fixed)
        self.start(node)
        for network, address in addresses.items():
            self.connect(node, network, address, fixed=network in fixed)

    def _reserve(self, container: "Container", network: str, address: str, *, fixed: bool) -> None:
        configured = (container.attrs["NetworkSettings"]["Networks"] or {}).get(network)
        if configured is not None:
            wish = (configured.get("IPAMConfig") or {}).get("IPv4Address")
            if wish == address or (not wish and not fixed and self._next_free(network) == address):
                return
            self.disconnect(str(container.name), network)
        with translated(f"connect {container.name}"):
            self._join(container, network, address, fixed=fixed)

    def disconnect(self, node: str, network: str) -> None:
        """Out of the network, as when its cable is pulled."""
        container = self._node(node)
        if network not in _addresses(container, any_state=True):
            return
        with (
            self._unless(lambda: network not in _addresses(self._node(node), any_state=True)),
            translated(f"disconnect {node}"),
        ):
            self._client.networks.get(network).disconnect(container, force=True)

    def connect(self, node: str, network: str, address: str, *, fixed: bool = False) -> None:
        """In the network, under this very address: a kubelet keeps to the one it was born with."""
        for firmly in (fixed, True):  # once more with a wish, should Docker give another one than it was expected to
            container = self._node(node)
            there = _addresses(container, any_state=True)
            if there.get(network) == address:
                return
            if network in there:
                self.disconnect(node, network)
            with self._unless(lambda: _addresses(self._node(node)).get(network) == address), translated(f"connect {node}"):
                self._join(container, network, address, fixed=firmly)
        got = _addresses(self._node(node), any_state=True).get(network)
        if got != address:
            raise DockerError(
                f"{node} came back to network {network} as {got or 'nobody'}, not as {address}; its kubelet will not serve"
            )

    def _join(self, container: "Container", network: str, address: str, *, fixed: bool) -> None:
        """Networks without a subnet of their own take no wishes; there the lowest free address is mostly the one of before."""
        import docker.errors  # noqa: PLC0415

        joined = self._client.networks.get(network)
        if not fixed and self._next_free(network) == address:
            joined.connect(container)
            return
        try:
            joined.connect(container, ipv4_address=address)
        except docker.errors.APIError as error:
            if _NO_FIXED_ADDRESS not in str(error.explanation or ""):
                raise
            joined.connect(container)

    def _next_free(self, network: str) -> str:
        """The address that Docker gives to who comes next, the lowest that nobody has; "" where that cannot be told."""
        with translated(f"look at network {network}"):
            attrs = self._client.networks.get(network).attrs
        pools = [each for each in (attrs.get("IPAM") or {}).get("Config") or [] if ":" not in each.get("Subnet", ":")]
        if len(pools) != 1 or pools[0].get("AuxiliaryAddresses"):
            return ""
        used = {each.get("IPv4Address", "").partition("/")[0] for each in (attrs.get("Containers") or {}).values()}
        used.add(pools[0].get("Gateway", ""))
        hosts = ipaddress.ip_network(pools[0].get("IPRange") or pools[0]["Subnet"]).hosts()
        return next((address for address in map(str, hosts) if address not in used), "")

    def _node(self, name: str) -> "Container":
        """The container of that very name, if it is a node of our cluster; anything else is not ours to touch."""
        with translated(f"look at node {name}"):
            container = self._client.containers.get(name)
        if container.name != name or container.labels.get(LABEL_CLUSTER) != self._cluster:
            raise DockerError(f"container {name} is no node of the kind cluster {self._cluster}: it is not touched")
        return container

    def _settle(self, container: "Container", verb: str, act: Callable[[], object], *, wanted: tuple[str, ...]) -> None:
        def arrived() -> bool:
            with translated(f"look at node {container.name}"):
                container.reload()
            return container.status in wanted

        with self._unless(arrived), translated(f"{verb} {container.name}"):
            act()
        if not arrived():
            raise DockerError(f"could not {verb} {container.name}: it is {container.status}")

    @contextlib.contextmanager
    def _unless(self, arrived: Callable[[], bool]) -> Iterator[None]:
        """Docker's objection counts only when what was wanted has not come about."""
        try:
            yield
        except DockerError:
            if not arrived():
                raise


def _described(container: "Container") -> dict[str, Any]:
    return {
        "name": container.name,
        "id": container.id,
        "role": container.labels.get(LABEL_ROLE, ""),
        "state": container.status,
        "started": str(container.attrs.get("State", {}).get("StartedAt", "")),
        "addresses": _addresses(container),
        "fixed": _fixed(container),
    }


def _addresses(container: "Container", *, any_state: bool = False) -> dict[str, str]:
    """Network -> address; with `any_state` also networks in which it has none at the moment, since it is off."""
    networks: dict[str, dict[str, Any]] = container.attrs["NetworkSettings"]["Networks"] or {}
    return {name: str(each.get("IPAddress") or "") for name, each in networks.items() if any_state or each.get("IPAddress")}


def _fixed(container: "Container") -> list[str]:
    """The networks in which somebody has said which address it is to have."""
    networks: dict[str, dict[str, Any]] = container.attrs["NetworkSettings"]["Networks"] or {}
    return sorted(name for name, each in networks.items() if (each.get("IPAMConfig") or {}).get("IPv4Address"))
