"""The columns of `kubectl get`, as a real server prints them."""

from collections.abc import Callable
from typing import Any

from chaos.sandbox.selectors import as_text
from chaos.sandbox.store import Obj, seconds_since

Cell = Callable[[Obj], Any]
Column = tuple[str, Cell] | tuple[str, Cell, int]  # name, value, priority (1 = only with -o wide)


def age(stamp: str | None) -> str:
    if not stamp:
        return "<unknown>"
    seconds = max(0, int(seconds_since(stamp)))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    for limit, unit, letter in ((3 * 3600, 60, "m"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86400}d"


def _at(*path: str, default: Any = "") -> Cell:
    def cell(obj: Any) -> Any:
        for part in path:
            obj = (obj or {}).get(part)
        return default if obj is None else obj

    return cell


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Obj) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _containers(key: str) -> Cell:
    return lambda obj: ",".join(each[key] for each in obj["spec"]["template"]["spec"].get("containers") or ())


def _selector(*path: str) -> Cell:
    return lambda obj: as_text(_at(*path, default=None)(obj))


def pod_status(pod: Obj) -> str:
    """The word that kubectl shows: a waiting reason before the phase."""
    status = pod.get("status") or {}
    shown = str(status.get("reason") or status.get("phase", "Unknown"))
    for each in reversed(status.get("containerStatuses") or []):
        state = each["state"]
        if state.get("waiting", {}).get("reason"):
            shown = state["waiting"]["reason"]
        elif "terminated" in state:
            shown = state["terminated"].get("reason") or f"ExitCode:{state['terminated']['exitCode']}"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else shown


def _pod_ready(pod: Obj) -> str:
    ready = sum(bool(each["ready"]) for each in pod["status"].get("containerStatuses") or ())
    return f"{ready}/{len(pod['spec']['containers'])}"


def _restarts(pod: Obj) -> str:
    statuses = pod["status"].get("containerStatuses") or []
    count = sum(each["restartCount"] for each in statuses)
    ends = [each["lastState"]["terminated"]["finishedAt"] for each in statuses if each.get("lastState", {}).get("terminated")]
    return f"{count} ({age(max(ends))} ago)" if ends and count else str(count)


def _ports(service: Obj) -> str:
    def one(port: Obj) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{node}/{port['protocol']}"

    return ",".join(map(one, service["spec"].get("ports") or ())) or "<none>"


def _endpoints(piece: Obj) -> str:
    found = [address for end in piece.get("endpoints") or () for address in end["addresses"]]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<unset>"


def _node_status(node: Obj) -> str:
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
    return ("Ready" if ready else "NotReady") + (",SchedulingDisabled" if node["spec"].get("unschedulable") else "")


