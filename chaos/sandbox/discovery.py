"""What the API says about itself: versions, groups, resources, and just enough OpenAPI for `kubectl apply`."""

from typing import Any

from chaos.sandbox.kinds import ALL, KINDS, SUBRESOURCES, Resource, groups

Obj = dict[str, Any]
OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""An empty document of this type: there are no schemas that kubectl could validate against, which it accepts."""
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+gameday-sandbox",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/loopback",
}


def document(path: str) -> Obj | None:
    """The document at a discovery path, or None."""
    if path in _FIXED:
        return _FIXED[path]
    if path.startswith("/openapi/v3/"):
        return _openapi(path.removeprefix("/openapi/v3"))
    for version, resources in groups().items():
        if path == _root(version):
            listed = [entry for resource in resources for entry in _entries(resource)]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
        if "/" in version and path == _root(version).rpartition("/")[0]:
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(version)
    return None


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _group(version: str) -> Obj:
    named = {"groupVersion": version, "version": version.rpartition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}


def _entries(resource: Resource) -> list[Obj]:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.in_all:
        entry["categories"] = ["all"]
    entries = [entry]
    for name in resource.subresources:
        kind, version, verbs = SUBRESOURCES[name]
        sub: Obj = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
        if version:
            sub |= {"group": version.rpartition("/")[0], "version": version.rpartition("/")[2]}
        entries.append(sub | {"kind": kind or resource.kind, "verbs": list(verbs)})
    return entries


def _openapi(root: str) -> Obj | None:
    """No schemas: only the patch operations, whose parameters tell kubectl that it need not validate by itself."""
    paths: Obj = {}
    for resource in groups().get(root.removeprefix("/apis/").removeprefix("/api/"), []):
        space = "/namespaces/{namespace}" if resource.namespaced else ""
        group, _, version = resource.api_version.rpartition("/")
        parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]
        paths[f"{root}{space}/{resource.plural}/{{name}}"] = {
            "patch": {
                "parameters": parameters,
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-group-version-kind": {"group": group, "kind": resource.kind, "version": version},
            }
        }
    info = {"title": "gameday sandbox", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths} if paths else None


def review(body: Obj) -> Obj:
    """Answer a SelfSubjectAccessReview from the table of what the sandbox can really do; never a yes to all."""
    asked = (body.get("spec") or {}).get("resourceAttributes") or {}
    allowed = any(_covers(resource, asked) for resource in KINDS.values())
    status = {"allowed": allowed, "reason": "the sandbox serves this" if allowed else "the sandbox does not serve this"}
    return {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"} | body | {"status": status}


def _covers(resource: Resource, asked: Obj) -> bool:
    if asked.get("resource") != resource.plural or asked.get("group", "") != resource.group:
        return False
    subresource = asked.get("subresource", "")
    if not subresource:
        return asked.get("verb") in resource.verbs and asked.get("verb") in ALL
    return subresource in resource.subresources and asked.get("verb") in SUBRESOURCES[subresource][2]


_FIXED: dict[str, Obj] = {
    "/version": VERSION,
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(version) for version in groups() if "/" in version],
    },
    "/openapi/v3": {
        "paths": {_root(version)[1:]: {"serverRelativeURL": f"/openapi/v3{_root(version)}"} for version in groups()}
    },
}
