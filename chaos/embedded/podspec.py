"""From a pod's spec to a process: its environment, its mounted files, and the addresses that names stand for."""

import base64
import re
from pathlib import Path
from typing import Any

from chaos.embedded.store import Store

Obj = dict[str, Any]
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_AUTHORITY = re.compile(r"^((?:https?://)?)([a-z][a-z0-9-]*)((?:\.[a-z0-9-]+)*)(:\d+)(?=/|$)")


class Unready(Exception):
    """The pod cannot start yet: something that it refers to is not there."""


def environment(store: Store, pod: Obj, container: Obj) -> dict[str, str]:
    """All variables of a container, Service names in URLs turned into addresses, as a resolver would at start."""
    space = pod["metadata"]["namespace"]
    env = {**_service_variables(store, space), **_own(pod)}
    for source in container.get("envFrom") or []:
        env.update(_whole(store, space, source))
    for each in container.get("env") or []:
        value = each["value"] if "value" in each else _referred(store, pod, each.get("valueFrom") or {})
        if value is not None:
            env[each["name"]] = _VARIABLE.sub(lambda match: env.get(match[1], match[0]), str(value))
    return {name: _resolved(store, space, value) for name, value in env.items()}


def _own(pod: Obj) -> dict[str, str]:
    meta = pod["metadata"]
    return {"POD_IP": pod["status"]["podIP"], "POD_NAME": meta["name"], "POD_NAMESPACE": meta["namespace"]}


def _service_variables(store: Store, space: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for service in store.all("Service", space):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if address and address != "None" and ports:
            prefix = service["metadata"]["name"].upper().replace("-", "_")
            found[f"{prefix}_SERVICE_HOST"] = address
            found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
    return found


def contents(store: Store, space: str, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
    """The files of a ConfigMap or Secret."""
    obj = store.peek(kind, space, name)
    if obj is None:
        if optional:
            return {}
        raise Unready(f'{kind.lower()} "{name}" not found')
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    return {key: value.encode() for key, value in (obj.get("data") or {}).items()}


def _whole(store: Store, space: str, source: Obj) -> dict[str, str]:
    prefix = source.get("prefix", "")
    kind, ref = ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    found = contents(store, space, kind, ref["name"], optional=ref.get("optional", False))
    return {prefix + key: value.decode() for key, value in found.items()}


def _referred(store: Store, pod: Obj, source: Obj) -> str | None:
    space = pod["metadata"]["namespace"]
    if "fieldRef" in source:
        value: Any = pod
        for key in source["fieldRef"]["fieldPath"].split("."):
            value = value.get(key, "") if isinstance(value, dict) else ""
        return str(value)
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if ref := source.get(field):
            found = contents(store, space, kind, ref["name"], optional=ref.get("optional", False))
            if ref["key"] in found:
                return found[ref["key"]].decode()
            if not ref.get("optional"):
                raise Unready(f"couldn't find key {ref['key']} in {kind} {space}/{ref['name']}")
    return None


def _resolved(store: Store, space: str, value: str) -> str:
    match = _AUTHORITY.match(value)
    if not match:
        return value
    scheme, name, domain, port = match.groups()
    where = domain.split(".")[1] if domain else space
    service = store.peek("Service", where, name)
    address = service["spec"].get("clusterIP") if service else None
    return f"{scheme}{address}{port}{value[match.end() :]}" if address and address != "None" else value


def mount(store: Store, pod: Obj, container: Obj, root: Path) -> None:
    """Write the files of all mounted ConfigMaps and Secrets below `root`, at their absolute mount paths."""
    space = pod["metadata"]["namespace"]
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    for each in container.get("volumeMounts") or []:
        volume = volumes.get(each["name"], {})
        files: dict[str, bytes] = {}
        items: list[Obj] = []
        if "configMap" in volume:
            files = contents(store, space, "ConfigMap", volume["configMap"]["name"])
            items = volume["configMap"].get("items") or []
        elif "secret" in volume:
            files = contents(store, space, "Secret", volume["secret"]["secretName"])
            items = volume["secret"].get("items") or []
        names = {item["key"]: item["path"] for item in items} or {key: key for key in files}
        folder = root / each["mountPath"].lstrip("/")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for key, name in names.items():
            (folder / name).write_bytes(files.get(key, b""))
