"""HTTP/1.1 as far as an API server needs it: keep-alive, chunked bodies, streamed answers that end with their reader."""

import asyncio
import contextlib
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from chaos.sandbox.status import Refusal, bad_request

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 8 * 1024 * 1024
_REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}


@dataclass(frozen=True)
class Request:
    """One request, read whole."""

    method: str
    path: str  # decoded
    raw_query: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip()


@dataclass(frozen=True)
class Response:
    """An answer: a body, or a stream of pieces sent as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, json.dumps(value, separators=(",", ":")).encode() + b"\n", headers=headers or {})


def body_of(request: Request) -> Any:
    """The body as JSON; 400 when it is not, 415 when it is meant to be something else."""
    if request.content_type not in ("", "application/json", "*/*"):
        why = f"the sandbox reads JSON, not {request.content_type}; with kubectl use apply -f or create -f"
        raise Refusal(415, "UnsupportedMediaType", why, details={})
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized: it is not a JSON object")
    return body


def _refused(refusal: Refusal, headers: dict[str, str]) -> Response:
    return as_json(refusal.body(), refusal.code, refusal.headers | headers)


Handler = Callable[[Request], Awaitable[Response]]


async def serve(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until it ends; whatever the handler refuses becomes a `Status`."""
    # Cancelled only when the daemon ends; asyncio 3.11 would print a traceback for each connection that is still open.
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        going = True
        while going:
            try:
                request = await _read(reader, writer)
            except Refusal as refusal:  # where the next request begins is not known
                await _write(_refused(refusal, {"Connection": "close"}), reader, writer)
                break
            if request is None:
                break
            try:
                response = await handler(request)
            except Refusal as refusal:
                response = _refused(refusal, {})
            except Exception:
                traceback.print_exc()
                response = _refused(Refusal(500, "InternalError", "the sandbox stumbled; see its log"), {})
            await _write(response, reader, writer)
            going = response.stream is None and request.headers.get("connection", "").lower() != "close"
    writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Refusal(431, "RequestHeaderFieldsTooLarge", "the head of the request is too large") from None
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, _version = lines[0].split(" ")
        pairs = (line.split(":", 1) for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
    except ValueError:
        raise bad_request("malformed HTTP request") from None
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    path, _, query = target.partition("?")
    return Request(method, unquote(path), query, headers, await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        pieces: list[bytes] = []
        while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
            _bounded(size + sum(len(each) for each in pieces))
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(pieces)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise bad_request("malformed Content-Length")
    _bounded(int(length))
    return await reader.readexactly(int(length))


def _bounded(size: int) -> None:
    if size > _BODY_LIMIT:
        raise Refusal(413, "RequestEntityTooLarge", f"limit is {_BODY_LIMIT} bytes")


async def _write(response: Response, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    headers = {"Content-Type": response.content_type, "Cache-Control": "no-cache, private"} | response.headers
    if response.stream is None:
        headers["Content-Length"] = str(len(response.body))
    else:
        headers |= {"Transfer-Encoding": "chunked", "Connection": "close"}
    head = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (response.body if response.stream is None else b""))
    await writer.drain()
    if response.stream is not None:
        await _pump(response.stream, reader, writer)


async def _pump(stream: AsyncIterator[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send pieces until the stream ends or the client goes away."""

    async def send() -> None:
        async for piece in stream:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.ensure_future(send())
    gone = asyncio.ensure_future(reader.read(1))
    await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
    for task in (sending, gone):
        task.cancel()
    await asyncio.gather(sending, gone, return_exceptions=True)
