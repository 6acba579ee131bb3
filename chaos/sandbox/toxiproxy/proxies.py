"""A proxy: a listener, its toxics, and the connections that pass it."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from chaos.sandbox.toxiproxy.links import Link, reset_on_close
from chaos.sandbox.toxiproxy.toxics import Toxic

POD_IP = os.environ.get("POD_IP", "")
"""The address of the pod that we are: what we listen on instead of "any", and where our connections come from."""
_DIAL_WITHIN = 127.0  # seconds; what Linux takes to give up a connection that nobody answers


class ApiError(Exception):
    """An answer other than success, as the real server words it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message, self.status = message, status


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port", "[::]:port" or ":port"."""
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        raise ApiError(f"address {address}: missing port in address", 500)
    if not port.isdigit() or int(port) > 65535:
        raise ApiError(f"address {port}: invalid port", 500)
    return host.strip("[]"), int(port)


def _resolved(address: str) -> str:
    """How the real server writes an address that it has resolved."""
    host, port = split_address(address)
    host = {"localhost": "127.0.0.1", "0.0.0.0": "", "::": ""}.get(host, host)  # noqa: S104 - read, not bound
    return _joined(host or POD_IP or "::", port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Proxy:
    """All of one proxy. Stopping it refuses new connections and cuts those that stand."""

    def __init__(self, name: str, listen: str, upstream: str, bytes_total: Counter[tuple[str, ...]]) -> None:
        self.name, self.listen, self.upstream = name, listen, upstream
        self.enabled = False
        self.toxics: list[Toxic] = []
        self._bytes = bytes_total
        self._server: asyncio.Server | None = None
        self._links: dict[Link, str] = {}
        self._tasks: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [t.as_json() for stream in ("upstream", "downstream") for t in self.toxics if t.stream == stream],
        }

    async def start(self) -> None:
        if self.enabled:
            return
        host, port = split_address(self.listen)
        wildcard = host in ("", "0.0.0.0", "::")  # noqa: S104 - what the caller asked for
        try:
            self._server = await asyncio.start_server(self._accept, POD_IP or None if wildcard else host, port, backlog=1024)
        except OSError as error:
            reason = "address already in use" if "in use" in str(error) else (error.strerror or str(error)).lower()
            raise ApiError(f"listen tcp {self.listen}: bind: {reason}", 500) from error
        self.listen = _joined(POD_IP or "::" if wildcard else self._server.sockets[0].getsockname()[0], self._bound_port())
        self.enabled = True

    def _bound_port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        if not self.enabled:
            return
        self.enabled = False
        assert self._server is not None
        self._server.close()
        for writers in self._tasks.values():
            for writer in writers:
                writer.transport.abort()

    async def update(self, *, listen: str, upstream: str, enabled: bool) -> None:
        if self.listen != _resolved(listen) or self.upstream != upstream:
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled and not self.enabled:
            await self.start()
        elif not enabled:
            self.stop()

    def differs(self, other: "Proxy") -> bool:
        return self.listen != _resolved(other.listen) or self.upstream != other.upstream

    # -- toxics ------------------------------------------------------------------------------------------------------

    def toxic(self, name: str) -> Toxic | None:
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    def add(self, toxic: Toxic) -> None:
        self.toxics.append(toxic)
        for link in self._links_of(toxic):
            link.add(toxic)

    def updated(self, toxic: Toxic) -> None:
        for link in self._links_of(toxic):
            link.changed(toxic)

    def remove(self, toxic: Toxic) -> None:
        self.toxics.remove(toxic)
        for link in self._links_of(toxic):
            link.changed(toxic, removed=True)

    def _links_of(self, toxic: Toxic) -> list[Link]:
        return [link for link, stream in self._links.items() if stream == toxic.stream]

    # -- connections -------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._log_client(writer)
        self._tasks[task] = [writer]
        try:
            host, port = split_address(self.upstream)
            source = (POD_IP, 0) if POD_IP else None
            upstream = await asyncio.wait_for(asyncio.open_connection(host, port, local_addr=source), _DIAL_WITHIN)
            self._tasks[task].append(upstream[1])
            if self.enabled:
                await self._connect((reader, writer), upstream)
        except (OSError, TimeoutError, ApiError):
            pass  # an upstream that cannot be reached looks to the client as a connection that closes at once
        finally:
            for each in self._tasks.pop(task):
                each.close()

    def _log_client(self, writer: asyncio.StreamWriter) -> None:
        """The line by which the real server tells who has connected."""
        host, port = writer.get_extra_info("peername")[:2]
        told = {"name": self.name, "listen": self.listen, "upstream": self.upstream, "client": _joined(host, port)}
        print(json.dumps({"level": "info", **told, "message": "Accepted client"}), flush=True)  # noqa: T201 - a program of its own

    async def _connect(self, client: tuple[Any, asyncio.StreamWriter], upstream: tuple[Any, asyncio.StreamWriter]) -> None:
        if any(toxic.type == "reset_peer" for toxic in self.toxics):
            for _, writer in (client, upstream):
                reset_on_close(writer)
        there = self._link("upstream", client[0], upstream[1])
        back = self._link("downstream", upstream[0], client[1])
        try:
            await asyncio.gather(there.carry(), back.carry())
        finally:
            for link in (there, back):
                self._links.pop(link, None)

    def _link(self, stream: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> Link:
        labels = (stream, self.name, self.listen, self.upstream)
        chain = [toxic for toxic in self.toxics if toxic.stream == stream]
        link = Link(source, sink, chain, self._counter("received", labels), self._counter("sent", labels))
        self._links[link] = stream
        return link

    def _counter(self, what: str, labels: tuple[str, ...]) -> Callable[[int], None]:
        def count(size: int) -> None:
            self._bytes[(what, *labels)] += size

        return count
