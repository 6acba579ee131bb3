"""The verbs that change objects, with everything a real server checks on the way."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from chaos.sandbox import patches
from chaos.sandbox.addresses import Addresses
from chaos.sandbox.admission import check
from chaos.sandbox.defaulting import defaulted
from chaos.sandbox.kinds import KINDS, Resource
from chaos.sandbox.resizing import quality_of_service, resized
from chaos.sandbox.status import Refusal, bad_request, conflict, details, forbidden, invalid, not_found
from chaos.sandbox.store import Obj, Store, timestamp

FOREGROUND = "foregroundDeletion"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SERVERS_OWN = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def suffix() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


class Objects:
    """Create, update, patch, apply and delete."""

    def __init__(self, store: Store, addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses
        self._applied: dict[tuple[str, str], Obj] = {}  # (uid, field manager) -> what it applied last

    # -- create ------------------------------------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, body: Any, *, dry: bool = False) -> Obj:
        """Store a new object; 409 when there is one of that name."""
        obj = self._typed(resource, namespace, body)
        meta = obj["metadata"]
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise invalid(resource, "", ("metadata.name", "Required value: name or generateName is required"))
            meta["name"] = meta["generateName"] + suffix()
        if resource.namespaced:
            self._living_namespace(resource, namespace, meta["name"])
        if meta.get("resourceVersion"):
            raise Refusal(500, "InternalError", "resourceVersion should not be set on objects to be created")
        if resource.has_status:
            obj.pop("status", None)
        obj = defaulted(resource.kind, obj)
        check(resource, obj)
        if resource.kind == "Pod":
            self._within_quota(obj)
            obj["status"] = {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
        if resource.kind == "Service" and not self._store.find("Service", namespace, meta["name"]):
            self._address(resource, obj, dry)
        return obj if dry else self._store.add(resource.kind, obj)

    def _typed(self, resource: Resource, namespace: str, body: Any) -> Obj:
        """The body with kind, version and namespace filled in from the URL; 400 where it contradicts the URL."""
        if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
            raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind})")
        kind, version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
        if (kind, version) != (resource.kind, resource.api_version):
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}')
        meta = {key: value for key, value in body.get("metadata", {}).items() if value is not None and key != "managedFields"}
        if resource.namespaced and meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not resource.namespaced:
            meta.pop("namespace", None)
        return {"apiVersion": version, "kind": kind} | body | {"metadata": meta}

    def _living_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        space = self._store.find("Namespace", "", namespace)
        if space is None:
            raise not_found(KINDS["Namespace"], namespace)
        if "deletionTimestamp" in space["metadata"] and resource.kind != "Event":
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource, name, why)

    def _within_quota(self, pod: Obj) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        for quota in self._store.all("ResourceQuota", namespace):
            hard = (quota.get("spec") or {}).get("hard") or {}
            for key in ("pods", "count/pods"):
                used = live_pods(self._store, namespace)
                if key in hard and used + 1 > int(hard[key]):
                    named = quota["metadata"]["name"]
                    why = f"exceeded quota: {named}, requested: {key}=1, used: {key}={used}, limited: {key}={hard[key]}"
                    raise forbidden(KINDS["Pod"], name, why)

    def _address(self, resource: Resource, service: Obj, dry: bool) -> None:
        spec, meta = service["spec"], service["metadata"]
        if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
            if spec.get("clusterIP") == "None":
                spec["clusterIPs"] = ["None"]
            return
        wanted = spec.get("clusterIP") or ""
        taken = {each["spec"].get("clusterIP") for each in self._store.all("Service")}
        if wanted and (wanted in taken or not self._addresses.is_service(wanted)):
            why = "provided IP is already allocated" if wanted in taken else "the provided IP is not in the valid range"
            raise invalid(
                resource, meta["name"], ("spec.clusterIPs", f'Invalid value: ["{wanted}"]: failed to allocate: {why}')
            )
        if not dry:
            spec["clusterIP"] = wanted or self._addresses.service(meta["namespace"], meta["name"])
            spec["clusterIPs"] = [spec["clusterIP"]]

    # -- change ------------------------------------------------------------------------------------------------------

    def update(self, resource: Resource, old: Obj, body: Any, *, part: str = "", dry: bool = False) -> Obj:
        """Replace an object, or its status; conditional on the resourceVersion that the body carries."""
        new = self._typed(resource, old["metadata"].get("namespace", ""), body)
        name, meta = old["metadata"]["name"], new["metadata"]
        if meta.setdefault("name", name) != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
            raise conflict(resource, name, why)
        if resource.must_name_version and not meta.get("resourceVersion"):
            raise invalid(resource, name, ("metadata.resourceVersion", "Invalid value: 0: must be specified for an update"))
        return self._change(resource, old, new, part=part, dry=dry)

    def patch(self, resource: Resource, old: Obj, how: str, patch: Any, *, part: str = "", dry: bool = False) -> Obj:
        new = patches.apply(how, old, patch)
        if not isinstance(new.get("metadata"), dict):
            raise bad_request("error decoding patch: the result has no metadata")
        if new["metadata"].get("uid") != old["metadata"]["uid"]:
            why = f'Invalid value: "{new["metadata"].get("uid")}": field is immutable'
            raise invalid(resource, old["metadata"]["name"], ("metadata.uid", why))
        return self._change(resource, old, self._typed(resource, old["metadata"].get("namespace", ""), new), part=part, dry=dry)

    def _change(self, resource: Resource, old: Obj, new: Obj, *, part: str, dry: bool) -> Obj:
        name, meta = old["metadata"]["name"], old["metadata"]
        if new["metadata"].get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]:
            raise conflict(resource, name)
        if new["metadata"].get("name") != name:
            raise invalid(
                resource, name, ("metadata.name", f'Invalid value: "{new["metadata"].get("name")}": field is immutable')
            )
        if part == "status":
            changed = old | {"status": new.get("status") or {}}
        elif part == "resize":
            changed = resized(old, new)
        else:
            own = {key: meta[key] for key in _SERVERS_OWN if key in meta}
            kept = {key: value for key, value in new["metadata"].items() if key not in _SERVERS_OWN}
            changed = new | {"metadata": kept | own}
            if resource.has_status:
                changed["status"] = old.get("status") or {}
            if resource.kind == "Service":
                _keep_address(old, changed)
            changed = defaulted(resource.kind, changed)
            check(resource, changed, old)
            if (
                resource.kind == "Service"
                and changed["spec"]["type"] != "ExternalName"
                and not changed["spec"].get("clusterIP")
            ):
                self._address(resource, changed, dry)
        if dry:
            return changed
        stored = self._store.put(resource.kind, changed)
        self._finish(resource, stored)
        return stored

    def _finish(self, resource: Resource, obj: Obj) -> None:
        """An object that waits for its finalizers goes when the last one is taken off."""
        meta = obj["metadata"]
        held = resource.kind == "Pod" and meta.get("deletionGracePeriodSeconds", 0) > 0
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not held and resource.kind != "Namespace":
            self._store.remove(resource.kind, obj)

    def apply(self, resource: Resource, namespace: str, name: str, patch: Any, query: dict[str, str]) -> tuple[Obj, bool]:
        """Server-side apply: (the object, whether it is new). Only what managers applied is owned; updates own nothing."""
        manager, dry = query.get("fieldManager", ""), "dryRun" in query
        if not manager:
            raise invalid(resource, name, ("fieldManager", "Required value: is required for apply patch"))
        wanted = self._typed(resource, namespace, patch)
        wanted["metadata"].setdefault("name", name)
        old = self._store.find(resource.kind, namespace, name)
        if old is None:
            made = self.create(resource, namespace, wanted, dry=dry)
            if not dry:
                self._applied[(made["metadata"]["uid"], manager)] = wanted
            return made, True
        uid = old["metadata"]["uid"]
        if query.get("force") != "true":
            for (other_uid, other), applied in self._applied.items():
                if other_uid == uid and other != manager and (field := _clash(applied, wanted)):
                    raise conflict(resource, name, f'Apply failed with 1 conflict: conflict with "{other}": {field}')
        mine = self._applied.get((uid, manager), {})
        for (other_uid, other), applied in self._applied.items():
            if other_uid == uid and other != manager:
                mine = _without(mine, applied)  # what another one applied as well is not ours alone to drop
        before = patches.without_dropped(old, mine, wanted)
        merged = patches.strategic(before, wanted)
        stored = self._change(resource, old, self._typed(resource, namespace, merged), part="", dry=dry)
        if not dry:
            self._applied[(uid, manager)] = wanted
        return stored, False

    # -- delete ------------------------------------------------------------------------------------------------------

    def delete(self, resource: Resource, obj: Obj, options: Obj, *, dry: bool = False) -> Obj:
        """Delete, or begin to; the answer is the object while it still ends, else a Status with its UID."""
        meta = obj["metadata"]
        wanted = options.get("preconditions") or {}
        for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(key) and wanted[key] != meta[key]:
                why = f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({meta[key]})"
                raise conflict(resource, meta["name"], f"{why}. The object might have been deleted and then recreated")
        if dry:
            return obj
        if resource.kind == "Namespace":
            return self._end_namespace(obj)
        if resource.kind == "Pod" and (kept := self._end_pod(obj, options.get("gracePeriodSeconds"))):
            return kept
        finalizers = list(meta.get("finalizers") or ())
        policy = options.get("propagationPolicy")
        if policy == "Orphan":
            self._orphan(meta["uid"])
        if policy == "Foreground" and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        if finalizers:
            return self._mark(resource.kind, obj, grace=0, finalizers=finalizers)
        self._store.remove(resource.kind, obj)
        body = details(resource, meta["name"], uid=meta["uid"])
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": body}

    def _end_pod(self, pod: Obj, grace: int | None) -> Obj | None:
        """Begin a graceful end; None when there is nothing to wait for."""
        meta = pod["metadata"]
        started = pod["spec"].get("nodeName") and pod["status"].get("phase") not in ("Succeeded", "Failed")
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        if seconds <= 0 or not started:
            return None
        if "deletionTimestamp" in meta and seconds >= meta.get("deletionGracePeriodSeconds", 0):
            return pod
        return self._mark("Pod", pod, grace=seconds, finalizers=meta.get("finalizers") or [])

    def _mark(self, kind: str, obj: Obj, *, grace: int, finalizers: list[str]) -> Obj:
        when = timestamp(datetime.now(UTC) + timedelta(seconds=grace))
        marks: Obj = {"deletionTimestamp": obj["metadata"].get("deletionTimestamp", when), "deletionGracePeriodSeconds": grace}
        if finalizers:
            marks["finalizers"] = finalizers
        return self._store.put(kind, obj | {"metadata": obj["metadata"] | marks})

    def _end_namespace(self, space: Obj) -> Obj:
        if space["metadata"]["name"] in ("default", "kube-system", "kube-public", "kube-node-lease"):
            raise forbidden(KINDS["Namespace"], space["metadata"]["name"], "this namespace may not be deleted")
        marked = {"deletionTimestamp": space["metadata"].get("deletionTimestamp", timestamp())}
        ending = space | {"metadata": space["metadata"] | marked, "status": {"phase": "Terminating"}}
        return self._store.put("Namespace", ending)

    def _orphan(self, uid: str) -> None:
        self.edit_owners(uid, lambda references: [each for each in references if each["uid"] != uid])

    def edit_owners(self, uid: str, edit: Callable[[list[Obj]], list[Obj]]) -> None:
        """Rewrite the owner references of all that `uid` owns."""
        for resource, obj in self._store.each(KINDS):
            references = obj["metadata"].get("ownerReferences") or []
            if any(each["uid"] == uid for each in references):
                self._store.put(resource.kind, obj | {"metadata": obj["metadata"] | {"ownerReferences": edit(references)}})


def live_pods(store: Store, namespace: str) -> int:
    """How many pods count against a quota."""
    return sum(pod["status"].get("phase") not in ("Succeeded", "Failed") for pod in store.all("Pod", namespace))


def _keep_address(old: Obj, new: Obj) -> None:
    spec = new.setdefault("spec", {})
    if spec.get("type") == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(key, None)
    elif old["spec"].get("clusterIP"):
        spec.setdefault("clusterIP", old["spec"]["clusterIP"])
        spec.setdefault("clusterIPs", old["spec"]["clusterIPs"])


def _without(mine: Obj, theirs: Obj) -> Obj:
    """The fields of `mine` that are not in `theirs`; which object it is belongs to nobody."""
    left = {key: value for key, value in mine.items() if key not in theirs}
    both = (key for key in mine if key in theirs and isinstance(mine[key], dict) and isinstance(theirs[key], dict))
    return left | {key: _without(mine[key], theirs[key]) for key in both}


def _clash(applied: Any, wanted: Any, path: str = "") -> str:
    """The first field that both set, to different values."""
    if isinstance(applied, dict) and isinstance(wanted, dict):
        found = (_clash(applied[key], wanted[key], f"{path}.{key}") for key in applied if key in wanted and key != "metadata")
        return next((each for each in found if each), "")
    return "" if applied == wanted or isinstance(applied, list) else path
