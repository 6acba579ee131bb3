"""One direction of one proxied connection: a reader, a chain of toxics that may change at any time, a writer."""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence

from chaos.sandbox.toxiproxy.toxics import TYPES, Chunk, Interrupted, Toxic

_READ = 32 * 1024
_PATIENT = 1024  # chunks that may wait in a link with latency, as in the real one's buffer
_PROMPT = 4  # ... and in any other
_LINGER_0 = struct.pack("ii", 1, 0)


class LinkStage:
    """One toxic at work on one link. Toxicity is drawn when the stage begins: once a connection, not once a request."""

    def __init__(self, toxic: Toxic, link: "Link") -> None:
        self.toxic = toxic
        self.waiting: deque[Chunk] = deque()
        self.state: dict[str, int] = {}
        self._link = link
        self._wake = asyncio.Event()
        self._changed = False
        self._over = False
        self.removed = False
        self.task = asyncio.ensure_future(self._run())

    def push(self, chunk: Chunk) -> None:
        if not self._over:
            self.waiting.append(chunk)
            self._wake.set()

    def change(self, *, removed: bool = False) -> None:
        """The toxic says something else now, or is gone: let go of what is held and start again."""
        self.removed = self.removed or removed
        self._changed = True
        self._wake.set()

    async def _run(self) -> None:
        while not self.removed:
            self._changed = False
            hit = random.random() < self.toxic.toxicity  # noqa: S311
            pipe = TYPES[self.toxic.type if hit else "noop"][0]
            try:
                await pipe(self.toxic, self)
            except Interrupted:
                continue
            self.close()
            return
        self._retire(cut=self.toxic.type == "timeout")

    def _retire(self, *, cut: bool) -> None:
        """Leave the chain. The real one cuts the connections of a `timeout` that is removed: their data is lost."""
        if cut:
            self.close()
            return
        for chunk in self.waiting:
            self._link.after(self, chunk)
        self._over = True
        self._link.forget(self)

    # -- what a toxic sees -------------------------------------------------------------------------------------------

    async def next(self) -> Chunk:
        chunk = await self.wait_next(None)
        assert chunk is not None
        return chunk

    async def wait_next(self, seconds: float | None) -> Chunk | None:
        """The next chunk; None when there was none for `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.waiting or self._changed:
            if self._changed:
                raise Interrupted
            if not await self._woken(None if deadline is None else deadline - time.monotonic()):
                return None
        if self.waiting[0][1]:
            self._link.room.set()
            return self.waiting.popleft()
        return self.waiting[0]  # the end stays the end, for the toxic that begins again

    async def pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._changed:
            if not await self._woken(deadline - time.monotonic()):
                return
        raise Interrupted

    async def _woken(self, seconds: float | None) -> bool:
        """Whether something came, or changed, within `seconds`."""
        self._wake.clear()
        if seconds is not None and seconds <= 0:
            return False
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def emit(self, chunk: Chunk) -> None:
        self._link.after(self, chunk)

    def close(self) -> None:
        """Nothing more leaves this stage."""
        if not self._over:
            self._over = True
            self.waiting.clear()
            self._link.room.set()
            self._link.after(self, (time.monotonic(), b""))


class Link:
    """Carries bytes from `source` to `sink` through the stages; ends with the sink closed."""

    def __init__(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        chain: Sequence[Toxic],
        received: Callable[[int], None],
        sent: Callable[[int], None],
    ) -> None:
        self.room = asyncio.Event()
        self._source, self._sink = source, sink
        self._received, self._sent = received, sent
        self._out: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self.stages = [LinkStage(toxic, self) for toxic in chain]

    def after(self, stage: LinkStage | None, chunk: Chunk) -> None:
        """Hand a chunk to whatever comes after `stage` now; None = the beginning of the chain."""
        place = 0 if stage is None else self.stages.index(stage) + 1
        if place < len(self.stages):
            self.stages[place].push(chunk)
        else:
            self._out.append(chunk[1])
            self._ready.set()

    def add(self, toxic: Toxic) -> None:
        self.stages.append(LinkStage(toxic, self))

    def changed(self, toxic: Toxic, *, removed: bool = False) -> None:
        for stage in self.stages:
            if stage.toxic is toxic:
                stage.change(removed=removed)

    def forget(self, stage: LinkStage) -> None:
        self.stages.remove(stage)
        self.room.set()

    async def carry(self) -> None:
        """Until the stream has ended and the sink is closed."""
        reading = asyncio.ensure_future(self._read())
        try:
            await self._write()
        finally:
            reading.cancel()
            for stage in self.stages:
                stage.task.cancel()

    async def _read(self) -> None:
        try:
            while data := await self._source.read(_READ):
                self._received(len(data))
                self.after(None, (time.monotonic(), data))
                await self._have_room()
        except OSError:
            pass  # the peer reset the connection: that is its end
        self.after(None, (time.monotonic(), b""))

    async def _have_room(self) -> None:
        while self._held() >= (_PATIENT if any(s.toxic.type == "latency" for s in self.stages) else _PROMPT):
            self.room.clear()
            await self.room.wait()

    def _held(self) -> int:
        return len(self._out) + sum(len(stage.waiting) for stage in self.stages)

    async def _write(self) -> None:
        try:
            while True:
                while not self._out:
                    self._ready.clear()
                    await self._ready.wait()
                data = self._out.popleft()
                self.room.set()
                if not data:
                    return
                self._sink.write(data)
                self._sent(len(data))
                await self._sink.drain()
        except OSError:
            return
        finally:
            self._close_sink()

    def _close_sink(self) -> None:
        """Closing sends a reset where linger was set to 0, and waits for nobody."""
        if lingers_not(self._sink):
            self._sink.transport.abort()
        else:
            self._sink.close()


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Make the end of this connection a reset (RST) instead of a farewell (FIN)."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)


def lingers_not(writer: asyncio.StreamWriter) -> bool:
    sock = writer.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return False
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_LINGER_0)) == _LINGER_0)
