"""Carries out undo calls by compare-and-restore, and reads them back: the one place that knows how, wherever it runs.

It imports nothing of ours and runs on any Python from 3.9 on, for the guard inside the cluster carries this very file. Calls
are plain JSON (`chaos.model.undo`); the API is whatever answers like `Api`. Every call may be carried out twice.
"""

import base64
import hashlib
import json
from typing import Any, Dict, List, Optional  # noqa: UP035 - for Python 3.9

Obj = Dict[str, Any]  # noqa: UP006
THEIRS = "somebody else"
"""In the words of `left` about what is not ours to put back any more."""
_OURS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "selfLink")


class NotPutBack(Exception):
    """It is still as we left it: nothing that it leads to may be taken away yet."""


class Api:
    """What carrying out needs of the Kubernetes API. Other trouble than the answers told here is raised, to be tried again."""

    def get(self, kind: str, name: str, namespace: str) -> Optional[Obj]:  # noqa: UP045
        """The object, or None when it is not there."""
        raise NotImplementedError

    def create(self, obj: Obj) -> None:
        """Create it; one of that name being there is no trouble."""
        raise NotImplementedError

    def patch(self, call: Obj, patch: List[Obj]) -> bool:  # noqa: UP006
        """Send a JSON patch to what the call names; False when a `test` in it failed, or it is not there."""
        raise NotImplementedError

    def delete(self, kind: str, name: str, namespace: str, uid: str) -> None:
        """Delete that very object and what it owns, a pod without grace; not there is success."""
        raise NotImplementedError


def carry_out(call: Obj, api: Api) -> None:
    """Put back what one call is about. What somebody else has changed meanwhile is left alone; `left` tells.

    NotPutBack when the server declined although nobody else has changed it.
    """
    if call["do"] == "patch":
        if not api.patch(call, call["patch"]) and (words := left(call, api)) and THEIRS not in words:
            raise NotPutBack(words)
    elif call["do"] == "delete":
        _delete_own(call, api)
    else:
        _restore(call, api)


def left(call: Obj, api: Api) -> str:
    """What is not put back of one call, read from the API, in words; "" = clean, or gone with its object."""
    what = "{}/{}{}".format(call["kind"].lower(), call["name"], " in " + call["namespace"] if call.get("namespace") else "")
    found = api.get(call["kind"], call["name"], call.get("namespace", ""))
    if call["do"] == "restore-data":
        return _left_of_data(call, api, found, what)
    if found is None:
        return ""
    if call["do"] == "delete":
        going = "deletionTimestamp" in found["metadata"]
        return what + " is still there" if _is_ours(found, call["labels"]) and not going else ""
    return _left_of_patch(call, found, what)


# -- delete ------------------------------------------------------------------------------------------------------------


def _is_ours(found: Obj, labels: Dict[str, str]) -> bool:  # noqa: UP006
    actual = found["metadata"].get("labels") or {}
    return bool(labels) and all(actual.get(key) == value for key, value in labels.items())


def _delete_own(call: Obj, api: Api) -> None:
    found = api.get(call["kind"], call["name"], call.get("namespace", ""))
    if found is not None and _is_ours(found, call["labels"]) and "deletionTimestamp" not in found["metadata"]:
        api.delete(call["kind"], call["name"], call.get("namespace", ""), found["metadata"]["uid"])


# -- patch -------------------------------------------------------------------------------------------------------------


def _left_of_patch(call: Obj, found: Obj, what: str) -> str:
    """Clean when every value is as the patch makes it; otherwise its `test`s tell whose the present one is."""
    tests = [each for each in call["patch"] if each["op"] == "test"]
    if any(each["path"] == "/metadata/uid" and found["metadata"]["uid"] != each["value"] for each in tests):
        return ""  # another object by that name: what we changed is gone
    wrong = [each["path"] for each in call["patch"] if each["op"] != "test" and not _is_so(found, each)]
    as_we_left_it = all(value_at(found, each["path"]) == each["value"] for each in tests)
    if not wrong and as_we_left_it:  # an item taken out of a list: where it was tells nothing, only the tests do
        wrong = [each["path"] for each in call["patch"] if each["op"] == "remove" and _in_list(found, each["path"])]
    if not wrong:
        return ""
    whose = "as we left it" if as_we_left_it else f"changed by {THEIRS} meanwhile, so it was left alone"
    return "{} is not as it was at {}: {}".format(what, ", ".join(wrong), whose)


