"""Label and field selectors, as the API server reads them."""

import re
from collections.abc import Callable
from typing import Any

from chaos.embedded.problems import bad_request

Obj = dict[str, Any]
_SET = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)\s*$")
_PRESENT = re.compile(r"^\s*(!?)\s*([\w./-]+)\s*$")
_FIELDS: dict[str, Callable[[Obj], Any]] = {
    "metadata.name": lambda obj: obj["metadata"]["name"],
    "metadata.namespace": lambda obj: obj["metadata"].get("namespace", ""),
    "spec.nodeName": lambda obj: obj.get("spec", {}).get("nodeName", ""),
    "status.phase": lambda obj: obj.get("status", {}).get("phase", ""),
    "involvedObject.name": lambda obj: obj.get("involvedObject", {}).get("name", ""),
    "involvedObject.kind": lambda obj: obj.get("involvedObject", {}).get("kind", ""),
    "involvedObject.namespace": lambda obj: obj.get("involvedObject", {}).get("namespace", ""),
    "involvedObject.uid": lambda obj: obj.get("involvedObject", {}).get("uid", ""),
}


def by_labels(selector: str) -> Callable[[Obj], bool]:
    """A predicate for `a=b,c!=d,e in (f,g),h,!i`; a selector that cannot be read is a bad request, never "all"."""
    tests = [_label_test(part) for part in _parts(selector)]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _parts(selector: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", selector) if part.strip()]


def _label_test(part: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET.match(part):
        key, operator, values = match[1], match[2], {value.strip() for value in match[3].split(",")}
        return (
            (lambda labels: labels.get(key) in values) if operator == "in" else (lambda labels: labels.get(key) not in values)
        )
    if match := _EQUAL.match(part):
        key, operator, value = match[1], match[2], match[3]
        return (lambda labels: labels.get(key) != value) if operator == "!=" else (lambda labels: labels.get(key) == value)
    if match := _PRESENT.match(part):
        absent, key = bool(match[1]), match[2]
        return lambda labels: (key in labels) is not absent
    raise bad_request(f"unable to parse requirement: {part!r}")


def by_fields(selector: str) -> Callable[[Obj], bool]:
    tests: list[tuple[Callable[[Obj], Any], bool, str]] = []
    for part in _parts(selector):
        match = _EQUAL.match(part)
        if not match or match[1] not in _FIELDS:
            raise bad_request(f"field label not supported: {part}")
        tests.append((_FIELDS[match[1]], match[2] != "!=", match[3]))
    return lambda obj: all((read(obj) == value) is equal for read, equal, value in tests)


def matches(labels: dict[str, str], selector: Obj | None) -> bool:
    """Whether labels fit a LabelSelector (`matchLabels`, `matchExpressions`); an empty one fits all, none fits nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        key, operator, values = rule["key"], rule["operator"], rule.get("values") or []
        fits = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits[operator]:
            return False
    return True
