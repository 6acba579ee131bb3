"""The objects of the cluster: optimistic locking, preconditions, selectors, watches and garbage collection."""

import asyncio
import copy
import secrets
import string
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from chaos.embedded.kinds import BY_KIND
from chaos.embedded.problems import ApiProblem, bad_request, conflict, invalid, not_found

Obj = dict[str, Any]
Key = tuple[str, str, str]  # kind, namespace, name
_HISTORY = 20_000
_ALPHABET = string.ascii_lowercase + string.digits


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_of(obj: Obj) -> Key:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Store:
    """All state. `changed` is set by every change; `defaults` fills in what the API server would."""

    def __init__(self, defaults: Callable[[Obj, "Store"], None]) -> None:
        self.changed = asyncio.Event()
        self.version = 1
        self._objects: dict[Key, Obj] = {}
        self._history: deque[tuple[int, str, Obj]] = deque(maxlen=_HISTORY)
        self._watchers: set[asyncio.Event] = set()
        self._defaults = defaults

    # -- reading -----------------------------------------------------------------------------------------------------

    def get(self, kind: str, namespace: str, name: str) -> Obj:
        obj = self._objects.get((kind, namespace, name))
        if obj is None:
            raise not_found(BY_KIND[kind].plural, name)
        return copy.deepcopy(obj)

    def peek(self, kind: str, namespace: str, name: str) -> Obj | None:
        """The stored object itself: for reading only."""
        return self._objects.get((kind, namespace, name))

    def all(self, kind: str, namespace: str = "") -> Iterator[Obj]:
        """The stored objects themselves, by namespace and name: for reading only."""
        for key in sorted(self._objects):
            if key[0] == kind and namespace in ("", key[1]):
                yield self._objects[key]

    def since(self, version: int) -> list[tuple[int, str, Obj]]:
        """What happened after a version; 410 when that is forgotten."""
        if self._history and version + 1 < self._history[0][0] and version < self.version and len(self._history) == _HISTORY:
            raise ApiProblem(410, "Expired", f"too old resource version: {version}")
        return [event for event in self._history if event[0] > version]

    def watcher(self) -> asyncio.Event:
        event = asyncio.Event()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        self._watchers.discard(event)

    # -- writing -----------------------------------------------------------------------------------------------------

    def create(self, obj: Obj) -> Obj:
        obj = copy.deepcopy(obj)
        meta = obj.setdefault("metadata", {})
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise invalid("metadata.name: Required value: name or generateName is required")
            meta["name"] = meta["generateName"] + "".join(secrets.choice(_ALPHABET) for _ in range(5))
        resource = BY_KIND[obj["kind"]]
        if resource.namespaced:
            space = self._objects.get(("Namespace", "", meta.get("namespace", "")))
            if space is None:
                raise not_found("namespaces", meta.get("namespace", ""))
            if space["metadata"].get("deletionTimestamp"):
                raise ApiProblem(403, "Forbidden", f"namespace {meta['namespace']} is being terminated")
        else:
            meta.pop("namespace", None)
        if key_of(obj) in self._objects:
            raise ApiProblem(409, "AlreadyExists", f'{resource.plural} "{meta["name"]}" already exists')
        meta.update(uid=str(uuid.uuid4()), creationTimestamp=now(), generation=1)
        meta.pop("resourceVersion", None)
        obj["apiVersion"] = resource.api_version
        self._defaults(obj, self)
        return self._put("ADDED", obj)

    def update(self, obj: Obj, *, status_only: bool = False) -> Obj:
        """Replace; conditional on the resourceVersion where the object carries one. No change is no new version."""
        old = self._objects.get(key_of(obj))
        plural = BY_KIND[obj["kind"]].plural
        meta = obj["metadata"]
        if old is None:
            raise not_found(plural, meta["name"])
        self._same(old, plural, meta.get("uid"), meta.get("resourceVersion"))
        new = copy.deepcopy(old) if status_only else copy.deepcopy(obj)
        if status_only:
            new["status"] = copy.deepcopy(obj.get("status", {}))
        for field in ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"):
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]
        new["apiVersion"] = old["apiVersion"]
        if not status_only:
            self._defaults(new, self)
            new.setdefault("status", old.get("status", {}))
        if new == old:
            return copy.deepcopy(old)
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return self._put("MODIFIED", new)

    def set_status(self, obj: Obj, status: Obj) -> None:
        """A controller's write: merged into the status, unconditional, silent when nothing changes or it is gone."""
        old = self._objects.get(key_of(obj))
        if old is not None and old["metadata"]["uid"] == obj["metadata"]["uid"]:
            merged = {**old.get("status", {}), **status}
            if merged != old.get("status"):
                self._put("MODIFIED", {**copy.deepcopy(old), "status": copy.deepcopy(merged)})

    def touch(self, kind: str, namespace: str, name: str, change: Callable[[Obj], None]) -> Obj:
        """Read, change, write: a controller's unconditional update."""
        obj = self.get(kind, namespace, name)
        change(obj)
        return self.update(obj)

    def mark_deleted(self, obj: Obj, grace: int) -> Obj:
        """Begin a graceful deletion."""
        new = copy.deepcopy(self._objects[key_of(obj)])
        new["metadata"]["deletionTimestamp"] = now()
        new["metadata"]["deletionGracePeriodSeconds"] = grace
        return self._put("MODIFIED", new)

    def remove(self, kind: str, namespace: str, name: str, *, uid: str = "", version: str = "") -> Obj:
        old = self._objects.get((kind, namespace, name))
        if old is None:
            raise not_found(BY_KIND[kind].plural, name)
        self._same(old, BY_KIND[kind].plural, uid, version)
        del self._objects[(kind, namespace, name)]
        self._tell("DELETED", copy.deepcopy(old))
        return old

    def check(self, obj: Obj, *, uid: str = "", version: str = "") -> None:
        self._same(obj, BY_KIND[obj["kind"]].plural, uid, version)

    def _same(self, old: Obj, plural: str, uid: str | None, version: str | None) -> None:
        meta = old["metadata"]
        if uid and uid != meta["uid"]:
            raise conflict(
                plural, meta["name"], f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
            )
        if version and version != meta["resourceVersion"]:
            raise conflict(
                plural,
                meta["name"],
                "the object has been modified; please apply your changes to the latest version and try again",
            )

    def _put(self, event: str, obj: Obj) -> Obj:
        self._objects[key_of(obj)] = obj
        self._tell(event, obj)
        return copy.deepcopy(obj)

    def _tell(self, event: str, obj: Obj) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self._history.append((self.version, event, copy.deepcopy(obj)))
        self.changed.set()
        for watcher in self._watchers:
            watcher.set()


def parse_version(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError:
        raise bad_request(f"invalid resource version: {text!r}") from None
