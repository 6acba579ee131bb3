"""The patch types of the API: merge (RFC 7386), JSON (RFC 6902), strategic and apply (lists merged by their key)."""

import copy
from typing import Any

from chaos.embedded.problems import invalid

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ports": "",
    "ownerReferences": "uid",
    "conditions": "type",
    "taints": "key",
    "tolerations": "key",
}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any, field: str = "") -> Any:
    """As merge, but known lists are merged by their key; `$patch: delete` and `$patch: replace` are obeyed."""
    if isinstance(patch, list):
        return _merged_list(target if isinstance(target, list) else [], patch, field)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith(("$setElementOrder", "$retainKeys")):
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), value, key)
    return result


def _merged_list(target: list[Any], patch: list[Any], field: str) -> list[Any]:
    key = _MERGE_KEYS.get(field)
    if field == "ports":
        key = "containerPort" if any("containerPort" in each for each in [*target, *patch]) else "port"
    if not key or not all(isinstance(each, dict) and key in each for each in [*target, *patch]):
        return copy.deepcopy(patch)
    result = {each[key]: each for each in target}
    for each in patch:
        if each.get("$patch") == "delete":
            result.pop(each[key], None)
        else:
            result[each[key]] = strategic(result.get(each[key]), each)
    return list(result.values())


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902: add, remove, replace, move, copy, test; a failing test is 422 and changes nothing."""
    result = copy.deepcopy(target)
    for operation in operations:
        result = _operate(result, operation)
    return result


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), operation.get("path", "")
    if kind == "test":
        if _read(document, path) != operation.get("value"):
            raise invalid(f"testing value {path} failed")
        return document
    if kind in ("move", "copy"):
        value = copy.deepcopy(_read(document, operation["from"]))
        if kind == "move":
            document = _write(document, operation["from"], None, "remove")
        return _write(document, path, value, "add")
    if kind not in ("add", "remove", "replace"):
        raise invalid(f"unknown operation {kind!r}")
    return _write(document, path, copy.deepcopy(operation.get("value")), kind)


def _keys(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise invalid(f"not a JSON pointer: {path!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _step(value: Any, key: str) -> Any:
    try:
        return value[int(key)] if isinstance(value, list) else value[key]
    except (KeyError, IndexError, ValueError, TypeError):
        raise invalid(f"the path does not exist: {key}") from None


def _read(document: Any, path: str) -> Any:
    for key in _keys(path):
        document = _step(document, key)
    return document


def _write(document: Any, path: str, value: Any, kind: str) -> Any:
    keys = _keys(path)
    if not keys:
        return value
    parent = document
    for key in keys[:-1]:
        parent = _step(parent, key)
    last = keys[-1]
    if kind != "add":
        _step(parent, last)
    if isinstance(parent, list):
        _write_item(parent, last, value, kind)
    elif kind == "remove":
        del parent[last]
    else:
        parent[last] = value
    return document


def _write_item(items: list[Any], key: str, value: Any, kind: str) -> None:
    index = len(items) if key == "-" else int(key)
    if kind == "add":
        items.insert(index, value)
    elif kind == "remove":
        del items[index]
    else:
        items[index] = value
