"""The API server: discovery, the verbs on objects, subresources, watches, access reviews."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from chaos.sandbox import patches
from chaos.sandbox.controllers import budget_status, delete_pod
from chaos.sandbox.http import Request, Response, as_json
from chaos.sandbox.kinds import BY_KIND, BY_PLURAL, GROUP_VERSIONS, VERBS, Resource
from chaos.sandbox.kubelet import Kubelet
from chaos.sandbox.problems import ApiProblem, bad_request, not_found
from chaos.sandbox.selectors import by_fields, by_labels, matches
from chaos.sandbox.store import Store, parse_version
from chaos.sandbox.tables import table

Obj = dict[str, Any]
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0+gameday-sandbox", "platform": "linux/loopback"}
_REVIEWS = ("selfsubjectaccessreviews", "authorization.k8s.io/v1")


class Api:
    """Answers requests below the secret path."""

    def __init__(self, store: Store, kubelet: Kubelet) -> None:
        self._store = store
        self._kubelet = kubelet

    async def handle(self, request: Request) -> Response:
        try:
            return await self._route(request)
        except ApiProblem as problem:
            return as_json(problem.status(), problem.code)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            return as_json(bad_request(f"the request body does not make sense: {type(error).__name__}: {error}").status(), 400)

    async def _route(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path in ("/version", "/healthz", "/livez", "/readyz"):
            return as_json(VERSION) if path == "/version" else Response(200, b"ok", "text/plain")
        if (found := _discover(path)) is not None:
            return as_json(found)
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) > 2:
            api_version, rest = parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
        else:
            raise ApiProblem(404, "NotFound", "the server could not find the requested resource")
        if (rest[0], api_version) == _REVIEWS:
            return as_json(_review(request.json()), 201)
        return await self._resource(request, api_version, rest)

    async def _resource(self, request: Request, api_version: str, rest: list[str]) -> Response:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = BY_PLURAL.get((api_version, rest[0]))
        if resource is None:
            raise ApiProblem(404, "NotFound", "the server could not find the requested resource")
        if len(rest) == 1:
            return await self._collection(request, resource, namespace)
        name, subresource = rest[1], "/".join(rest[2:])
        if subresource:
            return await self._subresource(request, resource, (namespace, name), rest[2:])
        return self._one(request, resource, namespace, name)

    # -- collections -------------------------------------------------------------------------------------------------

    async def _collection(self, request: Request, resource: Resource, namespace: str) -> Response:
        if request.method == "POST":
            obj = _typed(request.json(), resource, namespace)
            return as_json(obj if request.query.get("dryRun") else self._store.create(obj), 201)
        if request.method == "DELETE":
            for obj in self._chosen(request, resource, namespace):
                self._delete(request, resource, obj)
            return as_json({"kind": "Status", "apiVersion": "v1", "status": "Success"})
        if request.query.get("watch") in ("true", "1"):
            return Response(200, stream=self._watch(request, resource, namespace))
        items = self._chosen(request, resource, namespace)
        if "as=Table" in request.headers.get("accept", ""):
            return as_json(table(resource.kind, items, str(self._store.version)))
        limit, start = int(request.query.get("limit") or 0), int(request.query.get("continue") or 0)
        page = items[start : start + limit] if limit else items[start:]
        meta: Obj = {"resourceVersion": str(self._store.version)}
        if limit and start + limit < len(items):
            meta.update({"continue": str(start + limit), "remainingItemCount": len(items) - start - limit})
        return as_json({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": page})

    def _chosen(self, request: Request, resource: Resource, namespace: str) -> list[Obj]:
        labels, fields = by_labels(request.query.get("labelSelector", "")), by_fields(request.query.get("fieldSelector", ""))
        return [obj for obj in self._store.all(resource.kind, namespace) if labels(obj) and fields(obj)]

    async def _watch(self, request: Request, resource: Resource, namespace: str) -> AsyncIterator[bytes]:
        labels, fields = by_labels(request.query.get("labelSelector", "")), by_fields(request.query.get("fieldSelector", ""))
        as_table = "as=Table" in request.headers.get("accept", "")
        version = parse_version(request.query.get("resourceVersion", ""))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(request.query.get("timeoutSeconds") or 300)

        def line(event: str, obj: Obj) -> bytes:
            shown = table(resource.kind, [obj], obj["metadata"]["resourceVersion"]) if as_table else obj
            return json.dumps({"type": event, "object": shown}).encode() + b"\n"

        if not version:
            for obj in self._chosen(request, resource, namespace):
                yield line("ADDED", obj)
            version = self._store.version
        woken = self._store.watcher()
        try:
            while (left := deadline - loop.time()) > 0:
                try:
                    events = self._store.since(version)
                except ApiProblem as problem:
                    yield json.dumps({"type": "ERROR", "object": problem.status()}).encode() + b"\n"
                    return
                for number, event, obj in events:
                    version = number
                    fits = obj["kind"] == resource.kind and namespace in ("", obj["metadata"].get("namespace", ""))
                    if fits and labels(obj) and fields(obj):
                        yield line(event, obj)
                woken.clear()
                try:
                    await asyncio.wait_for(woken.wait(), left)
                except TimeoutError:
                    return
        finally:
            self._store.unwatch(woken)

    # -- one object --------------------------------------------------------------------------------------------------

    def _one(self, request: Request, resource: Resource, namespace: str, name: str) -> Response:
        if request.method == "PATCH" and "apply-patch" in request.headers.get("content-type", ""):
            return self._apply(request, resource, namespace, name)
        old = self._store.get(resource.kind, namespace, name)
        if request.method == "GET":
            if "as=Table" in request.headers.get("accept", ""):
                return as_json(table(resource.kind, [old], old["metadata"]["resourceVersion"]))
            return as_json(old)
        if request.method == "PUT":
            return as_json(self._store.update(_typed(request.json(), resource, namespace)))
        if request.method == "PATCH":
            patched = _patched(request, old)
            return as_json(patched if request.query.get("dryRun") else self._store.update(patched))
        if request.method == "DELETE":
            return as_json(self._delete(request, resource, old))
        raise ApiProblem(405, "MethodNotAllowed", f"{request.method} is not supported here")

    def _apply(self, request: Request, resource: Resource, namespace: str, name: str) -> Response:
        wanted = _typed(request.json(), resource, namespace)
        old = self._store.peek(resource.kind, namespace, name)
        if old is None:
            return as_json(self._store.create(wanted), 201)
        return as_json(self._store.update(patches.strategic(self._store.get(resource.kind, namespace, name), wanted)))

    def _delete(self, request: Request, resource: Resource, old: Obj) -> Obj:
        options = request.json() if request.body else {}
        preconditions = options.get("preconditions") or {}
        self._store.check(old, uid=preconditions.get("uid", ""), version=preconditions.get("resourceVersion", ""))
        grace = options.get("gracePeriodSeconds")
        if grace is None and request.query.get("gracePeriodSeconds"):
            grace = int(request.query["gracePeriodSeconds"])
        meta = old["metadata"]
        if resource.kind == "Pod":
            return delete_pod(self._store, old, grace)
        if resource.kind == "Namespace":
            return self._store.mark_deleted(old, 0) if not meta.get("deletionTimestamp") else old
        if options.get("propagationPolicy") == "Orphan":
            self._orphan(old)
        return self._store.remove(resource.kind, meta.get("namespace", ""), meta["name"])

    def _orphan(self, owner: Obj) -> None:
        uid, space = owner["metadata"]["uid"], owner["metadata"].get("namespace", "")

        def let_go(obj: Obj) -> None:
            kept = [ref for ref in obj["metadata"].get("ownerReferences") or [] if ref["uid"] != uid]
            obj["metadata"]["ownerReferences"] = kept

        for kind in BY_KIND:
            for obj in list(self._store.all(kind, space)):
                if any(ref["uid"] == uid for ref in obj["metadata"].get("ownerReferences") or []):
                    self._store.touch(kind, space, obj["metadata"]["name"], let_go)

    # -- subresources ------------------------------------------------------------------------------------------------

    async def _subresource(self, request: Request, resource: Resource, key: tuple[str, str], rest: list[str]) -> Response:
        name = rest[0]
        if resource.kind == "Pod" and name == "proxy":
            return await self._proxy(request, key, "/".join(rest[1:]))
        if name not in resource.subresources:
            raise ApiProblem(404, "NotFound", "the server could not find the requested resource")
        old = self._store.get(resource.kind, *key)
        if name == "scale":
            return self._scale(request, resource, old)
        if name == "log":
            return self._log(request, old)
        if name == "eviction":
            return self._evict(request, old)
        changed = old if request.method == "GET" else _patched(request, old) if request.method == "PATCH" else request.json()
        return as_json(changed if request.method == "GET" else self._store.update(changed, status_only=True))

    def _scale(self, request: Request, resource: Resource, old: Obj) -> Response:
        meta = old["metadata"]
        scale: Obj = {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
            "spec": {"replicas": old["spec"]["replicas"]},
            "status": {"replicas": old.get("status", {}).get("replicas", 0)},
        }
        if request.method == "GET":
            return as_json(scale)
        wanted = _patched(request, scale) if request.method == "PATCH" else request.json()
        version = wanted["metadata"].get("resourceVersion", "")
        self._store.check(old, uid=wanted["metadata"].get("uid", ""), version=version)
        replicas = int(wanted["spec"]["replicas"])
        new = self._store.touch(
            resource.kind, meta["namespace"], meta["name"], lambda obj: obj["spec"].update(replicas=replicas)
        )
        scale["spec"]["replicas"] = replicas
        scale["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]
        return as_json(scale)

    def _log(self, request: Request, pod: Obj) -> Response:
        path = self._kubelet.log_path(pod["metadata"]["uid"])
        text = path.read_bytes() if path.exists() else b""
        if tail := int(request.query.get("tailLines") or 0):
            text = b"".join(text.splitlines(keepends=True)[-tail:])
        return Response(200, text, "text/plain")

    def _evict(self, request: Request, pod: Obj) -> Response:
        labels, space = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
        options = request.json().get("deleteOptions") or {}
        self._store.check(pod, uid=(options.get("preconditions") or {}).get("uid", ""))
        for budget in self._store.all("PodDisruptionBudget", space):
            if matches(labels, budget["spec"].get("selector")) and budget_status(self._store, budget)["disruptionsAllowed"] < 1:
                raise ApiProblem(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
        delete_pod(self._store, pod, options.get("gracePeriodSeconds"))
        return as_json({"kind": "Status", "apiVersion": "v1", "status": "Success"}, 201)

    async def _proxy(self, request: Request, key: tuple[str, str], path: str) -> Response:
        namespace, (name, _, port) = key[0], key[1].partition(":")
        pod = self._store.get("Pod", namespace, name)
        if not pod.get("status", {}).get("podIP"):
            raise not_found("pods", name)
        number = int(port or pod["spec"]["containers"][0]["ports"][0]["containerPort"])
        target = "/" + path + (f"?{request.raw_query}" if request.raw_query else "")
        try:
            return await asyncio.wait_for(_forward(request, pod["status"]["podIP"], number, target), 10.0)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise ApiProblem(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error


async def _forward(request: Request, host: str, port: int, target: str) -> Response:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        kept = {name: value for name, value in request.headers.items() if name in ("content-type", "accept")}
        head = [
            f"{request.method} {target} HTTP/1.0",
            "Connection: close",
            f"Host: {host}:{port}",
            f"Content-Length: {len(request.body)}",
        ]
        head += [f"{name}: {value}" for name, value in kept.items()]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + request.body)
        status = int((await reader.readline()).split()[1])
        headers: dict[str, str] = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if status in (204, 304):
            return Response(status)
        length = headers.get("content-length")
        body = await reader.readexactly(int(length)) if length else await _chunks_or_rest(reader, headers)
        return Response(status, body, headers.get("content-type", "text/plain"))
    finally:
        writer.close()


async def _chunks_or_rest(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.read()
    chunks: list[bytes] = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    return b"".join(chunks)


def _typed(obj: Obj, resource: Resource, namespace: str) -> Obj:
    if obj.get("kind", resource.kind) != resource.kind:
        raise bad_request(f"expected a {resource.kind}, got a {obj['kind']}")
    obj["kind"] = resource.kind
    meta = obj.setdefault("metadata", {})
    if resource.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the object does not match that of the request")
    return obj


def _patched(request: Request, old: Obj) -> Obj:
    kind = request.headers.get("content-type", "").partition(";")[0]
    patch = request.json()
    if kind == "application/json-patch+json":
        new = patches.json_patch(old, patch)
    elif kind == "application/merge-patch+json":
        new = patches.merge(old, patch)
    elif kind == "application/strategic-merge-patch+json":
        new = patches.strategic(old, patch)
    else:
        raise ApiProblem(415, "UnsupportedMediaType", f"unknown patch type {kind!r}")
    version = patch.get("metadata", {}).get("resourceVersion") if isinstance(patch, dict) else None
    new["metadata"]["resourceVersion"] = version or old["metadata"]["resourceVersion"]
    return dict(new)


def _review(review: Obj) -> Obj:
    """Allowed is what the sandbox can do; anything else is not."""
    wanted = review["spec"].get("resourceAttributes") or {}
    resource = next(
        (r for r in BY_KIND.values() if r.plural == wanted.get("resource") and r.group == wanted.get("group", "")), None
    )
    verb, subresource = wanted.get("verb", ""), wanted.get("subresource", "")
    known = resource is not None and verb in (*VERBS, "deletecollection") and subresource in ("", *resource.subresources)
    review["status"] = {"allowed": known, **({} if known else {"reason": "the sandbox does not have this"})}
    return review


def _discover(path: str) -> Obj | None:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        groups = [_group(each) for each in GROUP_VERSIONS]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = path.removeprefix("/apis/") if path.startswith("/apis/") else path.removeprefix("/api/")
    resources = [each for each in BY_KIND.values() if each.api_version == version]
    if not resources:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [d for r in resources for d in _listed(r)],
    }


def _group(group_version: str) -> Obj:
    group, _, version = group_version.partition("/")
    entry = {"groupVersion": group_version, "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _listed(resource: Resource) -> list[Obj]:
    base = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(VERBS),
        "shortNames": list(resource.short),
    }
    scale = {
        "name": f"{resource.plural}/scale",
        "singularName": "",
        "namespaced": True,
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }
    return [base, scale | {"group": "autoscaling", "version": "v1"}] if "scale" in resource.subresources else [base]
