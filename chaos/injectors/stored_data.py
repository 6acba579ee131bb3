"""What faults on ConfigMaps and Secrets share: keys overwritten or taken away, or all of it; put back from an undo Secret.

The bytes of before are kept nowhere but in that Secret, in the object's own namespace; the state holds its name and a keyed,
slow hash. Only the keys that we changed are compared and put back: what others do to the rest meanwhile is theirs.
"""

import base64
import hashlib
import json
import secrets
from typing import Any, Literal

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, Conflict, NotFound
from chaos.injectors import helpers, rollouts
from chaos.injectors.base import OWN_LABEL, Aim, FaultState
from chaos.injectors.targets import named, refuse_protected, target_of
from chaos.injectors.undoing import fingerprint, put_back, still_changed, undo_secret
from chaos.model.base import Record
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack, RestoreData

Kind = Literal["ConfigMap", "Secret"]
_WORK = {"n": 2**14, "r": 8, "p": 1, "dklen": 16}  # of scrypt: 40 ms a guess
_LARGEST = 2**20  # bytes that an API server takes in one Secret
_MUST_HAVE = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
"""Without these keys the API server takes no Secret of that type."""
_NEVER = {
    "kubernetes.io/service-account-token": "is a token of the cluster itself, which its controller keeps",
    "bootstrap.kubernetes.io/token": "is a token of the cluster itself, by which nodes join",
    "helm.sh/release.v1": "is the memory of a Helm release",
}


class Restarted(Record):
    """A Deployment whose pods are rolled, so that they read what is there now."""

    name: str
    uid: str
    selector: dict[str, str]
    known: list[str]  # UIDs of the pods before


class DataState(FaultState):
    """Which keys of which object are struck, and what tells that they are as before."""

    kind: Kind
    name: str
    uid: str
    left: dict[str, str | None]  # key -> what we leave there, None = taken away; {} = the whole object is taken away
    undo_secret: str
    salt: str
    prior: str  # hash of what was there before
    restarts: list[Restarted] = []

    @property
    def whole(self) -> bool:
        return not self.left

    @property
    def mark(self) -> str:
        return f"{self.run}.{self.step}"


# -- prepare -----------------------------------------------------------------------------------------------------------


def read(cluster: Cluster, kind: Kind, name: str, namespace: str) -> Obj:
    """The object; BadInput where it is not there, or is nobody's to strike."""
    refuse_protected(namespace)
    what = f"{kind.lower()} {name}"
    found = named(cluster, kind, name, namespace)
    if found["metadata"].get("deletionTimestamp"):
        raise BadInput(f"{what} is being deleted already")
    if OWN_LABEL.items() <= (found["metadata"].get("labels") or {}).items():
        raise BadInput(f"{what} is one that a run of ours made")
    if (kind, name) == ("ConfigMap", "kube-root-ca.crt"):
        raise BadInput("configmap kube-root-ca.crt is kept by the cluster itself, in every namespace")
    if kind == "Secret" and (why := _NEVER.get(found.get("type", ""))):
        raise BadInput(f"{what} {why}: it is never struck")
    if len(json.dumps(found)) > _LARGEST:
        raise BadInput(f"{what} is too large for an undo Secret to keep: nothing could put it back")
    return found


def refuse_change(found: Obj, kind: Kind, left: dict[str, str | None]) -> None:
    """BadInput where the API server would refuse to change these keys, or it would change nothing."""
    what, data, type_ = f"{kind.lower()} {found['metadata']['name']}", found.get("data") or {}, found.get("type", "")
    if found.get("immutable"):
        raise BadInput(f"{what} is immutable: its data cannot be changed; mode lose without keys can take it away as a whole")
    if missing := [key for key in left if key not in data]:
        binary = [key for key in missing if key in (found.get("binaryData") or {})]
        why = "only in its binaryData, which is not struck" if binary else f"it has {', '.join(data) or 'none'}"
        raise BadInput(f"{what} has no key {', '.join(missing)}; {why}")
    if needed := [key for key in _MUST_HAVE.get(type_, ()) if key in left and left[key] is None]:
        raise BadInput(f"{what} of type {type_} must have {', '.join(needed)}: corrupt it, or lose the object as a whole")
    if "docker" in type_ and any(key in left for key in _MUST_HAVE.get(type_, ())):
        raise BadInput(f"{what} of type {type_} takes nothing but valid JSON: lose the object as a whole")
    if all(value is not None and data[key] == _written(kind, value) for key, value in left.items()):
        raise BadInput(f"{what} has these values already: overwriting them would strike nothing")


def garbled(aim: Aim, key: str) -> str:
    """Text that makes no sense, and follows from run, step and key alone: it tells nothing of what was there."""
    return "garbled-" + hashlib.sha256(f"{aim.run}/{aim.step}/{key}".encode()).hexdigest()[:24]


def fields(found: Obj, kind: Kind, left: dict[str, str | None], restarts: list[Obj], aim: Aim) -> dict[str, Any]:
    """The fields of a DataState. `restarts` are the Deployments to roll; their own strategies must keep the caps."""
    name, salt = found["metadata"]["name"], secrets.token_hex(16)
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(found, kind), *(target_of(each, "Deployment") for each in restarts)],
        "kind": kind,
        "name": name,
        "uid": found["metadata"]["uid"],
        "left": left,
        "undo_secret": helpers.name_for("undo", aim.run, f"{name}-{aim.step}"),
        "salt": salt,
        "prior": _digest(found, list(left), salt),
        "restarts": [_restarted(each, aim) for each in restarts],
    }


