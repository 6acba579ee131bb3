"""What every fault uses to undo: its undo calls carried out in this process, by compare-and-restore.

A fault whose undo is requests to the API server and nothing else has `stop` = `put_back(undo_calls(state), world)`.
"""

import base64
import json
from collections.abc import Iterable

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import Conflict, NotFound, Refused
from chaos.injectors import putting_back
from chaos.injectors.base import LABEL_RUN, LABEL_STEP, LABEL_UNDO, FaultState, own_labels
from chaos.injectors.putting_back import fingerprint
from chaos.model.undo import Call, DeleteOwn


def put_back(calls: Iterable[Call], world: World) -> None:
    """Carry out the calls in their order. Not there is success; what somebody else changed meanwhile stays as it is.

    A call that the server declines ends it (Refused): what follows may be what it leads to.
    """
    api = _Api(world.cluster)
    for call in calls:
        try:
            putting_back.carry_out(call.as_json(), api)
        except putting_back.NotPutBack as error:
            raise Refused(str(error)) from error


def still_changed(calls: Iterable[Call], world: World) -> list[str]:
    """An independent read: what is not put back yet of these calls, in words; empty = clean."""
    api = _Api(world.cluster)
    return [words for call in calls if (words := putting_back.left(call.as_json(), api))]


def delete_own(state: FaultState, kind: str, name: str) -> DeleteOwn:
    """The call that deletes an object which this fault made in its namespace; anybody else's of that name stays."""
    labels = {LABEL_RUN: state.run, LABEL_STEP: state.step}
    return DeleteOwn(kind=kind, name=name, namespace=state.namespace, labels=labels)


def undo_secret(state: FaultState, name: str, obj: Obj) -> Obj:
    """The Secret for a `RestoreData`: the object as it was, whole. To be created before the object is changed."""
    labels = {**own_labels(state), LABEL_UNDO: "true"}
    meta = {"name": name, "namespace": state.namespace, "labels": labels}
    content = base64.b64encode(json.dumps(obj).encode()).decode()
    return {"kind": "Secret", "apiVersion": "v1", "metadata": meta, "type": "Opaque", "data": {"object": content}}


class _Api(putting_back.Api):
    """The cluster port as carrying out wants it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def get(self, kind: str, name: str, namespace: str) -> Obj | None:
        try:
            return self._cluster.get(kind, name, namespace)
        except NotFound:
            return None

    def create(self, obj: Obj) -> None:
        try:
            self._cluster.create(obj)
        except Conflict:
            return

    def patch(self, call: Obj, patch: list[Obj]) -> bool:
        name, space, below = call["name"], call.get("namespace", ""), call.get("subresource", "")
        try:
            self._cluster.patch(call["kind"], name, space, patch, how="json", subresource=below)
        except NotFound:
            return False
        except Conflict as error:
            if error.status != 422:  # a race at the server: worth another try
                raise
            return False
        return True

    def delete(self, kind: str, name: str, namespace: str, uid: str) -> None:
        grace = 0 if kind == "Pod" else None
        try:
            self._cluster.delete(kind, name, namespace, uid=uid, grace=grace, propagation="Background")
        except NotFound:
            return


__all__ = ["delete_own", "fingerprint", "put_back", "still_changed", "undo_secret"]
