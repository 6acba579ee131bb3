"""What a real server refuses before it stores an object is refused, with every cause at once."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from chaos.sandbox.kinds import Resource
from chaos.sandbox.selectors import matches
from chaos.sandbox.status import Refusal, invalid
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
