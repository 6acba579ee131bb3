"""The objects that stand in a Service's path: a twin Service, and a Toxiproxy kept alive by a Deployment.

The proxies are in a config map too, so that a proxy that is restarted, or moved to another node, passes everything on from
its first moment: what we put into the path must not become the outage.
"""

import json
from typing import TYPE_CHECKING

from chaos.clients.world import Obj
from chaos.injectors.base import own_labels
from chaos.injectors.path_limits import ADMIN_PORT

if TYPE_CHECKING:
    from chaos.injectors.in_path import PathState

_FOLDER = "/gameday"
_FILE = "proxies.json"
_UNPRIVILEGED = 1024


def twin(state: "PathState") -> Obj:
    """A Service with the original selector: the same pods, past the proxy."""
    keys = ("name", "port", "protocol", "appProtocol")
    ports = [{**{key: port[key] for key in keys if port.get(key)}, "targetPort": port["target"]} for port in state.ports]
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": state.twin,
            "namespace": state.namespace,
            "labels": own_labels(state),
            "annotations": {"gameday.dev/service": state.service},
        },
        "spec": {
            "selector": state.selector,
            "ports": ports,
            "publishNotReadyAddresses": state.publish_not_ready,
        },
    }


def proxies(state: "PathState", upstream: str) -> list[dict[str, str]]:
    """One Toxiproxy proxy for each port that pods listen on; two ports of the Service may lead to the same."""
    found = {port["target"]: port["port"] for port in reversed(state.ports)}
    return [
        {"name": f"port-{target}", "listen": f"0.0.0.0:{target}", "upstream": joined(upstream, port)}
        for target, port in sorted(found.items())
    ]


def joined(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def config(state: "PathState", upstream: str) -> Obj:
    meta = {"name": state.proxy, "namespace": state.namespace, "labels": own_labels(state)}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {_FILE: json.dumps(proxies(state, upstream))}}


def deployment(state: "PathState") -> Obj:
    """One Toxiproxy without any rights in the cluster."""
    labels = {**own_labels(state), **state.proxy_selector}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": state.proxy, "namespace": state.namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": state.proxy_selector},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(state)},
        },
    }


def _pod_spec(state: "PathState") -> Obj:
    security: Obj = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    if any(port["target"] < _UNPRIVILEGED for port in state.ports):
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return {
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [_container(state)],
        "volumes": [{"name": "proxies", "configMap": {"name": state.proxy}}],
    }


def _container(state: "PathState") -> Obj:
    named = {port["target"]: port.get("targetName") for port in state.ports}
    ports = [{"containerPort": number, **({"name": name} if name else {})} for number, name in named.items()]
    file = f"{_FOLDER}/{_FILE}"
    return {
        "name": "toxiproxy",
        "image": state.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-host=0.0.0.0", f"-port={ADMIN_PORT}", "-proxy-metrics", "-runtime-metrics", f"-config={file}"],
        "env": [
            {"name": "GAMEDAY_PROXIES", "value": file},  # where a stand-in for the image takes no arguments
            {"name": "LOG_LEVEL", "value": "info"},  # a line for each client that connects, and little else
        ],
        "ports": [*ports, {"containerPort": ADMIN_PORT, "name": "gameday-admin"}],
        "readinessProbe": {"httpGet": {"path": "/version", "port": ADMIN_PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "proxies", "mountPath": _FOLDER, "readOnly": True}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
