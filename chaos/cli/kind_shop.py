"""How a kind cluster comes to be, with the sample shop on it: what `gameday cluster` does, step by step."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.errors import BadInput, NotFound, NotReady

if TYPE_CHECKING:
    from chaos.clients.world import Cluster, Obj
    from chaos.engine.place import Place

NAMESPACE = "shop"
NODE_PORT = 30080
READY_WITHIN = 240.0
_PARTS = ("shop", "payment-vendor")
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which kind cluster, and how to make it where there is none."""

    name: str
    node_image: str = ""
    config: Path | None = None
    kubeconfig: Path | None = None

    @property
    def context(self) -> str:
        return f"kind-{self.name}"


def ensure(wanted: Wanted, tell: Tell) -> "Place":
    """The cluster, made if it was not there; trusted, since it was asked for by name and lives on this machine alone."""
    from chaos import trust
    from chaos.catalogue.library import shipped
    from chaos.clients.kind import Kind

    kind = Kind()
    made = wanted.name not in kind.clusters()
    if made:
        tell(f"making kind cluster {wanted.name} (a few minutes the first time)")
        config = wanted.config or shipped() / "kind-config.yaml"
        kind.create(wanted.name, config=config, image=wanted.node_image, kubeconfig=str(wanted.kubeconfig or ""), tell=tell)
    place = reach(wanted)
    trust.add(place.environment, how="made" if made else "asked", when=datetime.now(UTC).strftime("%Y-%m-%d"))
    return place


def reach(wanted: Wanted) -> "Place":
    """The cluster through its context, which is written into the kubeconfig where it is missing."""
    from chaos.cli.shared import connect
    from chaos.clients.kind import Kind

    try:
        return connect(wanted.context, "", wanted.kubeconfig)
    except NotReady:
        Kind().export_kubeconfig(wanted.name, kubeconfig=str(wanted.kubeconfig or ""))
    return connect(wanted.context, "", wanted.kubeconfig)


def bring_images(name: str, cluster: "Cluster", tell: Tell) -> str:
    """Build our images (the shop, the load's workers) and load what the nodes lack; returns the shop's image."""
    import chaos
    from chaos.clients import images
    from chaos.engine.planning import images as of_helpers

    package = Path(chaos.__file__).parent
    files, load_files = images.shop_files(package), images.load_files(package)
    shop, locust = images.tag_of("gameday-shop", files), images.tag_of("gameday-load", load_files)
    images.build(shop, files, tell=tell)
    images.build(locust, load_files, tell=tell)
    here = [image for image in of_helpers().values() if images.there(image)]  # others the nodes pull themselves
    load(name, cluster, [shop, locust, *here], tell)
    return shop


def load(name: str, cluster: "Cluster", wanted: Iterable[str], tell: Tell) -> None:
    """Bring images of this machine onto the nodes that do not have them."""
    from chaos.clients.kind import Kind

    if lacking := [image for image in wanted if not _on_all(cluster, image)]:
        tell(f"loading {', '.join(lacking)} onto the nodes")
        Kind().load(name, lacking, tell=tell)


def _on_all(cluster: "Cluster", image: str) -> bool:
    nodes = [node for node in cluster.find("Node") if not node["spec"].get("taints")]
    return bool(nodes) and all(whole_name(image) in _images_on(node) for node in nodes)


def _images_on(node: "Obj") -> set[str]:
    return {name for each in node.get("status", {}).get("images", []) for name in each.get("names") or []}


def whole_name(image: str) -> str:
    """An image's name as nodes write it: with the registry that is left out by people."""
    first, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"


def deploy_shop(cluster: "Cluster", image: str, weak: frozenset[str], *, node_port: int | None, tell: Tell) -> None:
    """Bring the shop onto the cluster, and wait until all of it is ready."""
    from chaos.cli.deploying import deploy, wait_ready
    from chaos.shop.deploy import manifests

    _await_old_gone(cluster, tell)
    deploy(cluster, manifests(weak=weak, namespace=NAMESPACE, image=image, node_port=node_port))
    wait_ready(cluster, NAMESPACE, within=READY_WITHIN, tell=tell)


def _await_old_gone(cluster: "Cluster", tell: Tell) -> None:
    """Nothing can be made in a namespace that is being deleted."""
    from chaos.clock import RealClock, wait_until

    def usable() -> bool:
        try:
            return not cluster.get("Namespace", NAMESPACE)["metadata"].get("deletionTimestamp")
        except NotFound:
            return True

    if not usable():
        tell(f"waiting until the old namespace {NAMESPACE} is gone")
        if not wait_until(usable, clock=RealClock(), within=READY_WITHIN, every=0.5):
            raise NotReady(f"namespace {NAMESPACE} is still being deleted after {READY_WITHIN:g} s")


def remove_shop(cluster: "Cluster") -> bool:
    """Delete the shop's namespace; false when there was none. Refuses a namespace in which somebody else works too."""
    try:
        namespace = cluster.get("Namespace", NAMESPACE)
    except NotFound:
        return False
    deployments = cluster.find("Deployment", NAMESPACE)
    strangers = [each["metadata"]["name"] for each in deployments if _part_of(each) not in _PARTS]
    if strangers or not deployments:
        why = f"deployment {', '.join(strangers)} is none of the sample shop's" if strangers else "the sample shop is not in it"
        raise BadInput(f"namespace {NAMESPACE} is left alone: {why}")
    cluster.delete("Namespace", NAMESPACE, uid=namespace["metadata"]["uid"])
    return True


def _part_of(obj: "Obj") -> str:
    return str((obj["metadata"].get("labels") or {}).get("app.kubernetes.io/part-of", ""))


def is_made_by_us(wanted: Wanted) -> bool:
    """Whether we made the cluster: by fingerprint, or, where its API is dead, by the name under which we noted it."""
    from chaos import trust

    try:
        return trust.made_by_us(reach(wanted).environment.fingerprint)
    except NotReady:
        return any(each.how == "made" and each.name == wanted.context for each in trust.trusted())


def entrance(node_port: int) -> str:
    """The shop's address on this machine if customers can get in there, else ""."""
    from chaos.clients import web

    url = f"http://127.0.0.1:{node_port}"
    try:
        return url if web.get(f"{url}/healthz", timeout=2.0).status < 500 else ""
    except NotReady:
        return ""


def describe(cluster: "Cluster") -> dict[str, list[dict[str, object]]]:
    """Nodes with their zones, and the shop's deployments."""
    nodes = [
        {
            "name": node["metadata"]["name"],
            "zone": node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone", ""),
            "ready": _is_ready(node),
        }
        for node in cluster.find("Node")
    ]
    shop = [
        {
            "name": each["metadata"]["name"],
            "ready": each.get("status", {}).get("readyReplicas", 0),
            "wanted": each["spec"].get("replicas", 1),
        }
        for each in cluster.find("Deployment", NAMESPACE)
    ]
    return {"nodes": nodes, "shop": shop}


def _is_ready(node: Mapping[str, object]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])  # type: ignore[attr-defined]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
