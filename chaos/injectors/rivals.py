"""Who else would change what a fault changes: autoscalers, operators, GitOps, Helm. They fight the strike, or the undo.

Found from what the objects themselves say; named in plan and report, never refused: a rival that puts things back by itself is
a defence, and may be what the scenario is about.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from chaos.clients.world import Cluster, Obj
from chaos.errors import ClusterError, Forbidden, NotFound
from chaos.injectors.base import OWN_LABEL
from chaos.model.undo import Call, DeleteOwn, PatchBack

_BUILT_IN = ("", "apps", "batch", "discovery.k8s.io", "policy", "autoscaling", "networking.k8s.io")
_CONTROLLERS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "fleetagent": "Rancher Fleet",
    "crossplane": "Crossplane",
    "keda": "KEDA",
    "vpa": "the vertical pod autoscaler",
}
"""Beginning of a field manager's name -> whose it is."""


def rivals(cluster: Cluster, undo: Sequence[Call]) -> list[str]:
    """One line for each rival over the objects that this undo patches or restores; reads only."""
    found: list[str] = []
    for call in undo:
        if isinstance(call, DeleteOwn):
            continue  # what we made ourselves is nobody else's
        try:
            obj = cluster.get(call.kind, call.name, call.namespace)
        except NotFound:
            continue
        found += owners({**obj, "kind": call.kind})
        if isinstance(call, PatchBack) and _sets_replicas(call):
            found += _autoscalers(cluster, call)
    return list(dict.fromkeys(found))


def owners(obj: Obj) -> list[str]:
    """Who else writes this object, as far as it says."""
    said = [line for reader in (_argo, _flux, _helm, _certificate, _operator) if (line := reader(obj))]
    return said or [line for line in (_field_manager(obj), _managed_by(obj)) if line][:1]


def _autoscalers(cluster: Cluster, call: PatchBack) -> Iterable[str]:
    try:
        scalers = cluster.find("HorizontalPodAutoscaler", call.namespace)
    except Forbidden:
        return [f"whether an autoscaler also sets the replicas of {_what(call.kind, call.name)} may not be read"]
    except ClusterError as error:
        return [f"whether an autoscaler also sets the replicas of {_what(call.kind, call.name)} is unknown: {error}"]
    refs = [(each["metadata"]["name"], each["spec"]["scaleTargetRef"]) for each in scalers]
    return [
        f"horizontalpodautoscaler/{name} also sets the replicas of {_what(call.kind, call.name)} and may fight the undo"
        for name, ref in refs
        if (ref.get("kind", call.kind), ref.get("name")) == (call.kind, call.name)
    ]


def _sets_replicas(call: PatchBack) -> bool:
    return call.subresource == "scale" or any(step.get("path") == "/spec/replicas" for step in call.patch)


# -- what an object says of its owners ---------------------------------------------------------------------------------


def _argo(obj: Obj) -> str:
    tracking = _annotation(obj, "argocd.argoproj.io/tracking-id")
    app = tracking.partition(":")[0] or _label(obj, "argocd.argoproj.io/instance")
    if not app:
        return ""
    return f"{_of(obj)} is synced by Argo CD application {app}, which with self-heal puts it back within seconds"


def _flux(obj: Obj) -> str:
    for what, prefix in (("kustomization", "kustomize.toolkit.fluxcd.io"), ("helmrelease", "helm.toolkit.fluxcd.io")):
        if name := _label(obj, f"{prefix}/name"):
            space = _label(obj, f"{prefix}/namespace")
            pause = f"flux suspend {what} {name}" + (f" -n {space}" if space else "")
            return f"{_of(obj)} is synced by Flux {what} {name}, which puts it back at its next interval; to pause it: {pause}"
    return ""


def _helm(obj: Obj) -> str:
    release = _annotation(obj, "meta.helm.sh/release-name")
    if not release or _flux(obj):
        return ""
    return f"{_of(obj)} belongs to Helm release {release}: an upgrade during the run overwrites it"


def _certificate(obj: Obj) -> str:
    name = _annotation(obj, "cert-manager.io/certificate-name")
    return f"{_of(obj)} is kept by cert-manager for certificate {name}, which may write it anew" if name else ""


def _operator(obj: Obj) -> str:
    for owner in obj["metadata"].get("ownerReferences") or []:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        if owner.get("controller") and group not in _BUILT_IN:
            whose = f"{str(owner['kind']).lower()}.{group}/{owner['name']}"
            return f"{_of(obj)} is owned by {whose}, whose operator may put it back by itself"
    return ""


def _field_manager(obj: Obj) -> str:
    managers = [str(each.get("manager", "")) for each in obj["metadata"].get("managedFields") or []]
    whose = next((name for manager in managers for start, name in _CONTROLLERS.items() if manager.startswith(start)), "")
    return f"{_of(obj)} has fields that {whose} set, which may set them again" if whose else ""


def _managed_by(obj: Obj) -> str:
    whose = _label(obj, "app.kubernetes.io/managed-by")
    if not whose or whose in OWN_LABEL.values():
        return ""
    return f"{_of(obj)} is managed by {whose}, which may put it back by itself"


def _label(obj: Obj, key: str) -> str:
    return str(_map(obj, "labels").get(key, ""))


def _annotation(obj: Obj, key: str) -> str:
    return str(_map(obj, "annotations").get(key, ""))


def _map(obj: Obj, key: str) -> dict[str, Any]:
    return obj["metadata"].get(key) or {}


def _of(obj: Obj) -> str:
    return _what(obj["kind"], obj["metadata"]["name"])


def _what(kind: str, name: str) -> str:
    return f"{kind.lower()}/{name}"
