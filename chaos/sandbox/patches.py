"""The four ways to patch an object: merge, strategic merge, JSON patch and (good enough) server-side apply."""

import json
from typing import Any

from chaos.sandbox.status import Refusal, bad_request
from chaos.sandbox.store import Obj, copied

_MERGE_KEYS: dict[str, tuple[str, ...]] = {  # lists that are merged item by item, and what tells their items apart
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "tolerations": (),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "secrets": ("name",),
}
_SET_LISTS = ("finalizers",)

CONTENT_TYPES = {
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/json-patch+json": "json",
    "application/apply-patch+yaml": "apply",
}


def how(content_type: str) -> str:
    """Which patch a request carries; 415 for anything else."""
    found = CONTENT_TYPES.get(content_type.partition(";")[0].strip())
    if found is None:
        raise Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})
    return found


def parse(kind: str, body: bytes) -> Any:
    """The patch as data; 400 when it does not parse."""
    try:
        return json.loads(body)
    except ValueError as error:
        if kind != "apply":
            raise bad_request(f"error decoding patch: {error}") from None
    import yaml  # noqa: PLC0415  only `kubectl apply --server-side` of old clients sends YAML

    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def apply(kind: str, obj: Obj, patch: Any) -> Obj:
    """A new object; the old one is left alone."""
    if kind == "json":
        if not isinstance(patch, list):
            raise bad_request("error decoding patch: a JSON patch is a list of operations")
        patched = json_patch(obj, patch)
        if not isinstance(patched, dict):
            raise bad_request("error decoding patch: the result is not an object")
        return patched
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: the patch is not an object")
    merged: Obj = merge(obj, patch) if kind == "merge" else strategic(obj, patch)
    return merged


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    """As merge, but lists of named things are merged by name; `$patch` and `$deleteFromPrimitiveList` are obeyed."""
    if not isinstance(patch, dict):
        return copied(patch)
    if patch.get("$patch") == "replace":
        return {key: copied(value) for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [each for each in result.get(name, []) if each not in value]
        elif key == "$retainKeys":
            result = {name: each for name, each in result.items() if name in value}
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list) and (key in _MERGE_KEYS or key in _SET_LISTS):
            result[key] = _merged_list(key, result.get(key) or [], value)
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _merged_list(name: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if name in _SET_LISTS:
        return target + [value for value in patch if value not in target]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [copied(item) for item in patch if "$patch" not in item]
    key = next((each for each in _MERGE_KEYS[name] if all(isinstance(item, dict) and each in item for item in patch)), None)
    if key is None:
        return [copied(item) for item in patch]
    result = list(target)
    for item in patch:
        at = next((index for index, old in enumerate(result) if _same(old, item, key)), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if not _same(old, item, key)]
        elif at is None:
            result.append(strategic({}, item))
        else:
            result[at] = strategic(result[at], item)
    return result


def _same(old: dict[str, Any], new: dict[str, Any], key: str) -> bool:
    return old.get(key) == new[key] and ("protocol" not in new or old.get("protocol", "TCP") == new["protocol"])


def json_patch(obj: Any, operations: list[Any]) -> Any:
    """RFC 6902; a failing operation or test is 422, and nothing of the patch is kept."""
    document = copied(obj)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            raise Refusal(
                422, "Invalid", "the server rejected our request due to an error in our request", details={}
            ) from None
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "test":
            if _read(document, path) != operation["value"]:
                raise ValueError("test failed")
        case "add":
            document = _write(document, path, copied(operation["value"]), insert=True)
        case "replace":
            _read(document, path)
            document = _write(document, path, copied(operation["value"]), insert=False)
        case "remove":
            _drop(document, path)
        case "copy":
            document = _write(document, path, copied(_read(document, _pointer(operation["from"]))), insert=True)
        case "move":
            value = _read(document, _pointer(operation["from"]))
            _drop(document, _pointer(operation["from"]))
            document = _write(document, path, value, insert=True)
        case unknown:
            raise ValueError(unknown)
    return document


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _read(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _write(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if not isinstance(parent, list):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif insert:
        if int(last) > len(parent):
            raise IndexError(last)
        parent.insert(int(last), value)
    else:
        parent[int(last)] = value
    return document


def _drop(document: Any, path: list[str]) -> None:
    parent = _read(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]


def without_dropped(obj: Any, before: Any, now: Any) -> Any:
    """Server-side apply: what this manager applied `before` and does not apply `now` is taken out of the object."""
    if not (isinstance(obj, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return obj
    result = dict(obj)
    for key, old in before.items():
        if key not in now:
            result.pop(key, None)
        elif key in result and isinstance(old, dict):
            result[key] = without_dropped(result[key], old, now[key])
        elif key in result and isinstance(old, list) and key in _MERGE_KEYS:
            result[key] = _list_without_dropped(key, result[key], old, now[key])
    return result


def _list_without_dropped(name: str, items: list[Any], before: list[Any], now: list[Any]) -> list[Any]:
    key = next((each for each in _MERGE_KEYS[name] if all(isinstance(item, dict) and each in item for item in before)), None)
    if key is None:
        return items
    old = {item[key]: item for item in before}
    new = {item[key]: item for item in now if key in item}
    return [
        without_dropped(item, old.get(item.get(key), {}), new.get(item.get(key), {}))
        for item in items
        if item.get(key) not in old or item.get(key) in new
    ]
