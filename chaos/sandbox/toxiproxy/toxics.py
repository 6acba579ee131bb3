"""The eight toxics: each is an async function that moves chunks from a stage's input to its output until the stream ends.

`stage.next()` and `stage.pause()` raise Interrupted when the toxic is changed or removed; data that a toxic holds at
that moment goes out at once, so that no toxic but `timeout`, `limit_data` and `reset_peer` ever loses a byte.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

Chunk = tuple[float, bytes]
"""When the bytes were read from the wire (monotonic), and the bytes; empty bytes are the end of the stream."""


class Interrupted(Exception):
    """The toxic was changed or removed: start again with what it says now."""


class Stage(Protocol):
    """What a toxic sees of its place in one connection's chain."""

    state: dict[str, int]

    async def next(self) -> Chunk: ...
    async def pause(self, seconds: float) -> None: ...
    async def wait_next(self, seconds: float) -> Chunk | None: ...
    def emit(self, chunk: Chunk) -> None: ...
    def close(self) -> None: ...


@dataclass
class Toxic:
    """A toxic as the API shows it."""

    name: str
    type: str
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "attributes": self.attributes,
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }


async def noop(toxic: Toxic, stage: Stage) -> None:
    while (chunk := await stage.next())[1]:
        stage.emit(chunk)


async def latency(toxic: Toxic, stage: Stage) -> None:
    """Each chunk leaves `latency` +- `jitter` milliseconds after it came."""
    while (chunk := await stage.next())[1]:
        read_at, data = chunk
        jitter = toxic.attributes["jitter"]
        delay = toxic.attributes["latency"] + (random.randrange(2 * jitter) - jitter if jitter > 0 else 0)  # noqa: S311
        left = read_at + delay / 1000 - time.monotonic()
        try:
            await stage.pause(left)
        except Interrupted:
            stage.emit(chunk)
            raise
        stage.emit((read_at + max(0.0, left), data))


async def bandwidth(toxic: Toxic, stage: Stage) -> None:
    """At most `rate` kB a second, in pieces of 100 ms; a rate of 0 passes nothing on slowly, it does not limit."""
    owed = 0.0
    while (chunk := await stage.next())[1]:
        read_at, data = chunk
        rate = toxic.attributes["rate"]
        try:
            if rate > 0:
                owed += len(data) / rate / 1000
                while len(data) > rate * 100:
                    await stage.pause(0.1)
                    stage.emit((read_at, data[: rate * 100]))
                    data, owed = data[rate * 100 :], owed - 0.1
            started = time.monotonic()
            await stage.pause(owed)
            owed = owed - (time.monotonic() - started) if rate > 0 else 0.0
        except Interrupted:
            stage.emit((read_at, data))
            raise
        stage.emit((read_at, data))


async def slow_close(toxic: Toxic, stage: Stage) -> None:
    """The end of the stream is told `delay` milliseconds late."""
    await noop(toxic, stage)
    await stage.pause(toxic.attributes["delay"] / 1000)


async def timeout(toxic: Toxic, stage: Stage) -> None:
    """Nothing passes; after `timeout` milliseconds without data the connection closes, 0 = never."""
    while True:
        limit = toxic.attributes["timeout"] / 1000
        chunk = await stage.wait_next(limit) if limit > 0 else await stage.next()
        if chunk is None or not chunk[1]:
            return


async def reset_peer(toxic: Toxic, stage: Stage) -> None:
    """`timeout` milliseconds after the first data the connection is cut; what was read is dropped."""
    await stage.next()
    until = time.monotonic() + toxic.attributes["timeout"] / 1000
    while (left := until - time.monotonic()) > 0:
        try:
            await stage.pause(left)
        except Interrupted:
            break  # the first data is gone already: this connection cannot be healed
    stage.close()


def slices(toxic: Toxic, start: int, end: int) -> list[tuple[int, int]]:
    """Pieces of about `average_size`, more or less by `size_variation`."""
    variation = toxic.attributes["size_variation"]
    if end - start - toxic.attributes["average_size"] <= variation or end - start < 2:
        return [(start, end)]
    middle = start + (end - start) // 2
    if variation > 0:
        middle += random.randrange(2 * variation) - variation  # noqa: S311
    middle = min(max(middle, start + 1), end - 1)
    return slices(toxic, start, middle) + slices(toxic, middle, end)


async def slicer(toxic: Toxic, stage: Stage) -> None:
    """Each chunk leaves in small pieces, `delay` microseconds apart."""
    while (chunk := await stage.next())[1]:
        read_at, data = chunk
        for start, end in slices(toxic, 0, len(data)):
            stage.emit((read_at, data[start:end]))
            try:
                await stage.pause(toxic.attributes["delay"] / 1_000_000)
            except Interrupted:
                if end < len(data):
                    stage.emit((read_at, data[end:]))
                raise


async def limit_data(toxic: Toxic, stage: Stage) -> None:
    """After `bytes` bytes the connection closes."""
    while (chunk := await stage.next())[1]:
        left = max(0, toxic.attributes["bytes"] - stage.state.get("passed", 0))
        data = chunk[1][:left]
        stage.state["passed"] = stage.state.get("passed", 0) + len(data)
        if data:
            stage.emit((chunk[0], data))
        if len(data) == left:
            return


Pipe = Callable[[Toxic, Stage], Awaitable[None]]

TYPES: dict[str, tuple[Pipe, tuple[str, ...]]] = {
    "latency": (latency, ("latency", "jitter")),
    "bandwidth": (bandwidth, ("rate",)),
    "slow_close": (slow_close, ("delay",)),
    "timeout": (timeout, ("timeout",)),
    "reset_peer": (reset_peer, ("timeout",)),
    "slicer": (slicer, ("average_size", "size_variation", "delay")),
    "limit_data": (limit_data, ("bytes",)),
    "noop": (noop, ()),
}
"""type -> (what it does, the attributes that it knows; all default to 0 and others are ignored, as by the real one)."""
