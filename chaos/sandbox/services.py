"""Service addresses: a byte-transparent relay for each address and port that honours endpoints and policies only.

Like kube-proxy it never cuts a connection that stands, refuses where no endpoint is ready, and keeps the source address.
"""

import asyncio
import itertools
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from chaos.sandbox.controllers import Context
from chaos.sandbox.endpoints import SERVICE_NAME
from chaos.sandbox.policies import Policies
from chaos.sandbox.store import Obj, Store

_HIGH_WATER = 256 * 1024
_BIND_ADDRESS_NO_PORT = 24  # the port is chosen when connecting, so that they do not run out
_RESET = struct.pack("ii", 1, 0)

Address = tuple[str, int]


def _reset(transport: asyncio.Transport) -> None:
    """End a connection with a reset, not with an orderly end that could pass for success."""
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class _Side(asyncio.Protocol):
    """One side of a relayed connection; what it receives goes to the other side."""

    transport: asyncio.Transport
    other: "_Side | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport.can_write_eof() and not self.other.transport.is_closing():
            self.other.transport.write_eof()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is None or self.other.transport.is_closing():
            return
        if exc is None:
            self.other.transport.close()
        else:
            _reset(self.other.transport)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class _Client(_Side):
    """The side of who connected: passes nothing on until an endpoint is found that a policy lets it reach.

    What it says before that is kept: up to Python 3.11.3 a transport still reads once after it was paused as it was made.
    """

    def __init__(self, port: "_Port") -> None:
        self._port = port
        self._joining: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._ended_early = False

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            super().data_received(data)

    def eof_received(self) -> bool:
        self._ended_early = self.other is None
        return super().eof_received()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._joining = asyncio.ensure_future(self._join(transport.get_extra_info("peername")[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._joining is not None:
            self._joining.cancel()
        super().connection_lost(exc)

    async def _join(self, source: str) -> None:
        endpoint = self._port.next_endpoint()
        if endpoint is None:
            _reset(self.transport)
            return
        while not self._port.policies.allow(source, *endpoint):
            # A policy drops packets: the caller hears nothing, and gets through if it is still trying when that ends.
            await self._port.policies_changed()
        try:
            _, other = await asyncio.get_running_loop().create_connection(_Side, sock=await _connected(source, endpoint))
        except OSError:
            _reset(self.transport)
            return
        if self.transport.is_closing():
            other.transport.abort()
            return
        self.join(other)

    def join(self, other: _Side) -> None:
        """From now on what either side says goes to the other; what was said already goes first."""
        self.other, other.other = other, self
        for data in self._early:
            super().data_received(data)
        self._early.clear()
        if self._ended_early:
            super().eof_received()
        self.transport.resume_reading()


async def _connected(source: str, endpoint: Address) -> socket.socket:
    """A connection to an endpoint that comes from the caller's own address."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not endpoint[0].startswith("127."):
            raise OSError("the sandbox reaches loopback only")
        if source != "127.0.0.1":
            made.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            made.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(made, endpoint)
    except BaseException:
        made.close()
        raise
    return made


class _Port:
    """One port of one Service: listens while an endpoint is ready."""

    def __init__(self, address: Address, services: "Services") -> None:
        self.policies = services.policies
        self.policies_changed: Callable[[], asyncio.Future[None]] = services.policies_changed
        self._address = address
        self._endpoints: list[Address] = []
        self._turn = itertools.count()
        self._listener: socket.socket | None = None

    def next_endpoint(self) -> Address | None:
        return self._endpoints[next(self._turn) % len(self._endpoints)] if self._endpoints else None

    def update(self, endpoints: list[Address]) -> None:
        """Raises OSError when the address cannot be listened on."""
        self._endpoints = endpoints
        if not endpoints:
            self.close()
        elif self._listener is None:
            self._listener = socket.create_server(self._address, backlog=512)
            self._listener.setblocking(False)
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(64):
            if self._listener is None:
                return
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop.create_task(loop.connect_accepted_socket(lambda: _Client(self), accepted)).add_done_callback(_quiet)

    def close(self) -> None:
        """Refuse new connections; those that stand go on."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None


def _quiet(task: "asyncio.Task[object]") -> None:
    """A caller that hung up before it was served is no news."""
    if not task.cancelled():
        task.exception()


class Services:
    """All Service ports."""

    def __init__(self, store: Store) -> None:
        self.policies = Policies(store)
        self._ports: dict[Address, _Port] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def policies_changed(self) -> "asyncio.Future[None]":
        """Done when pods or policies have changed."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return waiting

    def reconcile(self, context: Context) -> None:
        wanted: dict[Address, list[Address]] = {}
        slices: dict[tuple[str, str], list[Obj]] = {}
        for each in context.store.all("EndpointSlice"):
            name = (each["metadata"].get("labels") or {}).get(SERVICE_NAME, "")
            slices.setdefault((each["metadata"]["namespace"], name), []).append(each)
        for service in context.store.all("Service"):
            address, meta = service["spec"].get("clusterIP"), service["metadata"]
            for port in service["spec"].get("ports") or () if address not in (None, "", "None") else ():
                if port["protocol"] == "TCP":
                    found = slices.get((meta["namespace"], meta["name"]), [])
                    wanted[(address, port["port"])] = _endpoints(found, port.get("name", ""))
        for address in self._ports.keys() - wanted.keys():
            self._ports.pop(address).close()
        for address, endpoints in wanted.items():
            if address not in self._ports:
                self._ports[address] = _Port(address, self)
            self._ports[address].update(endpoints)
        self.policies.rebuild()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def _endpoints(slices: list[Obj], port_name: str) -> list[Address]:
    """The ready endpoints; where there is none, those that terminate but still serve, as kube-proxy does."""
    ready: list[Address] = []
    serving: list[Address] = []
    for each in slices:
        numbers = [
            port["port"] for port in each.get("ports") or () if (port.get("name") or "") == port_name and port.get("port")
        ]
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            found = [(address, number) for address in endpoint["addresses"] for number in numbers]
            if conditions.get("ready", True):
                ready += found
            elif conditions.get("serving") and conditions.get("terminating"):
                serving += found
    return ready or serving
