"""From a name to a world: the sandbox, a kind cluster, a kubeconfig context, or nothing."""

import os
from pathlib import Path

from chaos.clients import kube
from chaos.clients.containers import KindNodes
from chaos.clients.proxies import PodProxies
from chaos.clients.world import Cluster, World
from chaos.engine.place import Place
from chaos.errors import NotReady
from chaos.ledger import Contents, state_folder
from chaos.model.run import Environment


def place(on: str, *, url: str = "", kubeconfig: Path | None = None) -> Place:
    """Where `--on` strikes: sandbox, kind-NAME, a context, or none. There is no fallback from one to another."""
    if on == "none":
        return Place(environment=Environment(kind="none", name="none"), url=url)
    config, context = _credentials(on, kubeconfig)
    cluster = kube.connect(config, context)
    return Place(
        environment=cluster.environment,
        world=world_of(cluster),
        url=url,
        kubeconfig=str(config or os.environ.get("KUBECONFIG", "")),
        context=context,
    )


def sandbox_folder() -> Path:
    """Where the sandbox keeps its kubeconfig."""
    return state_folder() / "sandbox"


def _credentials(on: str, kubeconfig: Path | None) -> tuple[Path | None, str]:
    if on != "sandbox":
        return kubeconfig, on
    config = kubeconfig or sandbox_folder() / "kubeconfig"
    if not config.exists():
        raise NotReady("there is no sandbox; start one: gameday sandbox up")
    return config, ""


def reach(contents: Contents) -> World:
    """The world that a ledger speaks of; NotReady when it cannot be reached, or is another one by now."""
    header = contents.header
    config = Path(header.kubeconfig) if header.kubeconfig else None
    cluster = kube.connect(config, header.context)
    if cluster.environment.fingerprint != header.environment.fingerprint:
        raise NotReady(f"{header.environment.name} is another cluster than the one that run {header.run} changed")
    return world_of(cluster)


def world_of(cluster: kube.Kube) -> World:
    """What faults may touch. On a kind cluster also the nodes' containers; Docker is asked only by a fault that needs it."""
    containers = KindNodes(kind_name(cluster)) if cluster.environment.kind == "kind" else None
    return World(cluster=cluster, proxies=PodProxies(cluster), containers=containers)


def kind_name(cluster: Cluster) -> str:
    """The name of a kind cluster, as its nodes say (kind://PROVIDER/NAME/NODE); a context may be called anything."""
    return str(cluster.find("Node")[0]["spec"]["providerID"]).split("/")[-2]
