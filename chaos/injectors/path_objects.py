"""The objects that stand in a Service's path: a twin Service, and a Toxiproxy with its relay, kept alive by a Deployment.

The proxies are in a config map too, so that a proxy that is restarted, or moved to another node, passes everything on from
its first moment: what we put into the path must not become the outage.
"""

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.clients.world import Obj
from chaos.injectors.base import own_labels
from chaos.injectors.helpers import POD_IP
from chaos.injectors.path_limits import ADMIN_PORT
from chaos.injectors.path_ports import free_ports

if TYPE_CHECKING:
    from chaos.injectors.in_path import PathState

PROXY = "toxiproxy"
"""Its container."""
_FOLDER = "/gameday"
_FILE = "proxies.json"
_RELAY = "relay.py"
_ROUTES = "routes.json"
_RELAY_PROGRAM = Path(__file__).with_name("relay_program.py")
_UNPRIVILEGED = 1024
_HARMLESS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


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


def proxies(state: "PathState", twin: str) -> list[dict[str, str]]:
    """One Toxiproxy proxy for each port that pods listen on; two ports of the Service may lead to the same."""
    upstreams = behind(state, twin)
    if state.relay_image:
        upstreams = {target: joined("127.0.0.1", port) for port, target in _relays(state).items()}
    return [
        {"name": f"port-{target}", "listen": f"0.0.0.0:{target}", "upstream": upstream}
        for target, upstream in sorted(upstreams.items())
    ]


def behind(state: "PathState", twin: str) -> dict[int, str]:
    """Port that pods listen on -> where the twin leads to it, past the proxy and its relay."""
    return {port["target"]: joined(twin, port["port"]) for port in reversed(state.ports)}


def _relays(state: "PathState") -> dict[int, int]:
    """Where the relay listens -> the port that it is for."""
    targets = _targets(state)
    return dict(zip(free_ports(targets), targets, strict=False))


def _relay_health(state: "PathState") -> int:
    """Where the relay says that it listens: the next port after those."""
    targets = _targets(state)
    return next(islice(free_ports(targets), len(targets), None))


def _targets(state: "PathState") -> list[int]:
    return sorted({port["target"] for port in state.ports})


def joined(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def config(state: "PathState", twin: str) -> Obj:
    meta = {"name": state.proxy, "namespace": state.namespace, "labels": own_labels(state)}
    data = {_FILE: json.dumps(proxies(state, twin))}
    if state.relay_image:
        upstreams = behind(state, twin)
        data[_ROUTES] = json.dumps({port: upstreams[target] for port, target in _relays(state).items()})
        data[_RELAY] = _RELAY_PROGRAM.read_text()
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}


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
        "containers": [_proxy(state), *([_relay(state)] if state.relay_image else [])],
        "volumes": [{"name": "proxies", "configMap": {"name": state.proxy}}],
    }


def _proxy(state: "PathState") -> Obj:
    named = {port["target"]: port.get("targetName") for port in state.ports}
    ports = [{"containerPort": number, **({"name": name} if name else {})} for number, name in named.items()]
    file = f"{_FOLDER}/{_FILE}"
    return {
        "name": PROXY,
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
        "securityContext": _HARMLESS,
    }


def _relay(state: "PathState") -> Obj:
    """What Toxiproxy leads to: it connects to the twin, for each client by itself."""
    routes = {"configMapKeyRef": {"name": state.proxy, "key": _ROUTES}}
    health = _relay_health(state)
    return {
        "name": "relay",
        "image": state.relay_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-I", f"{_FOLDER}/{_RELAY}"],
        "env": [
            POD_IP,
            {"name": "ROUTES", "valueFrom": routes},
            {"name": "HEALTH", "value": str(health)},
        ],
        "readinessProbe": {"tcpSocket": {"port": health}, "periodSeconds": 1},
        "volumeMounts": [{"name": "proxies", "mountPath": _FOLDER, "readOnly": True}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _HARMLESS,
    }
