"""What a container finds when it starts: its environment, and its ConfigMaps and Secrets as files."""

import base64
import os
import re
import shutil
from pathlib import Path
from typing import Any

from chaos.sandbox.addresses import Addresses
from chaos.sandbox.store import Obj, Store

_URL = re.compile(r"^(?P<scheme>[a-z][a-z0-9+]*://)(?P<host>[a-z0-9][-a-z0-9.]*)(?P<rest>(:\d+)?([/?#].*)?)$")
_BARE = re.compile(r"^(?P<host>[a-z0-9][-a-z0-9.]*)(?P<rest>:\d+)$")
_REFERENCE = re.compile(r"\$(\$|\(([-._A-Za-z0-9]+)\))")


class NotYet(Exception):
    """The container cannot start now; `reason` is what its status says meanwhile."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def environment(store: Store, addresses: Addresses, pod: Obj, container: Obj) -> dict[str, str]:
    """The variables of a container. Names of Services are resolved here, once: the sandbox has no DNS."""
    space = pod["metadata"]["namespace"]
    found = _service_links(store, space) if pod["spec"].get("enableServiceLinks", True) else {}
    for source in container.get("envFrom") or ():
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                data = _data(store, kind, space, source[key])
                found |= {source.get("prefix", "") + name: value.decode(errors="replace") for name, value in data.items()}
    for variable in container.get("env") or ():
        value = variable.get("value", "")
        if "valueFrom" in variable:
            value = _value_from(store, pod, container, variable["valueFrom"])
            if value is None:
                continue
        found[variable["name"]] = _REFERENCE.sub(lambda match: _expanded(match, found), value)
    found["POD_IP"] = pod["status"]["podIP"]
    return {name: resolved(store, addresses, space, value) for name, value in found.items()}


def _service_links(store: Store, space: str) -> dict[str, str]:
    links: dict[str, str] = {}
    for service in store.all("Service", space):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if ports and address and address != "None":
            name = service["metadata"]["name"].upper().replace("-", "_")
            links |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
    return links


def _expanded(match: re.Match[str], known: dict[str, str]) -> str:
    if match[1] == "$":
        return "$"
    return known.get(match[2], match[0])


def _data(store: Store, kind: str, space: str, reference: Obj) -> dict[str, bytes]:
    obj = store.find(kind, space, reference["name"])
    if obj is None:
        if reference.get("optional"):
            return {}
        raise NotYet("CreateContainerConfigError", f'{kind.lower()} "{reference["name"]}" not found')
    return _decoded(kind, obj)


def _decoded(kind: str, obj: Obj) -> dict[str, bytes]:
    if kind == "Secret":
        return {name: base64.b64decode(value) for name, value in (obj.get("data") or {}).items()}
    plain = {name: value.encode() for name, value in (obj.get("data") or {}).items()}
    return plain | {name: base64.b64decode(value) for name, value in (obj.get("binaryData") or {}).items()}


def _value_from(store: Store, pod: Obj, container: Obj, source: Obj) -> str | None:
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key in source:
            data = _data(store, kind, pod["metadata"]["namespace"], source[key])
            if source[key]["key"] in data:
                return data[source[key]["key"]].decode(errors="replace")
            if source[key].get("optional"):
                return None
            message = f"couldn't find key {source[key]['key']} in {kind} {pod['metadata']['namespace']}/{source[key]['name']}"
            raise NotYet("CreateContainerConfigError", message)
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        kind, _, name = source["resourceFieldRef"]["resource"].partition(".")
        return str((container.get("resources") or {}).get(kind, {}).get(name, 0))
    return ""


def _field(pod: Obj, path: str) -> str:
    if match := re.match(r"^metadata\.(labels|annotations)\['(.+)'\]$", path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def resolved(store: Store, addresses: Addresses, space: str, value: str) -> str:
    """`http://svc[.namespace[.svc...]]:port/...` and `svc:port` with the Service's address in place of its name.

    In a URL the name of a Service that is yet to come is resolved as well: its address goes with its name.
    """
    if (match := _URL.match(value)) and (address := _service_address(store, addresses, space, match["host"], future=True)):
        return f"{match['scheme']}{address}{match['rest']}"
    if (match := _BARE.match(value)) and (address := _service_address(store, addresses, space, match["host"], future=False)):
        return f"{address}{match['rest']}"
    return value


def _service_address(store: Store, addresses: Addresses, space: str, host: str, *, future: bool) -> str | None:
    name, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    namespace = namespace or space
    if domain not in ("", "svc", "svc.cluster.local") or store.find("Namespace", "", namespace) is None:
        return None
    service = store.find("Service", namespace, name)
    if service is not None:
        address = service["spec"].get("clusterIP")
        return address if address and address != "None" else None
    if future and name != "localhost" and not name[0].isdigit():
        return addresses.service(namespace, name)
    return None


class Files:
    """The volumes of one container below a private folder, which programs find as `POD_ROOT`."""

    def __init__(self, store: Store, pod: Obj, container: Obj, root: Path) -> None:
        self._store = store
        self._pod = pod
        self._container = container
        self._root = root

    def write(self) -> None:
        """Bring the files up to date. Each is replaced whole; what is gone from its source is deleted."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        volumes = {each["name"]: each for each in self._pod["spec"].get("volumes") or ()}
        for mount in self._container.get("volumeMounts") or ():
            folder = self._inside(mount["mountPath"])
            files = self._files(volumes[mount["name"]])
            if files is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif mount.get("subPath"):
                if mount["subPath"] in files and not folder.exists():
                    _replace(folder, files[mount["subPath"]])
            else:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for old in folder.iterdir():
                    if old.name not in files:
                        shutil.rmtree(old) if old.is_dir() else old.unlink()
                for name, content in files.items():
                    _replace(folder / name, content)

    def _inside(self, path: str) -> Path:
        found = Path(os.path.normpath(f"{self._root}/{path}"))
        if not found.is_relative_to(self._root):
            raise NotYet("CreateContainerError", f"mount path {path} leads out of the container")
        return found

    def _files(self, volume: Obj) -> dict[str, bytes] | None:
        """Name -> content; None for an empty folder of the pod's own."""
        if "emptyDir" in volume:
            return None
        for kind, key, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            if key in volume:
                source = volume[key]
                obj = self._store.find(kind, self._pod["metadata"]["namespace"], source[name])
                if obj is None and not source.get("optional"):
                    what = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {kind.lower()} "{source[name]}" not found'
                    raise NotYet("ContainerCreating", what)
                data = _decoded(kind, obj) if obj else {}
                if source.get("items"):
                    data = {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}
                return {name: content for name, content in data.items() if "/" not in name and not name.startswith("..")}
        raise NotYet("ContainerCreating", f"the sandbox has no volumes of this kind: {volume['name']}")


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
