"""Scale, status, sizes, logs and evictions."""

from chaos.sandbox import patches
from chaos.sandbox.budgets import disruptions
from chaos.sandbox.http import Request, Response, as_json, body_of
from chaos.sandbox.kinds import KINDS, Resource
from chaos.sandbox.kubelet import Kubelet
from chaos.sandbox.objects import Objects
from chaos.sandbox.selectors import as_text, matches
from chaos.sandbox.status import Refusal, bad_request, conflict, invalid, method_not_allowed
from chaos.sandbox.store import Obj, Store

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


class Subresources:
    """Answers what lies below an object."""

    def __init__(self, store: Store, objects: Objects, kubelet: Kubelet) -> None:
        self._store = store
        self._objects = objects
        self._kubelet = kubelet

    def answer(self, name: str, request: Request, resource: Resource, obj: Obj) -> Response:
        match name:
            case "scale":
                return as_json(self._scale(request, resource, obj))
            case "status" | "resize":
                return as_json(self._part(name, request, resource, obj))
            case "log":
                return self._log(request, obj)
            case _:
                return as_json(self._evict(request, obj), 201)

    def _part(self, part: str, request: Request, resource: Resource, obj: Obj) -> Obj:
        if request.method == "GET":
            return obj
        dry = "dryRun" in request.query
        if request.method == "PUT":
            return self._objects.update(resource, obj, body_of(request), part=part, dry=dry)
        if request.method == "PATCH":
            how = patches.how(request.content_type)
            patch = patches.parse(how, request.body)
            return self._objects.patch(resource, obj, how, patch, part=part, dry=dry)
        raise method_not_allowed()

    def _scale(self, request: Request, resource: Resource, obj: Obj) -> Obj:
        now = _scale_of(obj)
        if request.method == "GET":
            return now
        if request.method == "PATCH":
            how = patches.how(request.content_type)
            wanted = patches.apply(how, now, patches.parse(how, request.body))
        elif request.method == "PUT":
            wanted = body_of(request)
        else:
            raise method_not_allowed()
        name, meta = obj["metadata"]["name"], wanted.get("metadata") or {}
        if meta.get("resourceVersion", now["metadata"]["resourceVersion"]) != now["metadata"]["resourceVersion"]:
            raise conflict(resource, name)
        if meta.get("uid", now["metadata"]["uid"]) != now["metadata"]["uid"]:
            raise conflict(resource, name, f"Precondition failed: UID in precondition: {meta['uid']}")
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
            raise invalid(resource, name, ("spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0"))
        patch = {"spec": {"replicas": replicas}}
        return _scale_of(self._objects.patch(resource, obj, "merge", patch, dry="dryRun" in request.query))

    def _log(self, request: Request, pod: Obj) -> Response:
        query, names = request.query, [each["name"] for each in pod["spec"]["containers"]]
        container = query.get("container") or (names[0] if len(names) == 1 else "")
        if container not in names:
            asked = f"container {container} is not valid" if container else "a container name must be specified"
            raise bad_request(f"{asked} for pod {pod['metadata']['name']}, choose one of: {names}")
        log = self._kubelet.log(pod["metadata"]["uid"], container, previous=query.get("previous") == "true")
        if log is None:
            state = f'container "{container}" in pod "{pod["metadata"]["name"]}" is waiting to start'
            raise bad_request(state)
        lines = _tail(log.text(), query)
        if query.get("follow") == "true":
            return Response(200, content_type="text/plain", stream=log.follow(lines))
        return Response(200, lines, "text/plain")

    def _evict(self, request: Request, pod: Obj) -> Obj:
        """Delete the pod if its disruption budgets allow it: 429 when one does not."""
        if request.method != "POST":
            raise method_not_allowed()
        body = body_of(request)
        labels, space = pod["metadata"].get("labels"), pod["metadata"]["namespace"]
        budgets = [
            each for each in self._store.all("PodDisruptionBudget", space) if matches(each["spec"].get("selector"), labels)
        ]
        if len(budgets) > 1:
            why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise Refusal(500, "InternalError", why)
        for budget in budgets:
            _ask(self._store, budget, pod)
        self._objects.delete(KINDS["Pod"], pod, body.get("deleteOptions") or {}, dry="dryRun" in request.query)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _ask(store: Store, budget: Obj, pod: Obj) -> None:
    now, seen = disruptions(store, budget), (budget.get("status") or {}).get("observedGeneration", 0)
    if seen < budget["metadata"]["generation"]:
        raise Refusal(429, "TooManyRequests", _VIOLATES, headers={"Retry-After": "10"})  # it is not counted yet
    conditions = pod["status"].get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    if now["disruptionsAllowed"] > 0 or (not ready and now["currentHealthy"] >= now["desiredHealthy"] > 0):
        return
    if not ready and budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return
    name = budget["metadata"]["name"]
    need = f"needs {now['desiredHealthy']} healthy pods and has {now['currentHealthy']} currently"
    cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {name} {need}"}
    raise Refusal(429, "TooManyRequests", _VIOLATES, details={"causes": [cause]}, headers={"Retry-After": "10"})


def _scale_of(obj: Obj) -> Obj:
    keys = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status = {"replicas": (obj.get("status") or {}).get("replicas", 0), "selector": as_text(obj["spec"]["selector"])}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in keys},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": status,
    }


def _tail(text: bytes, query: dict[str, str]) -> bytes:
    if query.get("tailLines", "").isdigit():
        count = int(query["tailLines"])
        text = b"".join(text.splitlines(keepends=True)[-count:]) if count else b""
    if query.get("limitBytes", "").isdigit():
        text = text[: int(query["limitBytes"])]
    return text
