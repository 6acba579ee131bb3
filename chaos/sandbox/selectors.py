"""Label and field selectors: equality and set-based, parsed whole before anything is selected."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from chaos.sandbox.status import bad_request

Match = Callable[[dict[str, Any]], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"^(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(rf"^(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"^(?P<no>!?)\s*(?P<key>{_KEY})$")

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS = {
    "Pod": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    "Event": (
        *(
            f"involvedObject.{name}"
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        ),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "Job": ("status.successful",),
    "ReplicaSet": ("status.replicas",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP", "spec.type"),
}


def _clauses(text: str) -> list[str]:
    """Split at the commas that are not within brackets."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text)]
    return [part for part in parts if part]


def _label_clause(clause: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(clause):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(clause):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(clause):
        key, absent = found["key"], bool(found["no"])
        return lambda labels: (key in labels) != absent
    raise bad_request(f"unable to parse requirement: {clause!r} is not a label requirement")


def by_labels(text: str) -> Match:
    """A `labelSelector` parameter as a predicate; 400 when it does not parse."""
    tests = [_label_clause(clause) for clause in _clauses(text)]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def by_fields(text: str, kind: str) -> Match:
    """A `fieldSelector` parameter as a predicate; 400 for a field that this kind cannot be selected by."""
    wanted: list[tuple[list[str], str, bool]] = []
    for clause in _clauses(text):
        found = re.match(r"^([A-Za-z.]+)(==|=|!=)(.*)$", clause)
        if not found:
            raise bad_request(f"invalid selector: '{clause}'; can't understand '{clause}'")
        field, operator, value = found.groups()
        if field not in _COMMON_FIELDS and field not in _FIELDS.get(kind, ()):
            raise bad_request(f"field label not supported: {field}")
        wanted.append((field.split("."), value, operator != "!="))
    return lambda obj: all((_field(obj, path) == value) == equal for path, value, equal in wanted)


def _field(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """A `LabelSelector` object; an empty one matches everything, a missing one nothing."""
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(each, labels) for each in selector.get("matchExpressions") or ())


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def as_text(selector: Mapping[str, Any] | None) -> str:
    """A `LabelSelector` object as kubectl writes it."""
    if not selector:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    words = {"In": "in", "NotIn": "notin"}
    for each in selector.get("matchExpressions") or ():
        operator = each["operator"]
        if operator in words:
            parts.append(f"{each['key']} {words[operator]} ({','.join(each.get('values') or ())})")
        else:
            parts.append(each["key"] if operator == "Exists" else f"!{each['key']}")
    return ",".join(parts)
