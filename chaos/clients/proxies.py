"""The only importer of toxiproxy: toxiproxy-python behind one adapter, with per-server state, time-outs and every error seen.

The package keeps host and port on a class (one server a process), sets no time-out, overlooks 5xx and cannot change an
upstream. Its `APIConsumer` is replaced, once, by one that finds the current server in a ContextVar and sends through that
server's own `Send`; all else (Toxiproxy, Proxy, Toxic, the checks of 400, 404 and 409) stays the package's. It is imported
by the first call, for it brings requests, and most commands drive no proxy.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

from chaos.clients.world import Cluster
from chaos.errors import ClusterError, ProxyError

Send = Callable[[str, str, object | None], tuple[int, bytes]]
"""(method, path, JSON body) -> (status, body); bounded in time, raises ClusterError or ProxyError."""

_current: ContextVar[Send] = ContextVar("toxiproxy server")
_ANY_ADDRESS = ("0.0.0.0", "[::]", "")  # noqa: S104 - compared, not bound
_COUNTERS = {
    ("toxiproxy_proxy_received_bytes_total", "upstream"): "received",
    ("toxiproxy_proxy_sent_bytes_total", "downstream"): "sent",
}


class _Response:
    """As much of a requests.Response as the package reads."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code = status
        self.content = content

    def json(self) -> Any:
        return json.loads(self.content)


class _Consumer:
    """Stands in for the package's APIConsumer."""

    host = port = ""  # read by nothing that we call

    @staticmethod
    def send(method: str, url: str, body: object | None = None) -> _Response:
        status, content = _current.get()(method, url, body)
        response: _Response = _package().validate(_Response(status, content))
        if status >= 400:
            raise ProxyError(f"Toxiproxy answered {status} to {method} {url}: {content[:200].decode(errors='replace').strip()}")
        return response

    @classmethod
    def get(cls, url: str, params: object = None, **_: object) -> _Response:  # noqa: ARG003 - the package's signature
        return cls.send("GET", url)

    @classmethod
    def delete(cls, url: str, **_: object) -> _Response:
        return cls.send("DELETE", url)

    @classmethod
    def post(cls, url: str, data: object = None, json: object = None, **_: object) -> _Response:  # noqa: ARG003
        return cls.send("POST", url, json)


class _Package:
    """toxiproxy-python, told to send through us."""

    def __init__(self) -> None:
        from toxiproxy import proxy, server  # noqa: PLC0415 - see the module's docstring
        from toxiproxy.api import validate_response  # noqa: PLC0415
        from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists  # noqa: PLC0415

        server.APIConsumer = proxy.APIConsumer = _Consumer
        self.Toxiproxy = server.Toxiproxy
        self.validate = validate_response
        self.NotFound: type[Exception] = NotFound
        self.refusals: tuple[type[Exception], ...] = (InvalidToxic, NotFound, ProxyExists)


@cache
def _package() -> _Package:
    return _Package()


