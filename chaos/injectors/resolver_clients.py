"""Points the pods of a Deployment at a nameserver of ours, and back: one change of its template each, and a rollout."""

from chaos.clients.world import Cluster, Obj
from chaos.injectors import rollouts
from chaos.injectors.resolver_objects import MARK
from chaos.model.base import Record
from chaos.model.undo import PatchBack

_TEMPLATE = "/spec/template"
_LABEL = f"{_TEMPLATE}/metadata/labels/{MARK.replace('/', '~1')}"


class Client(Record):
    """A Deployment that is pointed at our resolver."""

    name: str
    namespace: str
    uid: str
    policy: str  # its dnsPolicy before


def client_of(found: Obj) -> Client:
    before = found["spec"]["template"]["spec"].get("dnsPolicy", "ClusterFirst")
    meta = found["metadata"]
    return Client(name=meta["name"], namespace=meta["namespace"], uid=meta["uid"], policy=before)


def point(client: Client, resolver: str, dns: Obj, cluster: Cluster) -> None:
    """One patch, only if it still is that Deployment with that policy, else Conflict; done already is success."""
    found = cluster.get("Deployment", client.name, client.namespace)
    if found["spec"]["template"]["metadata"].get("labels", {}).get(MARK) == resolver:
        return
    patch: list[Obj] = [
        {"op": "test", "path": "/metadata/uid", "value": client.uid},
        {"op": "test", "path": f"{_TEMPLATE}/spec/dnsPolicy", "value": client.policy},
        {"op": "add", "path": _LABEL, "value": resolver},
        {"op": "replace", "path": f"{_TEMPLATE}/spec/dnsPolicy", "value": "None"},
        {"op": "add", "path": f"{_TEMPLATE}/spec/dnsConfig", "value": dns},
    ]
    cluster.patch("Deployment", client.name, client.namespace, patch, how="json")


def back(client: Client, resolver: str) -> PatchBack:
    """Back to what its template was, so that its controller finds the very old pods' template again."""
    patch: list[Obj] = [
        {"op": "test", "path": "/metadata/uid", "value": client.uid},
        {"op": "test", "path": _LABEL, "value": resolver},
        {"op": "test", "path": f"{_TEMPLATE}/spec/dnsPolicy", "value": "None"},
        {"op": "replace", "path": f"{_TEMPLATE}/spec/dnsPolicy", "value": client.policy},
        {"op": "remove", "path": f"{_TEMPLATE}/spec/dnsConfig"},
        {"op": "remove", "path": _LABEL},
    ]
    return PatchBack(kind="Deployment", name=client.name, namespace=client.namespace, patch=patch)


def moved(client: Client, resolver: str, cluster: Cluster) -> bool:
    """Whether all its pods are ready and ask our resolver."""
    found = cluster.get("Deployment", client.name, client.namespace)
    status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
    full = all(status.get(key, 0) == wanted for key in ("replicas", "updatedReplicas", "readyReplicas"))
    pods = rollouts.pods_of(cluster, found)
    return seen and full and all((pod["metadata"].get("labels") or {}).get(MARK) == resolver for pod in pods)


def pods_of(resolver: str, namespace: str, cluster: Cluster) -> list[Obj]:
    """The pods that ask our resolver, those on their way out included."""
    return cluster.find("Pod", namespace, labels={MARK: resolver})