def _node_roles(node: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    return ",".join(key.removeprefix(prefix) for key in node["metadata"]["labels"] if key.startswith(prefix)) or "<none>"


def _job_status(job: Obj) -> str:
    conditions = {each["type"] for each in job["status"].get("conditions") or () if each["status"] == "True"}
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    return "Failed" if "Failed" in conditions else "Complete" if "Complete" in conditions else "Running"


def _quota(obj: Obj) -> str:
    used = _at("status", "used", default={})(obj)
    return ", ".join(f"{key}: {used.get(key, 0)}/{value}" for key, value in sorted((obj["spec"].get("hard") or {}).items()))


def _subjects(kind: str) -> Cell:
    return lambda obj: ", ".join(
        f"{each['namespace']}/{each['name']}" if each.get("namespace") else each["name"]
        for each in obj.get("subjects") or ()
        if each["kind"] == kind
    )


_NONE: Cell = _at("nothing", default="<none>")
_AGE: Column = ("Age", _age)
_WORKLOAD: list[Column] = [("Containers", _containers("name"), 1), ("Images", _containers("image"), 1)]
_COLUMNS: dict[str, list[Column]] = {
    "Namespace": [("Status", _at("status", "phase")), _AGE],
    "Node": [
        ("Status", _node_status),
        ("Roles", _node_roles),
        _AGE,
        ("Version", _at("status", "nodeInfo", "kubeletVersion")),
        ("Internal-IP", lambda obj: obj["status"]["addresses"][0]["address"], 1),
        ("External-IP", _NONE, 1),
        ("OS-Image", _at("status", "nodeInfo", "osImage"), 1),
        ("Kernel-Version", _at("status", "nodeInfo", "kernelVersion"), 1),
        ("Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion"), 1),
    ],
    "Pod": [
        ("Ready", _pod_ready),
        ("Status", pod_status),
        ("Restarts", _restarts),
        _AGE,
        ("IP", _at("status", "podIP", default="<none>"), 1),
        ("Node", _at("spec", "nodeName", default="<none>"), 1),
        ("Nominated Node", _NONE, 1),
        ("Readiness Gates", _NONE, 1),
    ],
    "Deployment": [
        ("Ready", lambda obj: f"{obj['status'].get('readyReplicas', 0)}/{obj['spec']['replicas']}"),
        ("Up-to-date", _at("status", "updatedReplicas", default=0)),
        ("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_WORKLOAD,
        ("Selector", _selector("spec", "selector"), 1),
    ],
    "ReplicaSet": [
        ("Desired", _at("spec", "replicas")),
        ("Current", _at("status", "replicas", default=0)),
        ("Ready", _at("status", "readyReplicas", default=0)),
        _AGE,
        *_WORKLOAD,
        ("Selector", _selector("spec", "selector"), 1),
    ],
    "Service": [
        ("Type", _at("spec", "type")),
        ("Cluster-IP", _at("spec", "clusterIP", default="<none>")),
        ("External-IP", _at("spec", "externalName", default="<none>")),
        ("Port(s)", _ports),
        _AGE,
        ("Selector", lambda obj: as_text({"matchLabels": obj["spec"]["selector"]} if obj["spec"].get("selector") else None), 1),
    ],
    "EndpointSlice": [
        ("AddressType", _at("addressType")),
        ("Ports", lambda obj: ",".join(str(each.get("port")) for each in obj.get("ports") or ()) or "<unset>"),
        ("Endpoints", _endpoints),
        _AGE,
    ],
    "ConfigMap": [("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})), _AGE],
    "Secret": [("Type", _at("type")), ("Data", lambda obj: len(obj.get("data") or {})), _AGE],
    "Lease": [("Holder", _at("spec", "holderIdentity")), _AGE],
    "NetworkPolicy": [("Pod-Selector", _selector("spec", "podSelector")), _AGE],
    "PodDisruptionBudget": [
        ("Min Available", _at("spec", "minAvailable", default="N/A")),
        ("Max Unavailable", _at("spec", "maxUnavailable", default="N/A")),
        ("Allowed Disruptions", _at("status", "disruptionsAllowed", default=0)),
        _AGE,
    ],
    "Job": [
        ("Status", _job_status),
        ("Completions", lambda obj: f"{obj['status'].get('succeeded', 0)}/{obj['spec'].get('completions', 1)}"),
        ("Duration", lambda obj: age(obj["status"].get("startTime"))),
        _AGE,
        *_WORKLOAD,
    ],
    "ResourceQuota": [("Request", _quota), ("Limit", _at("nothing")), _AGE],
    "Role": [("Created At", _at("metadata", "creationTimestamp"))],
    "RoleBinding": [
        ("Role", lambda obj: f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"),
        _AGE,
        ("Users", _subjects("User"), 1),
        ("Groups", _subjects("Group"), 1),
        ("ServiceAccounts", _subjects("ServiceAccount"), 1),
    ],
    "Event": [
        ("Last Seen", lambda obj: age(obj.get("lastTimestamp") or obj["metadata"]["creationTimestamp"])),
        ("Type", _at("type")),
        ("Reason", _at("reason")),
        ("Object", lambda obj: f"{obj['involvedObject'].get('kind', '').lower()}/{obj['involvedObject'].get('name', '')}"),
        ("Subobject", _at("involvedObject", "fieldPath"), 1),
        ("Source", _at("source", "component"), 1),
        ("Message", _at("message")),
        ("First Seen", lambda obj: age(obj.get("firstTimestamp") or obj["metadata"]["creationTimestamp"]), 1),
        ("Count", _at("count", default=1), 1),
        ("Name", _name, 1),
    ],
}


def as_table(kind: str, items: list[Obj], meta: Obj, *, whole: bool = False) -> Obj:
    """A `Table` of these objects; `meta` is the list's, or the object's own."""
    columns: list[Column] = _COLUMNS.get(kind, [_AGE])
    if kind != "Event":
        columns = [("Name", _name), *columns]
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {key: meta[key] for key in ("resourceVersion", "continue", "remainingItemCount") if key in meta},
        "columnDefinitions": [
            {
                "name": column[0],
                "type": "string",
                "format": "name" if column[0] == "Name" else "",
                "description": "",
                "priority": column[2] if len(column) == 3 else 0,
            }
            for column in columns
        ],
        "rows": [
            {
                "cells": [column[1](obj) for column in columns],
                "object": obj if whole else partial | {"metadata": obj["metadata"]},
            }
            for obj in items
        ],
    }