class Admin:
    """One Toxiproxy server. Safe from any thread; see `chaos.clients.world.ToxiproxyAdmin`."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @contextmanager
    def _server(self, doing: str) -> Iterator[Any]:
        token = _current.set(self._send)
        try:
            yield _package().Toxiproxy()
        except _package().refusals as error:
            raise ProxyError(f"could not {doing}: {_said(error)}") from error
        except (ClusterError, ValueError, KeyError) as error:
            raise ProxyError(f"could not {doing}: {error}") from error
        finally:
            _current.reset(token)

    def version(self) -> str:
        with self._server("ask its version"):
            return str(_Consumer.get("/version").json()["version"])

    def create(self, name: str, *, listen: str, upstream: str) -> None:
        with self._server(f"create proxy {name}") as server:
            existing = server.get_proxy(name)
            if existing is None or existing.upstream != upstream or not _same_place(existing.listen, listen):
                server.create(name=name, listen=listen, upstream=upstream, enabled=True)
            elif not existing.enabled:
                existing.enable()

    def delete(self, name: str) -> None:
        with self._server(f"delete proxy {name}") as server, suppress(_package().NotFound):
            server.destroy(server.get_proxy(name))

    def proxies(self) -> dict[str, dict[str, Any]]:
        with self._server("list proxies"):
            found: dict[str, dict[str, Any]] = _Consumer.get("/proxies").json()
            return found

    def set_enabled(self, name: str, enabled: bool) -> None:
        with self._server(f"{'enable' if enabled else 'disable'} proxy {name}") as server:
            proxy = self._known(server, name)
            if enabled != proxy.enabled:
                proxy.enable() if enabled else proxy.disable()

    def set_upstream(self, name: str, upstream: str) -> None:
        """Point the proxy elsewhere. Its connections are closed, so that held ones feel it too."""
        with self._server(f"point proxy {name} elsewhere") as server:
            if self._known(server, name).upstream != upstream:
                _Consumer.send("PATCH", f"/proxies/{name}", {"upstream": upstream})

    def add_toxic(
        self, proxy: str, toxic: str, *, kind: str, stream: str, attributes: Mapping[str, int], toxicity: float = 1.0
    ) -> None:
        wanted = {"type": kind, "stream": stream, "attributes": dict(attributes), "toxicity": toxicity}
        with self._server(f"add toxic {toxic}") as server:
            known = self._known(server, proxy)
            if known.get_toxic(toxic) is not None:
                known.destroy_toxic(toxic)
            known.add_toxic(name=toxic, **wanted)
            if (added := known.get_toxic(toxic)) is None or not _reads_as(added, wanted):
                raise ProxyError(f"toxic {toxic} does not read back as it was asked for")

    def remove_toxic(self, proxy: str, toxic: str) -> None:
        with self._server(f"remove toxic {toxic}") as server, suppress(_package().NotFound):
            if (known := server.get_proxy(proxy)) is not None:
                known.destroy_toxic(toxic)

    def traffic(self) -> dict[str, dict[str, float]]:
        """Bytes by proxy. A real Toxiproxy adds a connection's bytes when it ends, the embedded one as they pass."""
        with self._server("read its metrics"):
            return _traffic(_Consumer.get("/metrics").content.decode())

    @staticmethod
    def _known(server: Any, name: str) -> Any:
        proxy = server.get_proxy(name)
        if proxy is None:
            raise ProxyError(f"there is no proxy {name}")
        return proxy


def _said(error: Exception) -> str:
    """The message of one of the package's exceptions, which carry the raw body of the answer."""
    body = error.args[0] if error.args else b""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, TypeError, KeyError):
        return body.decode(errors="replace").strip() if isinstance(body, bytes) else str(error)


def _same_place(one: str, other: str) -> bool:
    """Whether two listen addresses are the same port, on the same address or on all."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    return port == other_port and (host == other_host or host in _ANY_ADDRESS or other_host in _ANY_ADDRESS)


def _reads_as(toxic: Any, wanted: Mapping[str, Any]) -> bool:
    return (
        (toxic.type, toxic.stream) == (wanted["type"], wanted["stream"])
        and abs(toxic.toxicity - wanted["toxicity"]) < 1e-6  # the server keeps 32 bits of it
        and all(toxic.attributes.get(key) == value for key, value in wanted["attributes"].items())
    )


def _traffic(metrics: str) -> dict[str, dict[str, float]]:
    """Proxy -> bytes, summed over all addresses that it has had."""
    found: dict[str, dict[str, float]] = {}
    for line in metrics.splitlines():
        name, brace, rest = line.partition("{")
        written, _, value = rest.rpartition("} ")
        labels = dict(part.split("=", 1) for part in written.split(",")) if brace else {}
        counter = _COUNTERS.get((name, labels.get("direction", "").strip('"')))
        if counter:
            entry = found.setdefault(labels["proxy"].strip('"'), {"received": 0.0, "sent": 0.0})
            entry[counter] += float(value)
    return found


class PodProxies:
    """Finds the admin API of a Toxiproxy that runs as a pod, through the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of_pod(self, namespace: str, pod: str, port: int = 8474) -> Admin:
        def send(method: str, path: str, body: object | None) -> tuple[int, bytes]:
            status, content = self._cluster.pod_request(namespace, pod, port, method, path, body)
            if status >= 400 and (trouble := _of_the_api_server(content)):
                raise ProxyError(f"pod {pod} cannot be asked: {trouble}")
            return status, content

        return Admin(send)


def _of_the_api_server(content: bytes) -> str:
    """What the API server itself says of a request that it did not hand on; "" when the pod has answered."""
    try:
        said = json.loads(content)
    except ValueError:
        return ""
    return str(said.get("message", "no reason given")) if isinstance(said, dict) and said.get("kind") == "Status" else ""
