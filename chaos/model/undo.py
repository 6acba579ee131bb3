"""An undo as data: the few requests that put a change back, each safe to send twice, by whoever still can.

The runner, the watchdog, a colleague's `recover` and the guard inside the cluster all carry out the same list; the guard
has nothing else, for it must not run code that a fault brings along.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from chaos.model.base import Record


class PatchBack(Record):
    """A JSON patch whose `test` operations say what we left there. Where they do not hold, somebody else's change stays."""

    do: Literal["patch"] = "patch"
    kind: str
    name: str
    namespace: str = ""
    subresource: str = ""
    patch: list[dict[str, Any]]


class DeleteOwn(Record):
    """Delete an object that carries `labels` (those of the run and the step); one without them is somebody else's and stays."""

    do: Literal["delete"] = "delete"
    kind: str
    name: str
    namespace: str = ""
    labels: dict[str, str]


class RestoreData(Record):
    """Give a Secret or ConfigMap its `data` back from the undo Secret that keeps all of it, then delete that Secret.

    `uid` is the object's; `expected` is the SHA-256 (hex) of the canonical JSON of the `data` that we left there
    (`json.dumps(data, sort_keys=True, separators=(",", ":"))`): anything else is somebody else's change and stays.
    The undo Secret (`injectors.undoing.undo_secret`) holds the whole object as it was, as JSON under `object`; where `recreate`
    is set, the object was taken away by us, and is made again from it. With `keys`, only these keys of `data` are compared and
    put back: what others do to the rest meanwhile is theirs, and `expected` tells nothing of it.
    """

    do: Literal["restore-data"] = "restore-data"
    kind: Literal["ConfigMap", "Secret"]
    name: str
    namespace: str
    uid: str
    undo_secret: str
    expected: str = ""
    recreate: bool = False
    keys: list[str] = []


Call = Annotated[PatchBack | DeleteOwn | RestoreData, Field(discriminator="do")]