def _is_so(found: Obj, step: Obj) -> bool:
    there = value_at(found, step["path"])
    if step["op"] == "remove":
        return there is None or _in_list(found, step["path"])
    return step["value"] in there if step["path"].endswith("/-") and isinstance(there, list) else bool(there == step["value"])


def _in_list(found: Obj, path: str) -> bool:
    return isinstance(value_at(found, path.rpartition("/")[0]), list)


def value_at(found: Any, path: str) -> Any:
    """The value that a JSON pointer names, None where there is none; `/-` gives the list itself."""
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            if key == "-":
                return found
            found = found[int(key)] if key.isdigit() and int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


# -- data from an undo Secret --------------------------------------------------------------------------------------------


def fingerprint(data: Optional[Obj]) -> str:  # noqa: UP045
    """By which `RestoreData.expected` knows the `data` that we left."""
    return hashlib.sha256(json.dumps(data or {}, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _known(call: Obj, obj: Obj) -> str:
    """The fingerprint of what a call is about: all of the data, or some keys of it."""
    data, keys = obj.get("data") or {}, call.get("keys")
    return fingerprint({key: data[key] for key in keys if key in data} if keys else data)


def _restore(call: Obj, api: Api) -> None:
    """The undo Secret goes last, and only when what it keeps is back, or has no place any more."""
    kept = api.get("Secret", call["undo_secret"], call["namespace"])
    if kept is None:
        return  # never struck, or put back already
    before = json.loads(base64.b64decode(kept["data"]["object"]))
    found = api.get(call["kind"], call["name"], call["namespace"])
    if found is None and call.get("recreate"):
        meta = {key: value for key, value in before["metadata"].items() if key not in _OURS}
        api.create({**before, "metadata": meta})
    elif found is not None and found["metadata"]["uid"] == call["uid"] and _known(call, found) == call["expected"]:
        api.patch(call, _keys_back(found, before, call["keys"]) if call.get("keys") else _data_back(found, before.get("data")))
    words = _left_of_data(call, api, api.get(call["kind"], call["name"], call["namespace"]), call["name"])
    if not words:
        api.delete("Secret", call["undo_secret"], call["namespace"], kept["metadata"]["uid"])
    elif THEIRS not in words:
        raise NotPutBack(words)


def _data_back(found: Obj, data: Optional[Obj]) -> List[Obj]:  # noqa: UP006, UP045
    known = "data" if "data" in found else "metadata/resourceVersion"
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": found["metadata"]["uid"]},
        {"op": "test", "path": "/" + known, "value": value_at(found, "/" + known)},
    ]
    if data is None:
        return [*tests, {"op": "remove", "path": "/data"}] if "data" in found else tests
    return [*tests, {"op": "add", "path": "/data", "value": data}]


def _keys_back(found: Obj, before: Obj, keys: List[str]) -> List[Obj]:  # noqa: UP006
    now, then = found.get("data") or {}, before.get("data") or {}
    steps = [{"op": "test", "path": "/metadata/" + key, "value": found["metadata"][key]} for key in ("uid", "resourceVersion")]
    if not now:
        return [*steps, {"op": "add", "path": "/data", "value": {key: then[key] for key in keys if key in then}}]
    for key in keys:
        path = "/data/" + key.replace("~", "~0").replace("/", "~1")
        if key in then:
            steps.append({"op": "add", "path": path, "value": then[key]})
        elif key in now:
            steps.append({"op": "remove", "path": path})
    return steps


def _left_of_data(call: Obj, api: Api, found: Optional[Obj], what: str) -> str:  # noqa: UP045
    kept = api.get("Secret", call["undo_secret"], call["namespace"])
    if kept is None:
        return ""
    where = "; what it was is kept in secret/{}".format(call["undo_secret"])
    if found is None:
        return what + " is not there" + where if call.get("recreate") else ""
    before = json.loads(base64.b64decode(kept["data"]["object"]))
    another = found["metadata"]["uid"] != call["uid"] and not call.get("recreate")
    if another or _known(call, found) == _known(call, before):
        return ""
    ours = _known(call, found) == call["expected"]
    return (
        what
        + (" has the data that we gave it" if ours else f" was changed by {THEIRS} meanwhile, so it was left alone")
        + where
    )
