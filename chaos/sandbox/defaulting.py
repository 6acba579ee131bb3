"""What a real server fills in before it stores an object."""

import base64
from collections.abc import Callable
from typing import Any

from chaos.sandbox.status import bad_request
from chaos.sandbox.store import Obj


def defaulted(kind: str, obj: Obj) -> Obj:
    """A copy without nulls, and with the server's defaults filled in."""
    obj = _without_nulls(obj)
    _without_empty_maps(obj["metadata"])
    fill = _DEFAULTS.get(kind)
    if fill:
        if not isinstance(obj.get("spec", {}), dict):
            raise bad_request(f"{kind} cannot be decoded: spec is not an object")
        try:
            fill(obj)
        except (AttributeError, TypeError, KeyError) as error:
            raise bad_request(f"{kind} in version {obj.get('apiVersion')!r} cannot be handled: {error}") from None
    return obj


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _without_empty_maps(meta: dict[str, Any]) -> None:
    """An empty map is none: an annotation added and taken away leaves nothing."""
    for key in ("annotations", "labels"):
        if key in meta and not meta[key]:
            del meta[key]


def pod_spec_defaults(spec: dict[str, Any]) -> None:
    defaults = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    for key, value in defaults.items():
        spec.setdefault(key, value)
    for container in spec.get("containers") or ():
        _container_defaults(container)
    for volume in spec.get("volumes") or ():
        for source in ("configMap", "secret"):
            if source in volume:
                volume[source].setdefault("defaultMode", 420)


def _container_defaults(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container.get(probe):
            _probe_defaults(container[probe])
    for variable in container.get("env") or ():
        if field := (variable.get("valueFrom") or {}).get("fieldRef"):
            field.setdefault("apiVersion", "v1")


def _requests_default(resources: dict[str, Any]) -> None:
    """What is limited and not asked for is asked for in full."""
    if limits := resources.get("limits"):
        resources["requests"] = limits | (resources.get("requests") or {})


def _probe_defaults(probe: dict[str, Any]) -> None:
    for key, value in {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}.items():
        probe.setdefault(key, value)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("scheme", "HTTP")
        probe["httpGet"].setdefault("path", "/")


def _pod(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec_defaults(spec)
    for container in spec.get("containers") or ():
        _requests_default(container["resources"])
    for key, value in {"enableServiceLinks": True, "serviceAccountName": "default", "serviceAccount": "default"}.items():
        spec.setdefault(key, value)


def _deployment(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for key, value in {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}.items():
        spec.setdefault(key, value)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    _template(spec)


def _replica_set(obj: Obj) -> None:
    obj.setdefault("spec", {}).setdefault("replicas", 1)
    _template(obj["spec"])


def _template(spec: dict[str, Any]) -> None:
    template = spec.setdefault("template", {})
    _without_empty_maps(template.setdefault("metadata", {}))
    pod_spec_defaults(template.setdefault("spec", {}))


def _service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if kind != "ExternalName":
        for key, value in {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}.items():
            spec.setdefault(key, value)
    obj.setdefault("status", {"loadBalancer": {}})


def _secret(obj: Obj) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None) or {}
    if plain:
        coded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        obj["data"] = (obj.get("data") or {}) | coded


def _job(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for key, value in {"parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False}.items():
        spec.setdefault(key, value)
    _template(spec)


def _network_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if spec.get("egress") is not None else ["Ingress"])
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _namespace(obj: Obj) -> None:
    obj["metadata"]["labels"] = (obj["metadata"].get("labels") or {}) | {"kubernetes.io/metadata.name": obj["metadata"]["name"]}
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


_DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Service": _service,
    "Secret": _secret,
    "Job": _job,
    "NetworkPolicy": _network_policy,
    "Namespace": _namespace,
}
