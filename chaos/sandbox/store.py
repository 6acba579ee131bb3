"""All objects, one revision counter over them, and the log of changes that watches read.

A stored object is never changed in place: whoever writes brings a new one, so that a watch, a list and a controller
may keep what they were given.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from chaos.sandbox.kinds import KINDS, Resource
from chaos.sandbox.status import already_exists, not_found

Obj = dict[str, Any]
_HISTORY = 4096  # changes that a watch may reach back


def copied(value: Any) -> Any:
    """A deep copy of JSON."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value


def timestamp(when: datetime | None = None) -> str:
    return (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()


def key_of(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


@dataclass(frozen=True)
class Change:
    """One write: `before` is None for an addition, `after` of a deletion is the object as it was last."""

    revision: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    kind: str
    before: Obj | None
    after: Obj


class Store:
    """Objects by kind, namespace and name; every write gets the next revision and is told to all listeners."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {kind: {} for kind in KINDS}
        self._listeners: list[Callable[[Change], None]] = []
        self.uids: dict[str, tuple[str, str]] = {}  # uid -> kind, namespace
        self.revision = 1
        self.log: deque[Change] = deque(maxlen=_HISTORY)

    def listen(self, listener: Callable[[Change], None]) -> None:
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[Change], None]) -> None:
        self._listeners.remove(listener)

    def get(self, kind: str, namespace: str, name: str) -> Obj:
        found = self.find(kind, namespace, name)
        if found is None:
            raise not_found(KINDS[kind], name)
        return found

    def find(self, kind: str, namespace: str, name: str) -> Obj | None:
        return self._objects[kind].get((namespace, name))

    def all(self, kind: str, namespace: str = "") -> list[Obj]:
        """In order of namespace and name."""
        objects = self._objects[kind]
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    def each(self, kinds: Iterable[str]) -> Iterator[tuple[Resource, Obj]]:
        for kind in kinds:
            for obj in list(self._objects[kind].values()):
                yield KINDS[kind], obj

    def add(self, kind: str, obj: Obj) -> Obj:
        """Store a new object; it gets its UID, its creation time and its revision here."""
        resource, key = KINDS[kind], key_of(obj)
        if key in self._objects[kind]:
            raise already_exists(resource, key[1])
        self.revision += 1
        own = {
            "name": key[1],
            "uid": str(uuid.uuid4()),
            "creationTimestamp": timestamp(),
            "resourceVersion": str(self.revision),
        }
        kept = {name: value for name, value in obj["metadata"].items() if name not in ("deletionTimestamp", "generation")}
        if "spec" in obj and kind != "Node":
            own["generation"] = 1  # type: ignore[assignment]
        stored = {"apiVersion": resource.api_version, "kind": kind} | obj | {"metadata": kept | own}
        self._objects[kind][key] = stored
        self.uids[own["uid"]] = (kind, key[0])
        self._tell(Change(self.revision, "ADDED", kind, None, stored))
        return stored

    def put(self, kind: str, obj: Obj) -> Obj:
        """Replace an object by a newer version of itself; nothing happens when nothing differs."""
        before = self._objects[kind][key_of(obj)]
        fixed = {name: before["metadata"][name] for name in ("uid", "creationTimestamp", "resourceVersion")}
        if "generation" in before["metadata"]:
            moved = before.get("spec") != obj.get("spec") or (
                "deletionTimestamp" in obj["metadata"] and "deletionTimestamp" not in before["metadata"]
            )
            fixed["generation"] = before["metadata"]["generation"] + moved
        after = obj | {"metadata": obj["metadata"] | fixed}
        if after == before:
            return before
        self.revision += 1
        after["metadata"]["resourceVersion"] = str(self.revision)
        self._objects[kind][key_of(after)] = after
        self._tell(Change(self.revision, "MODIFIED", kind, before, after))
        return after

    def remove(self, kind: str, obj: Obj) -> Obj:
        """Take it out for good; the deletion has a revision of its own."""
        before = self._objects[kind].pop(key_of(obj))
        self.uids.pop(before["metadata"]["uid"], None)
        self.revision += 1
        last = before | {"metadata": before["metadata"] | {"resourceVersion": str(self.revision)}}
        self._tell(Change(self.revision, "DELETED", kind, before, last))
        return last

    def oldest(self) -> int:
        """Watches may start after this revision, not before."""
        return self.log[0].revision - 1 if len(self.log) == _HISTORY else 0

    def _tell(self, change: Change) -> None:
        self.log.append(change)
        for listener in list(self._listeners):
            listener(change)
