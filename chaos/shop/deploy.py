"""The shop's Kubernetes objects, as a person would write them: the same for a kind cluster and for the sandbox."""

import argparse
import base64
import hashlib
import json
import secrets
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from chaos.shop import certificates
from chaos.shop.settings import CONFIG_DIR, CREDENTIALS_DIR, SWITCHES, TLS_DIR

Obj = dict[str, Any]

WEAKNESSES: dict[str, str] = {
    "no-timeout": "Calls to other services wait for ever, so one that hangs takes its callers with it.",
    "no-retry-budget": "Every failed charge is retried three times, however many of them fail.",
    "retry-storm": "A charge that the vendor declines for overload is sent again at once, up to ten times, Retry-After or not.",
    "no-circuit-breaker": "A dependency that fails is called again by every single order, and each order waits for it.",
    "single-replica": "One pod each of storefront, checkout and inventory.",
    "no-readiness-probe": "Pods get traffic before they can serve it.",
    "no-pdb": "Nothing limits how many pods a drain may take at once.",
    "cache-stampede": "Whoever misses the cache goes to the origin, all at the same time.",
    "no-fallback": "An order fails when a dependency does, though it could be charged later or taken without the stock.",
    "ack-before-stored": "Customers are told that their order is taken before it is stored.",
    "no-idempotency-key": "A charge whose answer was lost is made a second time.",
}
"""Code -> what it means. Those in `settings.SWITCHES` are read by the services, the others change the manifests."""

SHOP_CONFIG, TLS_SECRET, CREDENTIALS = "shop-config", "payments-tls", "payments-credentials"
_VENDOR = "payments"
_PORT = 8080
_ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, kw_only=True)
class _Workload:
    name: str
    calls: tuple[str, ...] = ()
    replicas: int = 1
    home: tuple[str, ...] = ("zone-c",)
    """Zones to stand in, the best first. State in memory stands together, and customers enter by the zones b and c: while a
    node is gone without a word, half of the connections from outside would lead to it, and only within the shop is there
    somebody who tries another one."""
    warm_up: float = 0.5
    part_of: str = "shop"
    port: int = _PORT
    env: tuple[tuple[str, str], ...] = ()


_WORKLOADS = (
    _Workload(name="orders"),
    _Workload(name=_VENDOR, port=8443, part_of="payment-vendor", env=(("QUOTA_PER_SECOND", "20"),)),
    _Workload(name="sessions"),
    _Workload(name="inventory", replicas=2, home=("zone-a", "zone-b")),
    _Workload(
        name="checkout",
        replicas=2,
        home=("zone-a", "zone-b"),
        warm_up=2.0,
        calls=("inventory", "payments", "orders"),
        env=(("PAYMENTS_TLS_NAME", _VENDOR),),
    ),
    _Workload(
        name="storefront",
        replicas=2,
        home=("zone-c", "zone-b"),
        warm_up=4.0,
        calls=("checkout", "inventory", "sessions"),
    ),
)


def manifests(
    *,
    weak: frozenset[str] = frozenset(),
    namespace: str = "shop",
    image: str = "gameday-shop:latest",
    node_port: int | None = None,
) -> list[Obj]:
    """All objects of the shop with these weaknesses, in the order in which they are to be created."""
    if unknown := sorted(weak - set(WEAKNESSES)):
        raise ValueError(f"no such weakness: {', '.join(unknown)}; there are {', '.join(WEAKNESSES)}")
    config = {code: "on" if code in weak else "off" for code in SWITCHES}
    vendor = certificates.make([_VENDOR, f"{_VENDOR}.{namespace}.svc", f"{_VENDOR}.{namespace}.svc.cluster.local"])
    tls = {"ca.crt": vendor.authority, "tls.crt": vendor.certificate, "tls.key": vendor.key}
    credentials = {"api-key": secrets.token_urlsafe(16)}
    digest = hashlib.sha256(json.dumps([config, tls, credentials]).encode()).hexdigest()[:16]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"gameday.dev/opt-in": "true"}}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(SHOP_CONFIG, namespace, "shop"), "data": config},
        _secret(TLS_SECRET, namespace, tls, kind="kubernetes.io/tls"),
        _secret(CREDENTIALS, namespace, credentials),
    ]
    for workload in _WORKLOADS:
        objects.append(_service(workload, namespace, node_port if workload.name == "storefront" else None))
        objects.append(_deployment(workload, namespace, image, weak, digest))
        if workload.replicas > 1 and "no-pdb" not in weak:
            objects.append(_disruption_budget(workload, namespace))
    return objects


def _meta(name: str, namespace: str, part_of: str) -> Obj:
    return {"name": name, "namespace": namespace, "labels": {"app": name, "app.kubernetes.io/part-of": part_of}}


def _secret(name: str, namespace: str, texts: dict[str, str], *, kind: str = "Opaque") -> Obj:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name, namespace, "shop"), "type": kind, "data": data}


def _service(workload: _Workload, namespace: str, node_port: int | None) -> Obj:
    port: Obj = {"name": "https" if workload.name == _VENDOR else "http", "port": workload.port, "targetPort": workload.port}
    spec: Obj = {"selector": {"app": workload.name}, "ports": [port]}
    if node_port is not None:
        spec["type"] = "NodePort"
        port["nodePort"] = node_port
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(workload.name, namespace, workload.part_of), "spec": spec}


