"""Garbage collection by owner, ending namespaces, jobs without pods, and what quotas have used."""

from chaos.sandbox.controllers import Context, with_status
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.objects import FOREGROUND, live_pods
from chaos.sandbox.store import Obj, seconds_since, timestamp

_COLLECTED = [kind for kind in KINDS if kind not in ("Event", "Node", "Namespace")]


def collect_garbage(context: Context) -> None:
    """What lost all its owners goes; a foreground deletion ends when nothing that blocks it is left."""
    for resource, obj in context.store.each(_COLLECTED):
        meta = obj["metadata"]
        references = meta.get("ownerReferences") or []
        orphaned = references and not any(_owner_lives(context, obj, each) for each in references)
        if orphaned and context.store.find(resource.kind, meta.get("namespace", ""), meta["name"]) is obj:
            context.objects.delete(resource, obj, {"propagationPolicy": "Background"})
    for resource, owner in context.store.each(_COLLECTED):
        if FOREGROUND in (owner["metadata"].get("finalizers") or ()):
            _foreground(context, resource.kind, owner)


def _owner_lives(context: Context, obj: Obj, reference: Obj) -> bool:
    """An owner in another namespace is none, as on a cluster."""
    found = context.store.uids.get(reference["uid"])
    return found is not None and found[1] in ("", obj["metadata"].get("namespace", ""))


def _foreground(context: Context, kind: str, owner: Obj) -> None:
    left = False
    for resource, obj in context.store.each(_COLLECTED):
        if any(each["uid"] == owner["metadata"]["uid"] for each in obj["metadata"].get("ownerReferences") or ()):
            left = True
            if "deletionTimestamp" not in obj["metadata"]:
                context.objects.delete(
                    resource, obj, {"propagationPolicy": "Foreground"} if resource.kind == "ReplicaSet" else {}
                )
    if not left:
        finalizers = [each for each in owner["metadata"]["finalizers"] if each != FOREGROUND]
        context.objects.patch(KINDS[kind], owner, "merge", {"metadata": {"finalizers": finalizers or None}})


def end_namespaces(context: Context) -> None:
    """A new namespace gets its service account; one that ends is emptied, and goes when it is empty."""
    for space in context.store.all("Namespace"):
        name = space["metadata"]["name"]
        if "deletionTimestamp" not in space["metadata"]:
            if context.store.find("ServiceAccount", name, "default") is None:
                context.objects.create(KINDS["ServiceAccount"], name, {"metadata": {"name": "default"}})
            continue
        for kind, resource in KINDS.items():
            for obj in context.store.all(kind, name) if resource.namespaced else ():
                if "deletionTimestamp" not in obj["metadata"]:
                    context.objects.delete(resource, obj, {})
        if not any(context.store.all(kind, name) for kind, resource in KINDS.items() if resource.namespaced):
            context.store.remove("Namespace", space)


def run_jobs(context: Context) -> None:
    """A pod-less job starts, fails at its deadline, and deletes itself when its time to live is over."""
    for job in context.store.all("Job"):
        spec, status = job["spec"], job.get("status") or {}
        if "deletionTimestamp" in job["metadata"]:
            continue
        if not status.get("startTime"):
            if not spec.get("suspend"):
                job = context.store.put("Job", with_status(job, startTime=timestamp(), ready=0))  # noqa: PLW2901
            else:
                continue
        failed = next((each for each in job["status"].get("conditions") or () if each["type"] == "Failed"), None)
        if failed is None:
            _at_deadline(context, job)
        elif "ttlSecondsAfterFinished" in spec:
            left = spec["ttlSecondsAfterFinished"] - seconds_since(failed["lastTransitionTime"])
            if left > 0:
                context.later(left)
            else:
                context.objects.delete(KINDS["Job"], job, {"propagationPolicy": "Background"})


def _at_deadline(context: Context, job: Obj) -> None:
    if "activeDeadlineSeconds" not in job["spec"]:
        return
    left = job["spec"]["activeDeadlineSeconds"] - seconds_since(job["status"]["startTime"])
    if left > 0:
        context.later(left)
        return
    now, message = timestamp(), "Job was active longer than specified deadline"
    words = {"status": "True", "reason": "DeadlineExceeded", "message": message}
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    conditions = [{"type": kind} | words | times for kind in ("FailureTarget", "Failed")]
    context.store.put("Job", with_status(job, conditions=conditions))
    context.events.warning(job, "DeadlineExceeded", message, by="job-controller")


def count_quotas(context: Context) -> None:
    for quota in context.store.all("ResourceQuota"):
        hard, space = (quota.get("spec") or {}).get("hard") or {}, quota["metadata"]["namespace"]
        used = {key: str(live_pods(context.store, space)) for key in hard if key in ("pods", "count/pods")}
        context.store.put("ResourceQuota", with_status(quota, hard=hard, used=used))
