"""The admin API: Toxiproxy 2.12's routes, status codes and error texts."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.sandbox.toxiproxy.http import Answer, Request
from chaos.sandbox.toxiproxy.proxies import ApiError, Proxy
from chaos.sandbox.toxiproxy.toxics import TYPES, Toxic

VERSION = "2.12.0"
_JSON = "application/json"


def decoded(body: bytes, types: dict[str, type]) -> dict[str, Any]:
    """The fields of a JSON object that we know, `null` left out; ApiError when one has another type."""
    value = _parsed(body)
    if not isinstance(value, dict):
        raise ApiError(f"bad request body: json: cannot unmarshal {_type_of(value)} into Go value of type object", 400)
    return _typed(value, types)


def _parsed(body: bytes) -> Any:
    if not body.strip():
        raise ApiError("bad request body: EOF", 400)
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(f"bad request body: {error}", 400) from error


def _typed(value: dict[str, Any], types: dict[str, type]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, item in value.items():
        wanted = types.get(key.lower())
        if wanted is None or item is None:
            continue
        if not isinstance(item, (int, float) if wanted is float else wanted) or (isinstance(item, bool) and wanted is not bool):
            raise ApiError(f"bad request body: json: cannot unmarshal {_type_of(item)} into Go struct field .{key}", 400)
        known[key.lower()] = item
    return known


def _type_of(value: object) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


_PROXY = {"name": str, "listen": str, "upstream": str, "enabled": bool}
_TOXIC = {"name": str, "type": str, "stream": str, "toxicity": float, "attributes": dict}


@dataclass
class Api:
    """All proxies of one server, and what may be asked of them."""

    proxy_metrics: bool = False
    proxies: dict[str, Proxy] = field(default_factory=dict)
    bytes_total: Counter[tuple[str, ...]] = field(default_factory=Counter)

    async def answer(self, request: Request) -> Answer:
        if request.agent.startswith("Mozilla/"):
            return Answer(403, b"User agent not allowed\n", "text/plain; charset=utf-8")
        try:
            return await self._route(request)
        except ApiError as error:
            body = json.dumps({"error": error.message, "status": error.status}, separators=(",", ":")) + "\n"
            return Answer(error.status, body.encode(), _JSON)

    async def _route(self, request: Request) -> Answer:
        parts = request.path.split("?")[0].strip("/").split("/")
        routes = _ROUTES.get("/".join([*parts[:1], *("*" if i % 2 else part for i, part in enumerate(parts) if i)]))
        if routes is None or (parts == ["metrics"] and not self.proxy_metrics):
            return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
        if request.method not in routes:
            return Answer(405, b"", "text/plain; charset=utf-8")
        return await routes[request.method](self, parts[1::2], request.body)

    # -- the server --------------------------------------------------------------------------------------------------

    async def version(self) -> Answer:
        return Answer(200, json.dumps({"version": VERSION}).encode() + b"\n", "application/json;charset=utf-8")

    async def metrics(self) -> Answer:
        lines: list[str] = []
        for what in ("received", "sent"):
            name = f"toxiproxy_proxy_{what}_bytes_total"
            lines += [f"# HELP {name} ", f"# TYPE {name} counter"]
            for (kind, *values), count in sorted(self.bytes_total.items()):
                if kind == what:
                    labels = zip(("direction", "proxy", "listener", "upstream"), values, strict=True)
                    lines.append(f"{name}{{{','.join(f'{k}={json.dumps(v)}' for k, v in sorted(labels))}}} {count}")
        return Answer(200, "\n".join([*lines, ""]).encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def reset(self) -> Answer:
        """Enable every proxy and remove every toxic."""
        for proxy in self.proxies.values():
            await proxy.start()
            for toxic in list(proxy.toxics):
                proxy.remove(toxic)
        return Answer(204)

    async def populated(self, body: bytes) -> Answer:
        try:
            made = await self.populate(body)
        except ApiError as error:
            return Answer.of({"error": error.message, "status": error.status, "proxies": None}, error.status)
        return Answer.of({"proxies": [proxy.as_json() for proxy in made]}, 201)

    async def populate(self, body: bytes) -> list[Proxy]:
        """Make the proxies of a JSON list as it says; those that are so already stay as they are."""
        value = _parsed(body)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ApiError(f"bad request body: json: cannot unmarshal {_type_of(value)} into Go value of type []struct", 400)
        inputs = [_typed(item, _PROXY) for item in value]
        for number, wanted in enumerate(inputs, start=1):
            for key in ("name", "upstream"):
                if not wanted.get(key):
                    raise ApiError(f"missing required field: {key} at proxy {number}", 400)
        return [await self._add_or_replace(wanted) for wanted in inputs]

    async def _add_or_replace(self, wanted: dict[str, Any]) -> Proxy:
        proxy = Proxy(wanted["name"], wanted.get("listen", ""), wanted["upstream"], self.bytes_total)
        if existing := self.proxies.get(proxy.name):
            if not existing.differs(proxy):
                return existing
            existing.stop()
        if wanted.get("enabled", True):
            await proxy.start()
        self.proxies[proxy.name] = proxy
        return proxy

    # -- proxies -----------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> Proxy:
        if name not in self.proxies:
            raise ApiError("proxy not found", 404)
        return self.proxies[name]

    async def index(self) -> Answer:
        return Answer.of({name: self.proxies[name].as_json() for name in sorted(self.proxies)})

    async def create(self, body: bytes) -> Answer:
        wanted = decoded(body, _PROXY)
        for key in ("name", "upstream"):
            if not wanted.get(key):
                raise ApiError(f"missing required field: {key}", 400)
        if wanted["name"] in self.proxies:
            raise ApiError("proxy already exists", 409)
        proxy = Proxy(wanted["name"], wanted.get("listen", ""), wanted["upstream"], self.bytes_total)
        if wanted.get("enabled", True):
            await proxy.start()
        self.proxies[proxy.name] = proxy
        return Answer.of(proxy.as_json(), 201)

    async def show(self, name: str) -> Answer:
        return Answer.of(self._find(name).as_json())

    async def update(self, name: str, body: bytes) -> Answer:
        proxy = self._find(name)
        now: dict[str, Any] = {"listen": proxy.listen, "upstream": proxy.upstream, "enabled": proxy.enabled}
        wanted = now | decoded(body, _PROXY)
        await proxy.update(listen=wanted["listen"], upstream=wanted["upstream"], enabled=wanted["enabled"])
        return Answer.of(proxy.as_json())

    async def delete(self, name: str) -> Answer:
        self._find(name).stop()
        del self.proxies[name]
        return Answer(204)

    # -- toxics ------------------------------------------------------------------------------------------------------

    def _find_toxic(self, name: str, toxic: str) -> tuple[Proxy, Toxic]:
        proxy = self._find(name)
        if not (found := proxy.toxic(toxic)):
            raise ApiError("toxic not found", 404)
        return proxy, found

    async def toxics(self, name: str) -> Answer:
        return Answer.of(self._find(name).as_json()["toxics"])

    async def add_toxic(self, name: str, body: bytes) -> Answer:
        proxy = self._find(name)
        wanted: dict[str, Any] = {"stream": "downstream", "toxicity": 1.0, "type": "", "name": ""} | decoded(body, _TOXIC)
        wanted["stream"] = wanted["stream"].lower()
        if wanted["stream"] not in ("upstream", "downstream"):
            raise ApiError("stream was invalid, can be either upstream or downstream", 400)
        wanted["name"] = wanted["name"] or f"{wanted['type']}_{wanted['stream']}"
        if wanted["type"] not in TYPES:
            raise ApiError("invalid toxic type", 400)
        if proxy.toxic(wanted["name"]):
            raise ApiError("toxic already exists", 409)
        wanted["attributes"] = dict.fromkeys(TYPES[wanted["type"]][1], 0) | self._attributes(
            wanted["type"], wanted.get("attributes")
        )
        toxic = Toxic(**wanted)
        proxy.add(toxic)
        return Answer.of(toxic.as_json())

    def _attributes(self, kind: str, given: dict[str, Any] | None) -> dict[str, int]:
        return _typed(given or {}, dict.fromkeys(TYPES[kind][1], int))

    async def toxic(self, name: str, toxic: str) -> Answer:
        return Answer.of(self._find_toxic(name, toxic)[1].as_json())

    async def change_toxic(self, name: str, toxic: str, body: bytes) -> Answer:
        proxy, found = self._find_toxic(name, toxic)
        wanted = decoded(body, {"toxicity": float, "attributes": dict})
        found.attributes.update(self._attributes(found.type, wanted.get("attributes")))
        found.toxicity = wanted.get("toxicity", found.toxicity)
        proxy.updated(found)
        return Answer.of(found.as_json())

    async def remove_toxic(self, name: str, toxic: str) -> Answer:
        proxy, found = self._find_toxic(name, toxic)
        proxy.remove(found)
        return Answer(204)


def _plain(handler: Callable[..., Awaitable[Answer]]) -> "Handler":
    return lambda api, names, _: handler(api, *names)


def _with_body(handler: Callable[..., Awaitable[Answer]]) -> "Handler":
    return lambda api, names, body: handler(api, *names, body)


Handler = Callable[[Api, list[str], bytes], Awaitable[Answer]]

_ROUTES: dict[str, dict[str, Handler]] = {
    "version": {"GET": _plain(Api.version)},
    "metrics": {"GET": _plain(Api.metrics)},
    "reset": {"POST": _plain(Api.reset)},
    "populate": {"POST": _with_body(Api.populated)},
    "proxies": {"GET": _plain(Api.index), "POST": _with_body(Api.create)},
    "proxies/*": {
        "GET": _plain(Api.show),
        "POST": _with_body(Api.update),
        "PATCH": _with_body(Api.update),
        "DELETE": _plain(Api.delete),
    },
    "proxies/*/toxics": {"GET": _plain(Api.toxics), "POST": _with_body(Api.add_toxic)},
    "proxies/*/toxics/*": {
        "GET": _plain(Api.toxic),
        "POST": _with_body(Api.change_toxic),
        "PATCH": _with_body(Api.change_toxic),
        "DELETE": _plain(Api.remove_toxic),
    },
}
"""Path (a star for a name) -> method -> what answers it."""
