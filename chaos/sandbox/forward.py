"""`pods/NAME:PORT/proxy/...` and `services/NAME:PORT/proxy/...`: an HTTP request passed on to a pod."""

import asyncio

from chaos.sandbox.http import Request, Response
from chaos.sandbox.kinds import Resource
from chaos.sandbox.status import Refusal, bad_request, not_found
from chaos.sandbox.store import Obj, Store

_TIMEOUT = 30.0
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "content-length",
    "host",
    "authorization",
    "expect",
    "proxy-authorization",
}


def unreachable(why: str) -> Refusal:
    return Refusal(503, "ServiceUnavailable", f"error trying to reach service: {why}")


async def through_proxy(store: Store, request: Request, resource: Resource, key: tuple[str, str], path: list[str]) -> Response:
    """The pod's own answer, whatever its status; 503 when it cannot be reached."""
    namespace, (name, port) = key[0], _name_and_port(key[1])
    obj = store.find(resource.kind, namespace, name)
    if obj is None:
        raise not_found(resource, name)
    address = _pod_address(obj, port) if resource.kind == "Pod" else _service_address(obj, port)
    target = "/" + "/".join(path) + (f"?{request.raw_query}" if request.raw_query else "")
    try:
        return await asyncio.wait_for(_ask(request, address, target), _TIMEOUT)
    except TimeoutError:
        raise unreachable(f"no answer within {_TIMEOUT:.0f} s") from None
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
        reason = "connect: connection refused" if isinstance(error, ConnectionRefusedError) else str(error) or "EOF"
        raise unreachable(f"dial tcp {address[0]}:{address[1]}: {reason}") from None


def _name_and_port(text: str) -> tuple[str, str]:
    """`[scheme:]name[:port]`."""
    parts = text.split(":")
    if len(parts) == 3:
        return parts[1], parts[2]
    return parts[0], parts[1] if len(parts) > 1 else ""


def _pod_address(pod: Obj, port: str) -> tuple[str, int]:
    address = pod["status"].get("podIP")
    if not address:
        raise unreachable(f'address not allowed: pod "{pod["metadata"]["name"]}" has no address')
    ports = [each for container in pod["spec"]["containers"] for each in container.get("ports") or ()]
    if not port:
        return address, ports[0]["containerPort"] if ports else 80
    named = next((each["containerPort"] for each in ports if each.get("name") == port), port)
    if not str(named).isdigit():
        raise bad_request(f'invalid port "{port}"')
    return address, int(named)


def _service_address(service: Obj, port: str) -> tuple[str, int]:
    ports = service["spec"].get("ports") or []
    for each in ports:
        if port in (each.get("name"), str(each["port"])) or (not port and len(ports) == 1):
            return service["spec"]["clusterIP"], each["port"]
    raise unreachable(f'no endpoints available for service "{service["metadata"]["name"]}:{port}"')


async def _ask(request: Request, address: tuple[str, int], target: str) -> Response:
    reader, writer = await asyncio.open_connection(*address)
    try:
        kept = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        headers = kept | {"host": f"{address[0]}:{address[1]}", "connection": "close", "content-length": str(len(request.body))}
        lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        pairs = (line.split(":", 1) for line in head[1:] if line)
        answer = {name.strip().lower(): value.strip() for name, value in pairs}
        body = b"" if request.method == "HEAD" or status in (204, 304) else await _body(reader, answer)
    finally:
        writer.close()
    kind = answer.pop("content-type", "text/plain")
    passed = {name.title(): value for name, value in answer.items() if name not in _HOP_BY_HOP}
    return Response(status, body, kind, passed)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        pieces = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        return b"".join(pieces)
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read()
