"""Events, as `kubectl describe` and `kubectl get events` show them: counted, not repeated, and bounded in number."""

from collections import deque

from chaos.sandbox.objects import suffix
from chaos.sandbox.store import Obj, Store, timestamp

_MOST = 1000


class Events:
    """Writes Event objects about other objects."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._order: deque[tuple[str, str]] = deque()

    def normal(self, about: Obj, reason: str, message: str, *, by: str) -> None:
        self._record(about, "Normal", reason, message, by)

    def warning(self, about: Obj, reason: str, message: str, *, by: str) -> None:
        self._record(about, "Warning", reason, message, by)

    def _record(self, about: Obj, kind: str, reason: str, message: str, by: str) -> None:
        meta, now = about["metadata"], timestamp()
        key = self._known.get((meta["uid"], reason, message))
        if key and (old := self._store.find("Event", *key)):
            self._store.put("Event", old | {"count": old["count"] + 1, "lastTimestamp": now})
            return
        namespace = meta.get("namespace") or "default"
        if self._store.find("Namespace", "", namespace) is None:
            return
        name = f"{meta['name']}.{suffix()}{suffix()}{suffix()}"
        known = {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": meta["name"], "uid": meta["uid"]}
        involved = known | {"namespace": meta.get("namespace", ""), "resourceVersion": meta["resourceVersion"]}
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": by},
            "reportingComponent": by,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "eventTime": None,
        }
        self._store.add("Event", event)
        self._known[(meta["uid"], reason, message)] = (namespace, name)
        self._order.append((namespace, name))
        if len(self._order) > _MOST and (oldest := self._store.find("Event", *self._order.popleft())):
            self._store.remove("Event", oldest)
        if len(self._known) > 2 * _MOST:
            self._known = {known: where for known, where in self._known.items() if self._store.find("Event", *where)}
