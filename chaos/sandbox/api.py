"""The API server: from a request to an object and back."""

import base64
import json
from collections.abc import Callable

from chaos.sandbox import discovery, forward, patches
from chaos.sandbox.accounts import Account, require, verb_of
from chaos.sandbox.http import Request, Response, as_json, body_of
from chaos.sandbox.kinds import BY_PATH, KINDS, Resource
from chaos.sandbox.kubelet import Kubelet
from chaos.sandbox.objects import Objects
from chaos.sandbox.selectors import Match, by_fields, by_labels
from chaos.sandbox.status import bad_request, method_not_allowed, no_such_resource, not_found
from chaos.sandbox.store import Obj, Store
from chaos.sandbox.subresources import Subresources
from chaos.sandbox.tables import as_table
from chaos.sandbox.watches import Watch


class Api:
    """Answers requests below the secret path."""

    def __init__(self, store: Store, objects: Objects, kubelet: Kubelet) -> None:
        self._store = store
        self._objects = objects
        self._subresources = Subresources(store, objects, kubelet)

    async def handle(self, request: Request, account: Account | None = None) -> Response:
        """Answer it: for the owner of the sandbox, who may do everything, or for a service account."""
        path = request.path.rstrip("/") or "/"
        if path in ("/healthz", "/livez", "/readyz"):
            return Response(200, b"ok", "text/plain")
        if path == "/openapi/v2":
            return Response(200, b"", discovery.OPENAPI_V2)
        if request.method == "GET" and (found := discovery.document(path)) is not None:
            return as_json(found)
        resource, namespace, rest = _route(request.path)
        if account is not None:
            verb = verb_of(request.method, request.query, named=bool(rest))
            require(self._store, account, verb, resource, namespace, rest)
        if resource.kind == "SelfSubjectAccessReview":
            if request.method != "POST":
                raise method_not_allowed()
            return as_json(discovery.review(body_of(request)), 201)
        if resource.namespaced and rest and not namespace:
            raise no_such_resource()
        if len(rest) > 1:
            return await self._below(request, resource, (namespace, rest[0]), rest[1:])
        return self._one(request, resource, namespace, rest[0]) if rest else self._all(request, resource, namespace)

    # -- collections -------------------------------------------------------------------------------------------------

    def _all(self, request: Request, resource: Resource, namespace: str) -> Response:
        query = request.query
        if request.method == "POST":
            _allow(resource, "create")
            if resource.namespaced and not namespace:
                raise method_not_allowed()
            return as_json(self._objects.create(resource, namespace, body_of(request), dry="dryRun" in query), 201)
        chosen = _chosen(resource, query)
        if request.method == "DELETE":
            _allow(resource, "deletecollection")
            options = body_of(request) if request.body else {}
            for obj in filter(chosen, self._store.all(resource.kind, namespace)):
                self._objects.delete(resource, obj, options, dry="dryRun" in query)
            return as_json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        if request.method != "GET":
            raise method_not_allowed()
        shown = _shown(request, resource)
        if query.get("watch") in ("1", "true"):
            watch = Watch(self._store, resource, namespace, chosen, lambda obj: shown([obj], obj["metadata"]) if shown else obj)
            return Response(200, stream=watch.events(query))
        revision(query.get("resourceVersion", ""))
        items = [obj for obj in self._store.all(resource.kind, namespace) if chosen(obj)]
        page, meta = _page(items, query, self._store.revision)
        if shown:
            return as_json(shown(page, meta))
        bare = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in page]
        return as_json({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": bare})

    # -- one object --------------------------------------------------------------------------------------------------

    def _one(self, request: Request, resource: Resource, namespace: str, name: str) -> Response:
        query, dry = request.query, "dryRun" in request.query
        if request.method == "PATCH":
            _allow(resource, "patch")
            how = patches.how(request.content_type)
            patch = patches.parse(how, request.body)
            if how == "apply":
                obj, new = self._objects.apply(resource, namespace, name, patch, query)
                return as_json(obj, 201 if new else 200)
            return as_json(self._objects.patch(resource, self._store.get(resource.kind, namespace, name), how, patch, dry=dry))
        obj = self._store.get(resource.kind, namespace, name)
        if request.method == "GET":
            shown = _shown(request, resource)
            return as_json(shown([obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}) if shown else obj)
        if request.method == "PUT":
            _allow(resource, "update")
            return as_json(self._objects.update(resource, obj, body_of(request), dry=dry))
        if request.method == "DELETE":
            _allow(resource, "delete")
            options = body_of(request) if request.body else {}
            for key in ("gracePeriodSeconds", "propagationPolicy"):
                if key in query:
                    options.setdefault(key, int(query[key]) if query[key].lstrip("-").isdigit() else query[key])
            dry = dry or bool(options.get("dryRun"))
            return as_json(self._objects.delete(resource, obj, options, dry=dry))
        raise method_not_allowed()

    async def _below(self, request: Request, resource: Resource, key: tuple[str, str], rest: list[str]) -> Response:
        """A subresource."""
        name = rest[0]
        if name not in resource.subresources or (len(rest) > 1 and name != "proxy"):
            raise no_such_resource()
        if name == "proxy":
            return await forward.through_proxy(self._store, request, resource, key, rest[1:])
        obj = self._store.find(resource.kind, *key)
        if obj is None:
            raise not_found(resource, key[1])
        return self._subresources.answer(name, request, resource, obj)


def _route(path: str) -> tuple[Resource, str, list[str]]:
    """Resource, namespace and what follows; 404 for what the sandbox does not know."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        version, rest = parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        raise no_such_resource()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in KINDS["Namespace"].subresources:
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((version, rest[0]))
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_resource()
    return resource, namespace, rest[1:]


def _allow(resource: Resource, verb: str) -> None:
    if verb not in resource.verbs:
        raise method_not_allowed()


def _chosen(resource: Resource, query: dict[str, str]) -> Match:
    labels, fields = by_labels(query.get("labelSelector", "")), by_fields(query.get("fieldSelector", ""), resource.kind)
    return lambda obj: labels(obj) and fields(obj)


def _shown(request: Request, resource: Resource) -> Callable[[list[Obj], Obj], Obj] | None:
    """How kubectl wants to see it: as a table, or (None) as it is."""
    if "as=Table" not in request.headers.get("accept", "").partition(",")[0]:
        return None
    whole = request.query.get("includeObject") == "Object"
    return lambda items, meta: as_table(resource.kind, items, meta, whole=whole)


def revision(text: str) -> int:
    if text and not text.isdigit():
        problem = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: {problem}")
    return int(text or 0)


def _page(items: list[Obj], query: dict[str, str], version: int) -> tuple[list[Obj], Obj]:
    """One page, and the list's metadata. The continue token is the key of the last object given."""
    meta: Obj = {"resourceVersion": str(version)}
    if token := query.get("continue"):
        try:
            after = tuple(json.loads(base64.urlsafe_b64decode(token)))
        except (ValueError, TypeError):
            raise bad_request("continue key is not valid") from None
        items = [obj for obj in items if (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) > after]
    limit = query.get("limit") or "0"
    if not limit.isdigit():
        raise bad_request(f'limit: Invalid value: "{limit}"')
    page = items[: int(limit)] if int(limit) else items
    if len(page) < len(items):
        last = page[-1]["metadata"]
        key = json.dumps([last.get("namespace", ""), last["name"]]).encode()
        meta |= {"continue": base64.urlsafe_b64encode(key).decode(), "remainingItemCount": len(items) - len(page)}
    return page, meta
