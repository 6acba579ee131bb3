"""What happens to an object before it is stored: defaults are filled in, and what a real server refuses is refused."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from chaos.sandbox.kinds import Resource
from chaos.sandbox.selectors import matches
from chaos.sandbox.status import Refusal, bad_request, invalid
from chaos.sandbox.store import Obj

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character"
)
_LABEL_RULE = "a valid label must be empty or consist of alphanumeric characters, '-', '_' or '.', 63 at most"
Cause = tuple[str, str]


def defaulted(kind: str, obj: Obj) -> Obj:
    """A copy without nulls, and with the server's defaults filled in."""
    obj = _without_nulls(obj)
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


def check(resource: Resource, obj: Obj, before: Obj | None = None) -> None:
    """422 with every cause when the object, or the change from `before`, is not valid."""
    causes = _metadata(obj)
    causes += _CHECKS[resource.kind](obj) if resource.kind in _CHECKS else []
    if before is not None:
        causes += _changes(resource.kind, before, obj)
    if causes:
        raise invalid(resource, obj["metadata"]["name"], *causes)


def _metadata(obj: Obj) -> list[Cause]:
    name, kind = obj["metadata"]["name"], obj.get("kind", "")
    causes: list[Cause] = []
    if not kind.startswith(("Role", "ClusterRole")) and (len(name) > 253 or not _SUBDOMAIN.fullmatch(name)):
        causes.append(("metadata.name", f'Invalid value: "{name}": {_SUBDOMAIN_RULE}'))
    elif kind in ("Service", "Namespace") and (len(name) > 63 or not _LABEL.fullmatch(name)):
        causes.append(
            ("metadata.name", f'Invalid value: "{name}": a DNS-1035 label must consist of lower case alphanumeric characters')
        )
    values = (obj["metadata"].get("labels") or {}).values()
    bad = [value for value in values if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.fullmatch(value)]
    return causes + [("metadata.labels", f'Invalid value: "{value}": {_LABEL_RULE}') for value in bad]


# --- defaults -------------------------------------------------------------------------------------------------------


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


def _probe_defaults(probe: dict[str, Any]) -> None:
    for key, value in {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}.items():
        probe.setdefault(key, value)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("scheme", "HTTP")
        probe["httpGet"].setdefault("path", "/")


def _pod(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec_defaults(spec)
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
    template.setdefault("metadata", {})
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

# --- checks ---------------------------------------------------------------------------------------------------------


def _pod_causes(spec: dict[str, Any], at: str = "spec") -> list[Cause]:
    causes: list[Cause] = []
    containers = spec.get("containers") or []
    if not containers:
        causes.append((f"{at}.containers", "Required value"))
    if spec.get("initContainers"):
        causes.append((f"{at}.initContainers", "Forbidden: the sandbox runs no init containers"))
    for index, container in enumerate(containers):
        here = f"{at}.containers[{index}]"
        causes += [(f"{here}.{key}", "Required value") for key in ("name", "image") if not container.get(key)]
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            if container.get(probe) and not {"httpGet", "tcpSocket"} & set(container[probe]):
                causes.append((f"{here}.{probe}", "Forbidden: the sandbox probes with httpGet and tcpSocket only"))
        causes += [
            (f"{here}.volumeMounts[{number}].name", f'Not found: "{mount.get("name")}"')
            for number, mount in enumerate(container.get("volumeMounts") or ())
            if mount.get("name") not in {volume.get("name") for volume in spec.get("volumes") or ()}
        ]
    return causes


def _workload_causes(obj: Obj) -> list[Cause]:
    spec, causes = obj["spec"], []
    labels = spec["template"]["metadata"].get("labels")
    selector = spec.get("selector")
    if not selector:
        causes.append(("spec.selector", "Required value"))
    if not selector or not matches(selector, labels):
        causes.append(
            ("spec.template.metadata.labels", f"Invalid value: {labels}: `selector` does not match template `labels`")
        )
    if not isinstance(spec["replicas"], int) or spec["replicas"] < 0:
        causes.append(("spec.replicas", f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"))
    return causes + _pod_causes(spec["template"]["spec"], "spec.template.spec")


def _service_causes(obj: Obj) -> list[Cause]:
    spec, causes = obj["spec"], []
    ports = spec.get("ports") or []
    if spec["type"] == "ExternalName":
        return [] if spec.get("externalName") else [("spec.externalName", "Required value")]
    if not ports and spec.get("clusterIP") != "None":
        causes.append(("spec.ports", "Required value"))
    for index, port in enumerate(ports):
        number = port.get("port")
        if not isinstance(number, int) or not 1024 <= number < 65536:
            causes.append(
                (f"spec.ports[{index}].port", f"Invalid value: {number}: the sandbox serves ports from 1024 to 65535")
            )
        if len(ports) > 1 and not port.get("name"):
            causes.append((f"spec.ports[{index}].name", "Required value"))
    return causes


def _secret_causes(obj: Obj) -> list[Cause]:
    for key, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            message = f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data in "{key}"'
            raise Refusal(400, "BadRequest", message) from None
    return []


def _job_causes(obj: Obj) -> list[Cause]:
    if obj["spec"]["parallelism"] != 0:
        return [("spec.parallelism", f"Invalid value: {obj['spec']['parallelism']}: the sandbox runs only pod-less jobs (0)")]
    return _pod_causes(obj["spec"]["template"]["spec"], "spec.template.spec")


_CHECKS: dict[str, Callable[[Obj], list[Cause]]] = {
    "Pod": lambda obj: _pod_causes(obj["spec"]),
    "Deployment": _workload_causes,
    "ReplicaSet": _workload_causes,
    "Service": _service_causes,
    "Secret": _secret_causes,
    "Job": _job_causes,
}


def _changes(kind: str, before: Obj, after: Obj) -> list[Cause]:
    old, new = before.get("spec") or {}, after.get("spec") or {}
    if kind in ("Deployment", "ReplicaSet") and old.get("selector") != new.get("selector"):
        return [("spec.selector", f"Invalid value: {new.get('selector')}: field is immutable")]
    if (
        kind == "Service"
        and old.get("clusterIP")
        and new.get("clusterIP") != old["clusterIP"]
        and new["type"] != "ExternalName"
    ):
        return [("spec.clusterIPs[0]", f"Invalid value: {new.get('clusterIPs')}: may not change once set")]
    fixed = ("data", "binaryData", "immutable") if kind in ("ConfigMap", "Secret") and before.get("immutable") else ()
    if any(before.get(key) != after.get(key) for key in fixed):
        return [("data", "Forbidden: field is immutable when `immutable` is set")]
    if kind == "Pod" and _fixed(old) != _fixed(new):
        return [("spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`")]
    return []


def _fixed(spec: dict[str, Any]) -> dict[str, Any]:
    """The part of a pod that never changes."""
    kept = {key: value for key, value in spec.items() if key not in ("activeDeadlineSeconds", "tolerations")}
    kept["containers"] = [
        {key: value for key, value in each.items() if key != "image"} for each in spec.get("containers") or ()
    ]
    return kept
