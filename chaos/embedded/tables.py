"""Server-side columns, as `kubectl get` shows them."""

from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]


def table(kind: str, items: list[Obj], version: str) -> Obj:
    columns, row = _SHOWN.get(kind, (("Name", "Age"), lambda obj: [obj["metadata"]["name"], _age(obj)]))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {"name": name, "type": "string", "format": "", "description": name, "priority": 0} for name in columns
        ],
        "rows": [
            {
                "cells": row(obj),
                "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]},
            }
            for obj in items
        ],
    }


def _age(obj: Obj) -> str:
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(obj["metadata"]["creationTimestamp"])).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _pod(pod: Obj) -> list[Any]:
    status = pod.get("status", {})
    container = (status.get("containerStatuses") or [{}])[0]
    shown = container.get("state", {}).get("waiting", {}).get("reason") or status.get("phase", "")
    if pod["metadata"].get("deletionTimestamp"):
        shown = "Terminating"
    ready = "1/1" if container.get("ready") else "0/1"
    return [pod["metadata"]["name"], ready, shown, container.get("restartCount", 0), _age(pod), status.get("podIP", "")]


def _deployment(obj: Obj) -> list[Any]:
    status = obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{obj['spec']['replicas']}"
    return [obj["metadata"]["name"], ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _age(obj)]


def _service(obj: Obj) -> list[Any]:
    spec = obj["spec"]
    ports = ",".join(f"{port['port']}/{port['protocol']}" for port in spec.get("ports") or [])
    return [obj["metadata"]["name"], spec["type"], spec.get("clusterIP", "<none>"), ports, _age(obj)]


def _node(obj: Obj) -> list[Any]:
    shown = "Ready" + (",SchedulingDisabled" if obj.get("spec", {}).get("unschedulable") else "")
    return [obj["metadata"]["name"], shown, _age(obj), obj["status"]["nodeInfo"]["kubeletVersion"]]


_SHOWN: dict[str, Any] = {
    "Pod": (("Name", "Ready", "Status", "Restarts", "Age", "IP"), _pod),
    "Deployment": (("Name", "Ready", "Up-to-date", "Available", "Age"), _deployment),
    "Service": (("Name", "Type", "Cluster-IP", "Port(s)", "Age"), _service),
    "Node": (("Name", "Status", "Age", "Version"), _node),
}
