"""Deployments: a ReplicaSet for each template, rolled out within maxSurge and maxUnavailable."""

import hashlib
import json
import math
from typing import Any

from chaos.sandbox.controllers import Context, owned_by, owner_of, with_status
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.store import Obj, copied, seconds_since, timestamp

_BY = "deployment-controller"
_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


def reconcile(context: Context) -> None:
    owned: dict[str, list[Obj]] = {}
    for replica_set in context.store.all("ReplicaSet"):
        owned.setdefault(owner_of(replica_set), []).append(replica_set)
    for deployment in context.store.all("Deployment"):
        if "deletionTimestamp" not in deployment["metadata"]:
            _Rollout(context, deployment, owned.get(deployment["metadata"]["uid"], [])).step()


class _Rollout:
    """One step of one Deployment."""

    def __init__(self, context: Context, deployment: Obj, replica_sets: list[Obj]) -> None:
        self._context = context
        self._deployment = deployment
        self._spec = deployment["spec"]
        digest = _digest(self._spec["template"])
        self._new = next((each for each in replica_sets if (each["metadata"].get("labels") or {}).get(_HASH) == digest), None)
        self._old = [each for each in replica_sets if each is not self._new]
        self._digest = digest

    def step(self) -> None:
        self._revise()
        if self._spec.get("paused"):
            active = [each for each in self._every() if each["spec"]["replicas"]]
            if len(active) == 1:
                self._resize(active[0], self._spec["replicas"])
        elif self._spec["strategy"]["type"] == "Recreate":
            self._recreate()
        else:
            self._grow()
            self._shrink()
        self._forget()
        self._report()

    # -- ReplicaSets -------------------------------------------------------------------------------------------------

    def _every(self) -> list[Obj]:
        return [*self._old, *([self._new] if self._new else [])]

    def _revise(self) -> None:
        """The ReplicaSet of the present template is there and bears the highest revision; a paused one makes none."""
        last = max((_revision(each) for each in self._old), default=0)
        if self._new is None and not self._spec.get("paused"):
            self._new = self._make(last + 1)
        elif self._new is not None and self._old and _revision(self._new) <= last:
            self._new = self._annotate("ReplicaSet", self._new, last + 1)
        if self._new is not None and _revision(self._deployment) != _revision(self._new):
            self._deployment = self._annotate("Deployment", self._deployment, _revision(self._new))

    def _make(self, revision: int) -> Obj:
        meta = self._deployment["metadata"]
        template = copied(self._spec["template"])
        labels = (template["metadata"].get("labels") or {}) | {_HASH: self._digest}
        template["metadata"]["labels"] = labels
        selector = copied(self._spec["selector"])
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | {_HASH: self._digest}
        size = {"deployment.kubernetes.io/desired-replicas": str(self._spec["replicas"]), _REVISION: str(revision)}
        spec = {"replicas": 0, "selector": selector, "template": template}
        if self._spec.get("minReadySeconds"):
            spec["minReadySeconds"] = self._spec["minReadySeconds"]
        made = {
            "metadata": {
                "name": f"{meta['name']}-{self._digest}",
                "labels": labels,
                "annotations": size,
                "ownerReferences": owned_by(self._deployment),
            },
            "spec": spec,
        }
        return self._context.objects.create(KINDS["ReplicaSet"], meta["namespace"], made)

    def _annotate(self, kind: str, obj: Obj, revision: int) -> Obj:
        annotations = (obj["metadata"].get("annotations") or {}) | {_REVISION: str(revision)}
        return self._context.store.put(kind, obj | {"metadata": obj["metadata"] | {"annotations": annotations}})

    def _resize(self, replica_set: Obj, wanted: int) -> Obj:
        now, name = replica_set["spec"]["replicas"], replica_set["metadata"]["name"]
        if now == wanted:
            return replica_set
        resized = self._context.store.put("ReplicaSet", replica_set | {"spec": replica_set["spec"] | {"replicas": wanted}})
        word = "up" if wanted > now else "down"
        message = f"Scaled {word} replica set {name} from {now} to {wanted}"
        self._context.events.normal(self._deployment, "ScalingReplicaSet", message, by=_BY)
        if replica_set is self._new:
            self._new = resized
        else:
            self._old = [resized if each is replica_set else each for each in self._old]
        return resized

    # -- strategies --------------------------------------------------------------------------------------------------

    def _recreate(self) -> None:
        for each in list(self._old):
            self._resize(each, 0)
        gone = not any(_count(each, "replicas") for each in self._old)
        ours = {each["metadata"]["uid"] for each in self._old}
        lingering = any(owner_of(pod) in ours for pod in self._context.store.all("Pod")) if ours else False
        if self._new is not None and gone and not lingering:
            self._resize(self._new, self._spec["replicas"])

    def _limits(self) -> tuple[int, int]:
        """How many pods more, and how many available ones fewer than wanted there may be."""
        rolling, wanted = self._spec["strategy"].get("rollingUpdate") or {}, self._spec["replicas"]
        surge = share(rolling.get("maxSurge", "25%"), wanted, up=True)
        unavailable = share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
        return surge, unavailable if surge or unavailable else 1

    def _grow(self) -> None:
        if self._new is None:
            return
        wanted, now = self._spec["replicas"], self._new["spec"]["replicas"]
        room = wanted + (self._limits()[0] if self._old_size() else 0) - now - self._old_size()
        self._resize(self._new, wanted if now > wanted else now + max(0, min(room, wanted - now)))

    def _shrink(self) -> None:
        """Take pods of old ReplicaSets away: those that do no good at once, the others as new ones become available."""
        if not self._old_size():
            return
        fewest = self._spec["replicas"] - self._limits()[1]
        new_size = self._new["spec"]["replicas"] if self._new else 0
        new_available = _count(self._new, "availableReplicas") if self._new else 0
        spare = self._old_size() + new_size - fewest - (new_size - new_available)
        for each in sorted(self._old, key=_revision):
            useless = each["spec"]["replicas"] - _count(each, "availableReplicas")
            cut = max(0, min(spare, useless))
            spare -= cut
            self._resize(each, each["spec"]["replicas"] - cut)
        left = sum(min(each["spec"]["replicas"], _count(each, "availableReplicas")) for each in self._old)
        spare = left + new_available - fewest
        for each in sorted(self._old, key=_revision):
            cut = max(0, min(spare, each["spec"]["replicas"]))
            spare -= cut
            self._resize(each, each["spec"]["replicas"] - cut)

    def _old_size(self) -> int:
        return sum(each["spec"]["replicas"] for each in self._old)

    def _forget(self) -> None:
        """Drop the oldest empty ReplicaSets beyond the history that is wanted."""
        empty = [each for each in self._old if not each["spec"]["replicas"] and not _count(each, "replicas")]
        surplus = len(self._old) - self._spec.get("revisionHistoryLimit", 10)
        for each in sorted(empty, key=_revision)[: max(0, surplus)]:
            self._context.objects.delete(KINDS["ReplicaSet"], each, {})
            self._old.remove(each)

    # -- status ------------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        meta, every = self._deployment["metadata"], self._every()
        total, usable = (
            sum(_count(each, "replicas") for each in every),
            sum(_count(each, "availableReplicas") for each in every),
        )
        updated = _count(self._new, "replicas") if self._new else 0
        counts: Obj = {
            "replicas": total or None,
            "updatedReplicas": updated or None,
            "readyReplicas": sum(_count(each, "readyReplicas") for each in every) or None,
            "availableReplicas": usable or None,
            "unavailableReplicas": max(0, self._wanted_total() - usable) or None,
        }
        old = self._deployment.get("status") or {}
        moved = any(old.get(key) != value for key, value in counts.items())
        wanted = self._spec["replicas"]
        enough = usable >= wanted - (self._limits()[1] if self._spec["strategy"]["type"] != "Recreate" else 0)
        complete = updated == wanted and total == wanted and usable == wanted
        conditions = [
            _condition(old, "Available", enough, *_AVAILABLE[enough]),
            self._progressing(old, moved, complete),
            *self._failures(),
        ]
        status = counts | {"observedGeneration": meta["generation"], "conditions": conditions}
        self._context.store.put("Deployment", with_status(self._deployment, **status))

    def _wanted_total(self) -> int:
        wanted: int = self._spec["replicas"]
        return max(wanted, sum(int(each["spec"]["replicas"]) for each in self._every()))

    def _progressing(self, old: Obj, moved: bool, complete: bool) -> Obj:
        before = next((each for each in old.get("conditions") or () if each["type"] == "Progressing"), None)
        name = self._new["metadata"]["name"] if self._new else ""
        deadline = self._spec.get("progressDeadlineSeconds", 600)
        if complete:
            words = ("NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
            return _condition(old, "Progressing", True, *words)
        if before is not None and not moved:
            left = deadline - seconds_since(before["lastUpdateTime"])
            if before["reason"] == "ReplicaSetUpdated" and left <= 0:
                words = ("ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
                return _condition(old, "Progressing", False, *words)
            if before["reason"] == "ReplicaSetUpdated":
                self._context.later(left)
            return copied(before)  # type: ignore[no-any-return]
        words = ("ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        return _condition(old, "Progressing", True, *words, update=True)

    def _failures(self) -> list[Obj]:
        found = (self._new or {}).get("status", {}).get("conditions") or []
        return [each | {"lastUpdateTime": each["lastTransitionTime"]} for each in found if each["type"] == "ReplicaFailure"]


_AVAILABLE = {
    True: ("MinimumReplicasAvailable", "Deployment has minimum availability."),
    False: ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
}


def _condition(old: Obj, kind: str, good: bool, reason: str, message: str, *, update: bool = False) -> Obj:
    before: Obj = next((each for each in old.get("conditions") or () if each["type"] == kind), {})
    status = "True" if good else "False"
    same = before.get("status") == status
    if same and before.get("reason") == reason and before.get("message") == message and not update:
        return before
    since = before["lastTransitionTime"] if same else timestamp()
    words = {"type": kind, "status": status, "reason": reason, "message": message}
    return words | {"lastUpdateTime": timestamp(), "lastTransitionTime": since}


def _digest(template: Obj) -> str:
    """The name that a template gets; the letters are those that Kubernetes uses, which spell no words."""
    number = int.from_bytes(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()[:6])
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(letters[number // 27**place % 27] for place in range(10))


def _count(replica_set: Obj, field: str) -> int:
    return int((replica_set.get("status") or {}).get(field) or 0)


def _revision(obj: Obj) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(_REVISION, 0))


def share(value: Any, whole: int, *, up: bool) -> int:
    """A number, or a percentage of `whole` rounded up or down."""
    if isinstance(value, int):
        return int(value)
    part = whole * int(str(value).rstrip("%")) / 100
    return math.ceil(part) if up else math.floor(part)
