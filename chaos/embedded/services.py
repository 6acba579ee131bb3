"""Service addresses: a byte-transparent proxy per address and port that honours ready endpoints and policies only.

Like kube-proxy it never cuts what stands, and refuses where no endpoint is ready.
"""

import asyncio
import itertools
from typing import Any

from chaos.embedded.policies import allowed
from chaos.embedded.store import Store

Obj = dict[str, Any]
_HIGH_WATER = 256 * 1024


class _Side(asyncio.Protocol):
    """One side of a relayed connection; `peer` is the other."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Side | None = None
        self._early: list[bytes] = []
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    def join(self, peer: "_Side") -> None:
        self.peer = peer
        for data in self._early:
            self._send(peer, data)
        self._early.clear()
        if self._ended:
            self._end(peer)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
        else:
            self._send(self.peer, data)

    def eof_received(self) -> bool:
        self._ended = True
        if self.peer is not None:
            self._end(self.peer)
        return True  # the other direction stays open

    def connection_lost(self, error: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            if error is None:
                self.peer.transport.close()
            else:
                self.peer.transport.abort()  # a reset stays a reset

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.resume_reading()

    @staticmethod
    def _send(peer: "_Side", data: bytes) -> None:
        if peer.transport is not None and not peer.transport.is_closing():
            peer.transport.write(data)

    @staticmethod
    def _end(peer: "_Side") -> None:
        if peer.transport is not None and peer.transport.can_write_eof() and not peer.transport.is_closing():
            peer.transport.write_eof()


class _Entrance(_Side):
    """The client's side: picks an endpoint once the connection is made."""

    def __init__(self, port: "ServicePort") -> None:
        super().__init__()
        self._port = port
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        source = transport.get_extra_info("peername")[0]
        self._task = asyncio.get_running_loop().create_task(self._connect(source))

    async def _connect(self, source: str) -> None:
        assert self.transport is not None
        endpoint = self._port.pick(source)
        if endpoint is None:
            return  # a policy drops it: the client waits until it gives up, as on a cluster
        if not endpoint[0]:
            self.transport.abort()
            return
        try:
            _, other = await asyncio.get_running_loop().create_connection(_Side, endpoint[0], endpoint[1])
        except OSError:
            self.transport.abort()
            return
        other.join(self)
        self.join(other)


class ServicePort:
    """One port of one Service: listening while an endpoint is ready."""

    def __init__(self, store: Store, address: str, port: int) -> None:
        self.address, self.port = address, port
        self.endpoints: list[tuple[str, int]] = []
        self._store = store
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None

    async def update(self, endpoints: list[tuple[str, int]]) -> None:
        self.endpoints = endpoints
        if endpoints and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Entrance(self), self.address, self.port, backlog=512)
        elif not endpoints:
            self.close()

    def close(self) -> None:
        """Refuse new connections; those that stand go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def pick(self, source: str) -> tuple[str, int] | None:
        """The next ready endpoint that policies let this source reach; ("", 0) = none is ready, None = all are shut off."""
        if not self.endpoints:
            return "", 0
        pods = {pod.get("status", {}).get("podIP"): pod for pod in self._store.all("Pod")}
        open_to_source = [
            each
            for each in self.endpoints
            if each[0] not in pods or allowed(self._store, pods.get(source), pods[each[0]], each[1])
        ]
        return open_to_source[next(self._turn) % len(open_to_source)] if open_to_source else None


class Services:
    """Keeps a ServicePort for every port of every Service with an address."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ports: dict[tuple[str, int], ServicePort] = {}

    async def reconcile(self) -> None:
        wanted: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for service in self._store.all("Service"):
            address = service["spec"].get("clusterIP")
            if address and address != "None":
                for port in service["spec"].get("ports") or []:
                    wanted[(address, port["port"])] = self._endpoints(service, port)
        for key in self._ports.keys() - wanted.keys():
            self._ports.pop(key).close()
        for key, endpoints in wanted.items():
            if key not in self._ports:
                self._ports[key] = ServicePort(self._store, *key)
            await self._ports[key].update(endpoints)

    def _endpoints(self, service: Obj, port: Obj) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        space, name = service["metadata"]["namespace"], service["metadata"]["name"]
        for each in self._store.all("EndpointSlice", space):
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") != name:
                continue
            number = next((p["port"] for p in each.get("ports") or [] if p.get("name") == port.get("name", "")), None)
            if number is not None:
                ready = [end for end in each.get("endpoints") or [] if end["conditions"]["ready"]]
                found += [(address, number) for end in ready for address in end["addresses"]]
        return found
