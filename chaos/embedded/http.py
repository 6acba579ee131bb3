"""A small HTTP/1.1 server: one handler for all requests, keep-alive, and streaming for watches."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_LONGEST_BODY = 8 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One request. `path` is without the query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    raw_query: str = ""

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True)
class Response:
    """One answer; with `stream` it is sent in chunks until the stream ends."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def as_json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode())


Handler = Callable[[Request], Awaitable[Response]]


async def serve_connection(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests of one connection until either side has had enough."""
    try:
        while (request := await _read(reader)) is not None:
            response = await handler(request)
            await _write(writer, response)
            if request.headers.get("connection", "").lower() == "close":
                break
    except (ConnectionError, asyncio.IncompleteReadError, ValueError, asyncio.LimitOverrunError):
        pass  # the client is gone, or does not speak HTTP
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (header := await reader.readline()).strip():
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    parts = urlsplit(target)
    return Request(
        method,
        parts.path,
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
        await _body(reader, headers),
        parts.query,
    )


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunks: list[bytes] = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            chunks.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(chunks)
    length = int(headers.get("content-length", 0))
    if length > _LONGEST_BODY:
        raise ValueError("body too long")
    return await reader.readexactly(length)


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    head = [
        f"HTTP/1.1 {response.status} {'OK' if response.status < 400 else 'Error'}",
        f"Content-Type: {response.content_type}",
    ]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.stream is None:
        head.append(f"Content-Length: {len(response.body)}")
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + response.body)
        await writer.drain()
        return
    head.append("Transfer-Encoding: chunked")
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
    async for chunk in response.stream:
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
