"""Where a run strikes, and how load gets in."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from chaos.clients.world import World
from chaos.errors import BadInput, ClusterError, NotFound, NotReady
from chaos.model.node import address_of, is_control_plane
from chaos.model.run import Environment
from chaos.story import Story

_TO_CONNECT = 0.5  # seconds


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment with what reaches it. `world` is None with `--on none`."""

    environment: Environment
    world: World | None = None
    url: str = ""  # `--url`: where customers enter, when the cluster cannot tell
    kubeconfig: str = ""
    context: str = ""

    def base_url(self, story: Story) -> str:
        """Where customers enter: `--url`, the Service's address on a sandbox, its node port on a kind cluster."""
        if self.url or story.load is None:
            return self.url
        if self.world is None:
            raise BadInput("--on none needs --url: there is no cluster to find the load's target in")
        if (target := story.load.target) is None:
            raise BadInput("load.target is missing, so --url must say where customers enter")
        try:
            service = self.world.cluster.get("Service", target.service, story.namespace)
        except NotFound:
            raise NotReady(
                f"the load's target, service {target.service} in namespace {story.namespace}, is not there"
            ) from None
        ports = {port["port"]: port for port in service["spec"].get("ports", [])}
        if target.port not in ports:
            raise BadInput(f"service {target.service} has no port {target.port}; it has {', '.join(map(str, ports)) or 'none'}")
        return self._entrance(service["spec"]["clusterIP"], ports[target.port].get("nodePort"), target.service, target.port)

    def _entrance(self, address: str, node_port: int | None, service: str, port: int) -> str:
        if self.environment.kind == "sandbox":
            return f"http://{address}:{port}"
        if self.environment.kind == "kind" and node_port:
            return f"http://{self._node_that_answers(node_port)}:{node_port}"
        raise BadInput(
            f"service {service} cannot be reached from here: give --url"
            + (", or make it a NodePort that the kind config publishes on 127.0.0.1" if self.environment.kind == "kind" else "")
        )

    def _node_that_answers(self, port: int) -> str:
        """127.0.0.1, where kind publishes the ports that its config names; for others, on Linux, a node's own address."""
        if _somebody_listens("127.0.0.1", port):
            return "127.0.0.1"
        return next((address for address in self._node_addresses() if _somebody_listens(address, port)), "127.0.0.1")

    def _node_addresses(self) -> list[str]:
        """Of the control plane first: it is struck least."""
        try:
            nodes = self.world.cluster.find("Node") if self.world else []
        except ClusterError:  # who may not list nodes has to publish the port
            return []
        return [address for node in sorted(nodes, key=is_control_plane, reverse=True) if (address := address_of(node))]


def _somebody_listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_TO_CONNECT):
            return True
    except OSError:
        return False


def without_credentials(url: str) -> str:
    """The URL as it may be written down."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
