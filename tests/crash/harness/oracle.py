"""Says whether a run left anything: shares no code with the product, and talks plain HTTP to the API server.

A left-over is any difference of an object's specification, any object, process or file that was not there before.
"""

import http.client
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

_DERIVED = {"events", "endpointslices", "endpoints", "replicasets"}  # made by controllers out of the others
_SERVERS_OWN = ("resourceVersion", "generation", "managedFields", "creationTimestamp", "selfLink", "uid")


@dataclass
class Oracle:
    """Looks at one namespace, and at what is cluster-wide."""

    server: str
    namespace: str
    cluster_wide: ClassVar[tuple[str, ...]] = ("nodes",)
    _lists: list[tuple[str, str]] = field(default_factory=list)  # (resource, path)

    def __post_init__(self) -> None:
        where = urlsplit(self.server)
        self._root = where.path
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        self._find_kinds()

    def close(self) -> None:
        self._connection.close()

    def ask(self, path: str) -> Any:
        try:
            return self._ask(path)
        except (http.client.HTTPException, OSError):  # a connection that was idle for too long
            self._connection.close()
            return self._ask(path)

    def _ask(self, path: str) -> Any:
        self._connection.request("GET", self._root + path)
        return json.loads(self._connection.getresponse().read())

    def _find_kinds(self) -> None:
        """Everything that the server says can be listed; nothing is taken from the product's own tables."""
        groups = ["/api/v1"] + [f"/apis/{g['preferredVersion']['groupVersion']}" for g in self.ask("/apis").get("groups", [])]
        for root in groups:
            for each in self.ask(root).get("resources", []):
                if "/" in each["name"] or "list" not in each["verbs"] or each["name"] in _DERIVED:
                    continue
                path = f"{root}/namespaces/{self.namespace}/{each['name']}" if each["namespaced"] else f"{root}/{each['name']}"
                if each["namespaced"] or each["name"] in self.cluster_wide:
                    self._lists.append((each["name"], path))
        self._lists.append(("configmaps", "/api/v1/namespaces/kube-public/configmaps"))

    def snapshot(self) -> dict[str, Any]:
        """name -> what was asked for. Pods are counted by what they are and whether they are ready, since each has a new name."""
        found: dict[str, Any] = {}
        for resource, path in self._lists:
            for item in self.ask(path).get("items") or []:
                if resource == "pods":
                    key = _pod(item)
                    found[key] = found.get(key, 0) + 1
                else:
                    found[f"{resource}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"] = _wanted(
                        item, resource
                    )
        return found


def _pod(item: dict[str, Any]) -> str:
    meta = item["metadata"]
    given = ("pod-template-hash", "topology.kubernetes.io/")  # by controllers, differently each time
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if not key.startswith(given)}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in item.get("status", {}).get("conditions", []))
    state = "ending" if meta.get("deletionTimestamp") else "ready" if ready else "not ready"
    return f"pods/{meta['namespace']}/{json.dumps(labels, sort_keys=True)} {state}"


def _wanted(item: dict[str, Any], resource: str) -> Any:
    meta = {key: value for key, value in item["metadata"].items() if key not in _SERVERS_OWN}
    body = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    if resource == "nodes":
        ready = [each["status"] for each in item.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
        body = {"spec": item.get("spec", {}), "ready": ready}
    annotations = {
        k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith("deployment.kubernetes.io/")
    }
    return {"meta": meta | {"annotations": annotations, "labels": meta.get("labels") or {}}, "body": body}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was, in words."""
    words = [f"{key}: gone" for key in before.keys() - now.keys()]
    words += [f"{key}: new" for key in now.keys() - before.keys()]
    words += [f"{key}: was {before[key]}, is {now[key]}" for key in before.keys() & now.keys() if before[key] != now[key]]
    return sorted(words)


def processes_with(setting: str) -> dict[int, str]:
    """Live processes whose environment holds `setting` (NAME=value): pid -> command line. Children inherit it."""
    found = {}
    wanted = setting.encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if wanted not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X"):
                continue
            found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
    return found


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def ledger_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a ledger as JSON, read without the product's reader."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line.partition(b" ")[2]) for line in raw.split(b"\n")[:-1]]
