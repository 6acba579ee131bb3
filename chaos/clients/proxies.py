"""The only importer of toxiproxy: toxiproxy-python behind one adapter, with per-server state, time-outs and every error seen.

The package keeps host and port on a class (one server a process), sets no time-out and overlooks 5xx. Its `APIConsumer`
is replaced, once, by one that finds the current server in a ContextVar and sends through that server's own `Send`;
all else (Toxiproxy, Proxy, Toxic, the checks of 400, 404 and 409) stays the package's.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from toxiproxy import Toxiproxy
from toxiproxy import proxy as _proxy_module
from toxiproxy import server as _server_module
from toxiproxy.api import validate_response
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.proxy import Proxy

from chaos.clients.world import Cluster
from chaos.errors import ClusterError, ProxyError

Send = Callable[[str, str, object | None], tuple[int, bytes]]
"""(method, path, JSON body) -> (status, body); bounded in time, raises ClusterError or ProxyError."""

_current: ContextVar[Send] = ContextVar("toxiproxy server")


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
    def _send(method: str, url: str, body: object | None = None) -> _Response:
        status, content = _current.get()(method, url, body)
        response: _Response = validate_response(_Response(status, content))
        if status >= 400:
            raise ProxyError(f"Toxiproxy answered {status} to {method} {url}: {content[:200].decode(errors='replace')}")
        return response

    @classmethod
    def get(cls, url: str, params: object = None, **_: object) -> _Response:  # noqa: ARG003 - the package's signature
        return cls._send("GET", url)

    @classmethod
    def delete(cls, url: str, **_: object) -> _Response:
        return cls._send("DELETE", url)

    @classmethod
    def post(cls, url: str, data: object = None, json: object = None, **_: object) -> _Response:  # noqa: ARG003
        return cls._send("POST", url, json)


_server_module.APIConsumer = _Consumer
_proxy_module.APIConsumer = _Consumer


class Admin:
    """One Toxiproxy server. Safe from any thread; see `chaos.clients.world.ToxiproxyAdmin`."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @contextmanager
    def _server(self, doing: str) -> Iterator[Toxiproxy]:
        token = _current.set(self._send)
        try:
            yield Toxiproxy()
        except (ProxyExists, InvalidToxic, NotFound) as error:
            raise ProxyError(f"could not {doing}: {error}") from error
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
            if existing is not None and (existing.listen, existing.upstream) == (listen, upstream):
                return
            server.create(name=name, listen=listen, upstream=upstream, enabled=True)

    def delete(self, name: str) -> None:
        with self._server(f"delete proxy {name}") as server:
            if (proxy := server.get_proxy(name)) is not None:
                server.destroy(proxy)

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
                _Consumer.post(f"/proxies/{name}", json={"upstream": upstream})

    def add_toxic(
        self, proxy: str, toxic: str, *, kind: str, stream: str, attributes: Mapping[str, int], toxicity: float = 1.0
    ) -> None:
        with self._server(f"add toxic {toxic}") as server:
            known = self._known(server, proxy)
            if known.get_toxic(toxic) is not None:
                known.destroy_toxic(toxic)
            known.add_toxic(name=toxic, type=kind, stream=stream, attributes=dict(attributes), toxicity=toxicity)
            added = known.get_toxic(toxic)
            if added is None or any(added.attributes.get(key) != value for key, value in attributes.items()):
                raise ProxyError(f"toxic {toxic} does not read back as it was asked for")

    def remove_toxic(self, proxy: str, toxic: str) -> None:
        with self._server(f"remove toxic {toxic}") as server:
            known = server.get_proxy(proxy)
            if known is not None and known.get_toxic(toxic) is not None:
                known.destroy_toxic(toxic)

    def traffic(self) -> dict[str, dict[str, float]]:
        """Bytes by proxy. A real Toxiproxy adds a connection's bytes when it ends, the embedded one as they pass."""
        with self._server("read its metrics"):
            return _traffic(_Consumer.get("/metrics").content.decode())

    @staticmethod
    def _known(server: Toxiproxy, name: str) -> Proxy:
        proxy = server.get_proxy(name)
        if proxy is None:
            raise ProxyError(f"there is no proxy {name}")
        return proxy


def _traffic(metrics: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for line in metrics.splitlines():
        for direction, name in (
            ("received", "toxiproxy_proxy_received_bytes_total"),
            ("sent", "toxiproxy_proxy_sent_bytes_total"),
        ):
            if line.startswith(name + "{"):
                labels = dict(part.split("=", 1) for part in line[line.index("{") + 1 : line.rindex("}")].split(","))
                if labels.get("direction", "").strip('"') == ("upstream" if direction == "received" else "downstream"):
                    proxy = labels["proxy"].strip('"')
                    entry = found.setdefault(proxy, {"received": 0.0, "sent": 0.0})
                    entry[direction] += float(line.rsplit(" ", 1)[1])
    return found


class PodProxies:
    """Finds the admin API of a Toxiproxy that runs as a pod, through the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of_pod(self, namespace: str, pod: str, port: int = 8474) -> Admin:
        def send(method: str, path: str, body: object | None) -> tuple[int, bytes]:
            status, content = self._cluster.pod_request(namespace, pod, port, method, path, body)
            if status == 404 and b'"kind":"Status"' in content.replace(b" ", b""):
                raise ProxyError(f"pod {pod} is not there")
            return status, content

        return Admin(send)
