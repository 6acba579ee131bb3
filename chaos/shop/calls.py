"""How one service calls another: pooled HTTP/1.1 connections, and the defences around a call.

A call fails as `Unavailable` with a short reason, whatever the way in which the other side is not there.
"""

import contextlib
import http.client
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from chaos.shop.defences import Breaker, Budget, Unavailable

_GONE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
_OVERLOADED = (429, 503)


@dataclass(frozen=True)
class Reply:
    """What the other side answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Client:
    """Where our connections come from, and whom they trust."""

    source: str = ""
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    max_age: float = 3.0
    """Seconds that a pooled connection lives: load balancing moves on, and so does whatever was put into the path."""
    connect_within: float = 0.2
    """Seconds after which a connection that nobody accepts is given up for another one, which may lead to another pod."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, client: Client, *, tls: bool, timeout: float | None) -> None:
        super().__init__(host, port, timeout=timeout, source_address=(client.source, 0) if client.source else None)
        self.born = time.monotonic()
        self._client, self._tls = client, tls

    def reach(self, deadline: float | None) -> None:
        """Be connected, with as many tries as the deadline has room for; without one a single try waits for ever."""
        while not self.sock:
            left = _left(deadline)
            self.timeout = left if left is None else min(left, self._client.connect_within)
            with contextlib.suppress(TimeoutError):
                self.connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(_left(deadline))
        if self._tls:
            context = self._client.tls or ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._client.tls_name or self.host)


class Peer:
    """Another service by its URL: a pool of connections to it."""

    def __init__(self, url: str, client: Client | None = None) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._client = client or Client()
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        *,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """One request, in full within `timeout` seconds (None = however long it takes); Unavailable without an answer."""
        body = None if value is None else json.dumps(value).encode()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            connection, reused = self._take(deadline)
            try:
                reply = _exchange(connection, (method, path, body, dict(headers or {})), deadline)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if reused and isinstance(error, _GONE):
                    continue  # an idle connection that the other side had closed: not an answer about its health
                raise Unavailable(_reason(error)) from error
            self._give_back(connection)
            return reply

    def close(self) -> None:
        """Close the idle connections, and from now on each one after its use."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            connection.close()

    def _take(self, deadline: float | None) -> tuple[_Connection, bool]:
        oldest = time.monotonic() - self._client.max_age
        with self._lock:
            aged = [connection for connection in self._idle if connection.born < oldest]
            self._idle = [connection for connection in self._idle if connection.born >= oldest]
            found = self._idle.pop() if self._idle else None
        for connection in aged:
            connection.close()
        return found or _Connection(self._host, self._port, self._client, tls=self._tls, timeout=_left(deadline)), bool(found)

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            keep = connection.sock is not None and not self._closed  # no socket: the other side asked to close
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("deadline passed")
    return left


def _exchange(connection: _Connection, request: tuple[str, str, bytes | None, dict[str, str]], deadline: float | None) -> Reply:
    if connection.sock is None:
        connection.reach(deadline)
    method, path, body, headers = request
    sock = connection.sock
    sock.settimeout(_left(deadline))
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    parts = []
    while response.length != 0:  # a trickle of bytes must not outlast the deadline
        sock.settimeout(_left(deadline))
        part = response.read1(65536)
        if not part:
            break
        parts.append(part)
    if response.length:
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    response.close()
    return Reply(response.status, response.headers, b"".join(parts))  # type: ignore[arg-type]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "reset" if isinstance(error, _GONE) else type(error).__name__


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a dependency is called. The defaults are the defences; a weakness takes one away."""

    timeout: float | None = 0.4
    attempts: int = 2
    pause: Callable[[int], float] = field(default=lambda _: 0.05 * random.uniform(0.5, 1.5))  # noqa: S311 jitter
    """Seconds before the n-th retry (1, 2, ...)."""
    budgeted: bool = True
    """Retries are at most a fifth of the calls, so that a failing dependency is not called more often than a healthy one."""
    overload_counts: bool = True
    """"Too many requests" and "unavailable" count as failures, and their Retry-After is heeded."""
    breaker: bool = True


class Dependency:
    """A peer with its defences: timeout, bounded retries within a budget, circuit breaker."""

    def __init__(self, name: str, peer: Peer, policy: Policy | None = None) -> None:
        self.name, self._peer, self._policy = name, peer, policy or Policy()
        self.breaker = Breaker()
        self._budget = Budget()

    def close(self) -> None:
        self._peer.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
        usable: Callable[[Reply], bool] = lambda _: True,
        background: bool = False,
    ) -> Reply:
        """A usable reply, or Unavailable. `background`: no customer waits, so this call may be the breaker's early trial."""
        policy = self._policy
        request = partial(self._peer.request, method, path, value=value, headers=headers, timeout=policy.timeout)
        self._budget.called()
        attempt = 0
        while True:
            attempt += 1
            if policy.breaker and not self.breaker.allows(background=background):
                raise Unavailable("circuit-open")
            try:
                return self._attempt(request, usable)
            except Unavailable as error:
                if attempt >= policy.attempts or not _worth_a_retry(error) or (policy.budgeted and not self._budget.take()):
                    raise
            time.sleep(policy.pause(attempt))

    def _attempt(self, request: Callable[[], Reply], usable: Callable[[Reply], bool]) -> Reply:
        try:
            reply = request()
            _refuse_unusable(reply, usable)
        except Unavailable as error:
            if error.status not in _OVERLOADED:
                self.breaker.failed()
            elif self._policy.overload_counts:
                self.breaker.failed(hold=error.retry_after)
            raise
        self.breaker.succeeded()
        return reply


def _refuse_unusable(reply: Reply, usable: Callable[[Reply], bool]) -> None:
    if reply.status >= 500 or reply.status in (401, 403, 429):
        raise Unavailable(f"status-{reply.status}", status=reply.status, retry_after=_retry_after(reply))
    try:
        good = usable(reply)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise Unavailable("wrong-answer", status=reply.status)


def _retry_after(reply: Reply) -> float:
    try:
        return min(30.0, float(reply.headers.get("Retry-After") or 0))
    except ValueError:
        return 0.0  # an HTTP date: the breaker's own cool-off will do


def _worth_a_retry(error: Unavailable) -> bool:
    return error.status not in (401, 403) and error.reason not in ("circuit-open", "wrong-answer")
