"""As much of HTTP/1.1 as an admin API needs: keep-alive, bodies by length or in chunks."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_JSON = "application/json"
_REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
_REASONS |= {405: "Method Not Allowed", 409: "Conflict", 500: "Internal Server Error"}
_BODY_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    agent: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What it gets."""

    status: int
    body: bytes = b""
    content_type: str = _JSON

    @classmethod
    def of(cls, value: object, status: int = 200) -> "Answer":
        return cls(status, json.dumps(value).encode())


async def serve(answer: Callable[[Request], Awaitable[Answer]], host: str, port: int) -> asyncio.Server:
    """Listen, and answer every request of every connection."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                _write(writer, await answer(request))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # not HTTP, or gone: nobody is left to tell
        finally:
            writer.close()

    return await asyncio.start_server(connection, host, port)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the client has no more."""
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        key, _, value = line.decode("latin-1").partition(":")
        headers[key.strip().lower()] = value.strip()
    body = await _body(reader, headers)
    return Request(method, path, headers.get("user-agent", ""), body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(min(int(headers.get("content-length", 0)), _BODY_LIMIT))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        if len(body) + size > _BODY_LIMIT:
            raise ValueError("body too large")
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}"]
    if answer.status != 204:
        lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
