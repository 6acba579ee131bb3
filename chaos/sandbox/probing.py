"""Probes: a question at a pace, and thresholds that turn answers into a state."""

import asyncio
import ssl
from collections.abc import Callable
from functools import cache

from chaos.sandbox.store import Obj

_EAGER = 0.1  # seconds between the questions to a container that has never said yes


@cache
def _any_certificate() -> ssl.SSLContext:
    """A probe asks whether the pod answers, not who it is; as a kubelet's does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def watch(probe: Obj, pod: Obj, container: Obj, told: Callable[[bool, str], None], *, eager: bool) -> None:
    """Ask for ever; `told(True, "")` or `told(False, why)` each time a threshold is reached.

    `eager`: until the first yes it asks more often than its period, so that the sandbox starts fast.
    """
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    yes = no = 0
    ever = False
    while True:
        why = await _ask(probe, pod, container)
        yes, no = (0, no + 1) if why else (yes + 1, 0)
        if yes >= probe["successThreshold"]:
            ever = True
            told(True, "")
        elif no >= probe["failureThreshold"]:
            told(False, why)
        await asyncio.sleep(_EAGER if eager and not ever else probe["periodSeconds"])


async def _ask(probe: Obj, pod: Obj, container: Obj) -> str:
    """Nothing when the container is well, else what is wrong."""
    action = probe.get("httpGet") or probe["tcpSocket"]
    port = _port(action["port"], container)
    if port is None:
        return f"invalid port {action['port']}"
    host = action.get("host") or pod["status"]["podIP"]
    try:
        async with asyncio.timeout(probe["timeoutSeconds"]):
            return await (_http(action, host, port) if "httpGet" in probe else _tcp(host, port))
    except TimeoutError:
        return f"no answer from {host}:{port} within {probe['timeoutSeconds']} s"
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
        return f"dial tcp {host}:{port}: {error}"


def _port(port: int | str, container: Obj) -> int | None:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    return next((each["containerPort"] for each in container.get("ports") or () if each.get("name") == port), None)


async def _tcp(host: str, port: int) -> str:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return ""


async def _http(action: Obj, host: str, port: int) -> str:
    secure = _any_certificate() if action.get("scheme") == "HTTPS" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
        headers |= {each["name"]: each["value"] for each in action.get("httpHeaders") or ()}
        lines = [f"GET {action.get('path', '/')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        return "" if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"
    finally:
        writer.close()
