"""The relay: connects on Toxiproxy's behalf, each connection by itself. One file, standard library only, Python 3.9 on.

Toxiproxy connects to its upstream for one client after the other. While it waits for an address that does not answer, that of a
pod that was just killed or of a node without power, nobody else gets through, for up to two minutes: the proxy would be the
outage. So its upstream is this program, in the same pod, which takes every connection at once and keeps only those waiting
whose own address does not answer.

It listens on HOST (default 127.0.0.1) at the ports of ROUTES, a JSON object {port: "host:port"}, and when it does, at
POD_IP:HEALTH. A connection that cannot be made is closed; one whose client goes away is given up.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Callable, Optional  # noqa: UP035 - Python 3.9 too

MOST_WAITING = 256 * 1024  # bytes a client may send before its connection is made
PATIENCE = 60.0  # seconds to connect, where nobody gives up before


class End(asyncio.Protocol):
    """One end of a relayed connection; what it gets, the other end sends."""

    def __init__(self, other: Optional[End] = None) -> None:  # noqa: UP045
        self.other = other
        self.transport: Optional[asyncio.Transport] = None  # noqa: UP045
        self.has_ended = False  # it will send no more

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Half of it is over; the other half goes on until it is too."""
        self.has_ended = True
        self.other.transport.write_eof()
        return not self.other.has_ended

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Optional[Exception]) -> None:  # noqa: UP045
        if self.other and self.other.transport:
            (self.other.transport.abort if error else self.other.transport.close)()


class Client(End):
    """Who connects to us: keeps what it sends until the other end stands."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._where = host, port
        self._kept: list[bytes] = []
        self._connecting: Optional[asyncio.Task[None]] = None  # noqa: UP045

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            making = asyncio.get_running_loop().create_connection(lambda: End(self), *self._where)
            _, upstream = await asyncio.wait_for(making, PATIENCE)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041 - Python 3.9 too
            self.transport.abort()
            return
        self.other = upstream
        upstream.transport.writelines(self._kept)
        self._kept.clear()
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.other:
            super().data_received(data)
            return
        self._kept.append(data)
        if sum(map(len, self._kept)) > MOST_WAITING:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Before the connection stands it means that they gave up: what they asked for must not arrive after that."""
        return super().eof_received() if self.other else False

    def connection_lost(self, error: Optional[Exception]) -> None:  # noqa: UP045
        if not self.other:
            self._connecting.cancel()
        super().connection_lost(error)


def to(upstream: str) -> Callable[[], Client]:
    """Makes the client's end of connections to there."""
    host, _, port = upstream.rpartition(":")
    return lambda: Client(host.strip("[]"), int(port))


class Healthy(asyncio.Protocol):
    """Who can connect here knows that we listen."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.close()


async def serve(host: str, routes: dict[str, str], health: tuple[str, int]) -> None:
    """Until SIGTERM or SIGINT."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    for port, upstream in routes.items():
        await loop.create_server(to(upstream), host, int(port), backlog=1024)
    await loop.create_server(Healthy, *health)
    await over.wait()


if __name__ == "__main__":
    place = os.environ.get("POD_IP") or "127.0.0.1", int(os.environ["HEALTH"])
    asyncio.run(serve(os.environ.get("HOST") or "127.0.0.1", json.loads(os.environ["ROUTES"]), place))