def _disruption_budget(workload: _Workload, namespace: str) -> Obj:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": workload.name}}}
    metadata = _meta(workload.name, namespace, workload.part_of)
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def _deployment(workload: _Workload, namespace: str, image: str, weak: frozenset[str], digest: str) -> Obj:
    labels = {"app": workload.name, "app.kubernetes.io/part-of": workload.part_of}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(workload.name, namespace, workload.part_of),
        "spec": {
            "replicas": 1 if "single-replica" in weak else workload.replicas,
            "selector": {"matchLabels": {"app": workload.name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                # another configuration or certificate is another pod: services read theirs at their start
                "metadata": {"labels": labels, "annotations": {"checksum/config": digest}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [_container(workload, image, weak)],
                    "volumes": [volume for volume, _ in _mounts(workload)],
                    **_placement(workload),
                },
            },
        },
    }


def _container(workload: _Workload, image: str, weak: frozenset[str]) -> Obj:
    container: Obj = {
        "name": workload.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(workload),
        "ports": [{"name": "https" if workload.name == _VENDOR else "http", "containerPort": workload.port}],
        "livenessProbe": {**_probe(workload, "/healthz"), "periodSeconds": 5, "failureThreshold": 3, "timeoutSeconds": 2},
        "resources": {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [mount for _, mount in _mounts(workload)],
    }
    if "no-readiness-probe" not in weak:
        ready = {"periodSeconds": 1, "failureThreshold": 3, "timeoutSeconds": 2}
        container["readinessProbe"] = {**_probe(workload, "/healthz/ready"), **ready}
    return container


def _environment(workload: _Workload) -> list[Obj]:
    fixed = {"SHOP_ROLE": workload.name, "PORT": str(workload.port), "START_DELAY": str(workload.warm_up), **dict(workload.env)}
    ports = {other.name: other.port for other in _WORKLOADS}
    for name in workload.calls:
        fixed[f"{name.upper()}_URL"] = f"{'https' if name == _VENDOR else 'http'}://{name}:{ports[name]}"
    return [
        *({"name": key, "value": value} for key, value in fixed.items()),
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]


def _probe(workload: _Workload, path: str) -> Obj:
    return {"httpGet": {"path": path, "port": workload.port, "scheme": "HTTPS" if workload.name == _VENDOR else "HTTP"}}


def _mounts(workload: _Workload) -> list[tuple[Obj, Obj]]:
    """Volumes with their mounts: the configuration for all, the vendor's key for the vendor alone."""
    volumes: list[tuple[Obj, str]] = [({"name": "config", "configMap": {"name": SHOP_CONFIG}}, CONFIG_DIR)]
    if workload.name == _VENDOR or _VENDOR in workload.calls:
        tls: Obj = {"secretName": TLS_SECRET}
        if workload.name != _VENDOR:
            tls["items"] = [{"key": "ca.crt", "path": "ca.crt"}]
        volumes.append(({"name": "payments-tls", "secret": tls}, TLS_DIR))
        volumes.append(({"name": "payments-credentials", "secret": {"secretName": CREDENTIALS}}, CREDENTIALS_DIR))
    return [(volume, {"name": volume["name"], "mountPath": path, "readOnly": True}) for volume, path in volumes]


def _placement(workload: _Workload) -> Obj:
    """At home, and spread over zones; leave a lost node after seconds, not after the default of five minutes."""
    wishes = [
        {"weight": weight, "preference": {"matchExpressions": [{"key": _ZONE, "operator": "In", "values": [zone]}]}}
        for zone, weight in zip(workload.home, (100, 50), strict=False)
    ]
    spread = {
        "maxSkew": 1,
        "topologyKey": _ZONE,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": workload.name}},
        "matchLabelKeys": ["pod-template-hash"],  # pods of the release before do not count: they are about to go
    }
    return {
        "tolerations": [
            {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
            for trouble in ("not-ready", "unreachable")
        ],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}},
        **({"topologySpreadConstraints": [spread]} if workload.replicas > 1 else {}),
    }


def main(arguments: list[str]) -> None:
    """`python -m chaos.shop manifests`: the objects as YAML, for `kubectl apply -f -`."""
    parser = argparse.ArgumentParser(prog="python -m chaos.shop")
    command = parser.add_subparsers(required=True).add_parser("manifests", help="print the shop's Kubernetes objects as YAML")
    command.add_argument(
        "--weak", action="append", default=[], choices=list(WEAKNESSES), help="switch a weakness on (repeatable)"
    )
    command.add_argument("--namespace", default="shop")
    command.add_argument("--image", default="gameday-shop:latest")
    command.add_argument("--node-port", type=int)
    told = parser.parse_args(arguments)
    objects = manifests(weak=frozenset(told.weak), namespace=told.namespace, image=told.image, node_port=told.node_port)
    sys.stdout.write(yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, width=120))


class _Plain(yaml.SafeDumper):
    """Writes repeated values out instead of using anchors, which people find hard to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
