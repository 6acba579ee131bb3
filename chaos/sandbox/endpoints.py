"""EndpointSlices: which pods a Service's selector finds, and whether each is ready, serving or terminating."""

from typing import Any

from chaos.sandbox.controllers import Context, is_ready, owned_by
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.store import Obj, copied

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_OURS = "endpointslice-controller.k8s.io"


def reconcile(context: Context) -> None:
    ours: dict[tuple[str, str], list[Obj]] = {}
    for each in context.store.all("EndpointSlice"):
        labels = each["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == _OURS:
            ours.setdefault((each["metadata"]["namespace"], labels.get(SERVICE_NAME, "")), []).append(each)
    pods: dict[str, list[Obj]] = {}
    for pod in context.store.all("Pod"):
        pods.setdefault(pod["metadata"]["namespace"], []).append(pod)
    zones = {
        node["metadata"]["name"]: node["metadata"]["labels"].get("topology.kubernetes.io/zone")
        for node in context.store.all("Node")
    }
    for service in context.store.all("Service"):
        spec, meta = service["spec"], service["metadata"]
        if spec.get("selector") and spec["type"] != "ExternalName" and "deletionTimestamp" not in meta:
            found = [pod for pod in pods.get(meta["namespace"], []) if _belongs(pod, spec["selector"])]
            _write(context, service, found, ours.get((meta["namespace"], meta["name"]), []), zones)


def _belongs(pod: Obj, selector: dict[str, str]) -> bool:
    if pod["status"].get("phase") in ("Succeeded", "Failed") or not pod["status"].get("podIP"):
        return False
    return selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _write(context: Context, service: Obj, pods: list[Obj], present: list[Obj], zones: dict[str, Any]) -> None:
    meta = service["metadata"]
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    content = {
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, always, zones) for pod in pods] or None,
        "ports": [_port(port, pods) for port in service["spec"].get("ports") or ()],
    }
    labels = (meta.get("labels") or {}) | {SERVICE_NAME: meta["name"], MANAGED_BY: _OURS}
    if present:
        first = present[0]
        context.store.put("EndpointSlice", first | content | {"metadata": first["metadata"] | {"labels": labels}})
        return
    own = {"generateName": f"{meta['name']}-", "labels": labels, "ownerReferences": owned_by(service)}
    context.objects.create(KINDS["EndpointSlice"], meta["namespace"], copied(content) | {"metadata": own})


def _endpoint(pod: Obj, always: bool, zones: dict[str, Any]) -> Obj:
    meta, node = pod["metadata"], pod["spec"]["nodeName"]
    serving, ending = is_ready(pod), "deletionTimestamp" in meta
    endpoint: Obj = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": always or (serving and not ending), "serving": always or serving, "terminating": ending},
        "nodeName": node,
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }
    if zones.get(node):
        endpoint["zone"] = zones[node]
    return endpoint


def _port(port: Obj, pods: list[Obj]) -> Obj:
    return {"name": port.get("name", ""), "port": _number(port["targetPort"], pods), "protocol": port["protocol"]}


def _number(target: Any, pods: list[Obj]) -> int | None:
    """A named port is the number that the pods give it."""
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or ():
                if port.get("name") == target:
                    return int(port["containerPort"])
    return int(target) if str(target).isdigit() else None
