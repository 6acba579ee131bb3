"""Runs the controllers: each looks at the whole state and moves it towards what is wanted, whenever its kinds change."""

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from chaos.sandbox.addresses import Addresses
from chaos.sandbox.events import Events
from chaos.sandbox.objects import Objects
from chaos.sandbox.store import Change, Obj, Store

_QUIET = 0.003  # seconds in which changes gather before a pass
_AFTER_TROUBLE = 1.0


@dataclass(frozen=True)
class Context:
    """What a controller works with. `later` asks for another pass in so many seconds."""

    store: Store
    objects: Objects
    addresses: Addresses
    events: Events
    later: Callable[[float], None]


Reconcile = Callable[[Context], None]


class Controllers:
    """One pass at a time, after a change of the kinds that a controller cares for, or when it asked for one."""

    def __init__(self, store: Store, objects: Objects, addresses: Addresses, events: Events) -> None:
        self._store = store
        self._all: list[tuple[Reconcile, frozenset[str], Context]] = []
        self._due: set[Reconcile] = set()
        self._pass: asyncio.TimerHandle | None = None
        self._parts = (store, objects, addresses, events)
        store.listen(self._changed)

    def add(self, reconcile: Reconcile, *kinds: str) -> None:
        """Run it now, and after each change of these kinds."""

        def later(seconds: float) -> None:
            asyncio.get_running_loop().call_later(seconds, self._wake, reconcile)

        self._all.append((reconcile, frozenset(kinds), Context(*self._parts, later)))
        self._wake(reconcile)

    def _changed(self, change: Change) -> None:
        for reconcile, kinds, _ in self._all:
            if change.kind in kinds:
                self._wake(reconcile)

    def _wake(self, reconcile: Reconcile) -> None:
        self._due.add(reconcile)
        if self._pass is None:
            self._pass = asyncio.get_running_loop().call_later(_QUIET, self._run)

    def _run(self) -> None:
        self._pass = None
        due, self._due = self._due, set()
        for reconcile, _, context in self._all:
            if reconcile in due:
                try:
                    reconcile(context)
                except Exception:
                    traceback.print_exc()
                    context.later(_AFTER_TROUBLE)


def owner_of(obj: Obj) -> str:
    """The UID of the controller that owns it, or nothing."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((each["uid"] for each in references if each.get("controller")), "")


def owned_by(owner: Obj) -> list[Obj]:
    """The owner reference that makes `owner` the controller."""
    reference = {key: owner["metadata"][key] for key in ("name", "uid")}
    return [
        {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True, "blockOwnerDeletion": True} | reference
    ]


def is_ready(pod: Obj) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ())


def is_active(pod: Obj) -> bool:
    """Neither finished nor on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Succeeded", "Failed")


def with_status(obj: Obj, **fields: object) -> Obj:
    """The object with these status fields; a None takes a field out."""
    status = {**(obj.get("status") or {}), **fields}
    return obj | {"status": {key: value for key, value in status.items() if value is not None}}