def _restarted(deployment: Obj, aim: Aim) -> Restarted:
    meta = deployment["metadata"]
    found = rollouts.deployment(aim.world.cluster, meta["name"], meta["namespace"])
    pods = rollouts.pods_of(aim.world.cluster, found)
    rollouts.keep_caps(found, pods, aim.caps)
    return Restarted(
        name=meta["name"],
        uid=found["metadata"]["uid"],
        selector=found["spec"]["selector"].get("matchLabels") or {},
        known=[pod["metadata"]["uid"] for pod in pods],
    )


def _digest(obj: Obj, keys: list[str], salt: str) -> str:
    """Keyed, and slow on purpose: a short password cannot be guessed from it."""
    data = {part: obj.get(part) or {} for part in ("data", "binaryData")}
    struck = {key: data["data"].get(key) for key in keys} if keys else data
    return hashlib.scrypt(json.dumps(struck, sort_keys=True).encode(), salt=bytes.fromhex(salt), **_WORK).hex()


def _written(kind: Kind, text: str) -> str:
    return base64.b64encode(text.encode()).decode() if kind == "Secret" else text


# -- what the plan tells -----------------------------------------------------------------------------------------------


def permissions(state: DataState) -> list[Permission]:
    space, resource = state.namespace, f"{state.kind.lower()}s"
    own: dict[str, Any] = {"resource": resource, "namespace": space, "name": state.name}
    kept: dict[str, Any] = {"resource": "secrets", "namespace": space, "name": state.undo_secret}
    change = "delete" if state.whole else "patch"
    back = Permission(verb="create", resource=resource, namespace=space, use="undo")  # a create cannot be limited by name
    return [
        Permission(verb="get", **own),
        Permission(verb=change, **own),
        Permission(verb="create", resource="secrets", namespace=space),
        Permission(verb="get", use="undo", **own),
        back if state.whole else Permission(verb="patch", use="undo", **own),
        *(Permission(verb=verb, use="undo", **kept) for verb in ("get", "delete")),
        *(
            Permission(verb="list", resource=each, group="apps", namespace=space, use="observe")
            for each in ("deployments", "statefulsets", "daemonsets")
        ),
        *rollouts.permissions(space, [each.name for each in state.restarts]),
    ]


def undo_words(state: DataState) -> str:
    what = f"{state.kind.lower()}/{state.name}"
    back = f"make {what} again" if state.whole else f"give {what} its {', '.join(state.left)} back"
    rolled = "".join(f", roll deployment/{each.name} back to its template of before" for each in state.restarts)
    return f"{back} from secret/{state.undo_secret}, then delete that{rolled}"


def undo_calls(state: DataState) -> list[Call]:
    """First the data, then the pods that read it."""
    left = {key: _written(state.kind, value) for key, value in state.left.items() if value is not None}
    restore = RestoreData(
        kind=state.kind,
        name=state.name,
        namespace=state.namespace,
        uid=state.uid,
        undo_secret=state.undo_secret,
        expected="" if state.whole else fingerprint(left),
        recreate=state.whole,
        keys=list(state.left),
    )
    return [restore, *(_rolled_back(each, state) for each in state.restarts)]


def _rolled_back(restarted: Restarted, state: DataState) -> PatchBack:
    patch = rollouts.restart_back(restarted.uid, state.mark)
    return PatchBack(kind="Deployment", name=restarted.name, namespace=state.namespace, patch=patch)


# -- strike and undo ---------------------------------------------------------------------------------------------------


def start(state: DataState, world: World) -> None:
    cluster = world.cluster
    found = cluster.get(state.kind, state.name, state.namespace)
    if found["metadata"]["uid"] != state.uid or _digest(found, list(state.left), state.salt) != state.prior:
        raise Conflict(f"{state.kind.lower()}/{state.name} was changed by somebody else since the plan: it is not touched")
    helpers.make(cluster, undo_secret(state, state.undo_secret, {**found, "kind": state.kind}))
    if state.whole:
        cluster.delete(state.kind, state.name, state.namespace, uid=state.uid)
    else:
        cluster.patch(state.kind, state.name, state.namespace, _strike(found, state), how="json")
    for each in state.restarts:
        deployment = cluster.get("Deployment", each.name, state.namespace)
        patch = rollouts.restart_patch(deployment, each.uid, state.mark)
        cluster.patch("Deployment", each.name, state.namespace, patch, how="json")


def _strike(found: Obj, state: DataState) -> list[Obj]:
    meta = found["metadata"]
    steps: list[Obj] = [{"op": "test", "path": f"/metadata/{key}", "value": meta[key]} for key in ("uid", "resourceVersion")]
    for key, value in state.left.items():
        path = "/data/" + key.replace("~", "~0").replace("/", "~1")
        gone = {"op": "remove", "path": path}
        steps.append(gone if value is None else {"op": "replace", "path": path, "value": _written(state.kind, value)})
    return steps


def stop(state: DataState, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: DataState, world: World) -> list[str]:
    """What the undo calls find; and whether our data is there still although the undo Secret is gone."""
    return still_changed(undo_calls(state), world) or _orphaned(state, world)


def _orphaned(state: DataState, world: World) -> list[str]:
    what = f"{state.kind.lower()}/{state.name} in {state.namespace}"
    try:
        found = world.cluster.get(state.kind, state.name, state.namespace)
    except NotFound:
        return [f"{what} is not there, nor secret/{state.undo_secret}, which kept what it was"] if state.whole else []
    data = found.get("data") or {}
    left = {key: None if value is None else _written(state.kind, value) for key, value in state.left.items()}
    ours = found["metadata"]["uid"] == state.uid and any(data.get(key) == value for key, value in left.items())
    return (
        [f"{what} has the data that we gave it, and secret/{state.undo_secret}, which kept what it was, is gone"]
        if ours
        else []
    )
