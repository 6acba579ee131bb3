"""Watches: what is there, then every change as it happens, in the order of revisions."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from chaos.sandbox.kinds import Resource
from chaos.sandbox.selectors import Match
from chaos.sandbox.status import Refusal, bad_request
from chaos.sandbox.store import Change, Obj, Store

_LONGEST = 1800.0  # seconds; a client that wants more asks again


class Watch:
    """One watch of one kind, in one namespace or all, of what a selector chooses."""

    def __init__(self, store: Store, resource: Resource, namespace: str, chosen: Match, shown: Callable[[Obj], Obj]) -> None:
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._chosen = chosen
        self._shown = shown
        self._queue: asyncio.Queue[Change] = asyncio.Queue()

    def events(self, query: dict[str, str]) -> AsyncIterator[bytes]:
        """The lines of the answer; refuses (400) before the first line when the query makes no sense."""
        start, seconds = query.get("resourceVersion", ""), query.get("timeoutSeconds") or str(_LONGEST)
        if start and not start.isdigit():
            raise Refusal(500, "InternalError", f'resourceVersion: Invalid value: "{start}"')  # sic; a list says 400
        try:
            within = float(seconds)
        except ValueError:
            raise bad_request(f'timeoutSeconds: Invalid value: "{seconds}"') from None
        initial = query.get("sendInitialEvents") == "true"
        return self._events(int(start or 0), within, initial)

    async def _events(self, start: int, within: float, initial: bool) -> AsyncIterator[bytes]:
        deadline = asyncio.get_running_loop().time() + within
        self._store.listen(self._queue.put_nowait)
        try:
            for first in self._first(start, initial):
                yield first
            line: bytes | None
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                try:
                    change = await asyncio.wait_for(self._queue.get(), left)
                except TimeoutError:
                    return
                if line := self._line(change):
                    yield line
        finally:
            self._store.unlisten(self._queue.put_nowait)

    def _first(self, start: int, initial: bool) -> list[bytes]:
        """All that is there (from no revision, or on request), or all changes since one; 410 when they are forgotten."""
        if initial or start == 0:
            lines = [
                self._encoded("ADDED", self._shown(obj))
                for obj in self._store.all(self._resource.kind, self._namespace)
                if self._chosen(obj)
            ]
            return [*lines, self._bookmark()] if initial else lines
        if start < self._store.oldest():
            gone = Refusal(410, "Expired", f"too old resource version: {start} ({self._store.oldest()})")
            return [self._encoded("ERROR", gone.body())]
        return [line for change in self._store.log if change.revision > start and (line := self._line(change))]

    def _bookmark(self) -> bytes:
        annotations = {"k8s.io/initial-events-end": "true"}
        meta = {"resourceVersion": str(self._store.revision), "creationTimestamp": None, "annotations": annotations}
        return self._encoded(
            "BOOKMARK", {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": meta}
        )

    def _line(self, change: Change) -> bytes | None:
        """The change as this watch sees it: an object that begins or ceases to be chosen is added or deleted."""
        if change.kind != self._resource.kind or self._namespace not in ("", change.after["metadata"].get("namespace", "")):
            return None
        was = change.before is not None and self._chosen(change.before)
        now = change.type != "DELETED" and self._chosen(change.after)
        if not was and not now:
            return None
        kind = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
        return self._encoded(kind, self._shown(change.after))

    @staticmethod
    def _encoded(kind: str, obj: Any) -> bytes:
        return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
