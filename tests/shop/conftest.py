"""A whole shop on loopback, in this process: every role behind a real socket."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaos.shop import certificates, service
from chaos.shop.calls import Peer
from chaos.shop.settings import TLS_DIR, Settings
from chaos.shop.web import Answer, Request, Routes, Server

CALLS = {
    "storefront": ("checkout", "inventory", "sessions"),
    "checkout": ("inventory", "payments", "orders"),
}


@dataclass
class Double:
    """Stands in the place of a role; `answer` may be changed while it runs, `seen` tells what it was asked."""

    answer: Callable[[Request], Answer]
    seen: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.seen.append(request)
        return self.answer(request)

    def routes_like(self, routes: Routes) -> Routes:
        return dict.fromkeys(routes, self)


@dataclass
class Shop:
    """The running roles by name; `peer` speaks to one of them."""

    root: Path
    servers: dict[str, Server] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)

    def start(self, *roles: str, weak: frozenset[str] = frozenset(), doubles: dict[str, Double] | None = None) -> "Shop":
        """Start the roles, the called before the callers."""
        for role in roles:
            self._start(role, weak, (doubles or {}).get(role))
        return self

    def _start(self, role: str, weak: frozenset[str], double: Double | None) -> None:
        urls = {name: self.url(name) for name in CALLS.get(role, ()) if name in self.servers}
        urls |= {name: "http://127.0.0.1:9" for name in CALLS.get(role, ()) if name not in self.servers}
        settings = Settings(
            role=role, weak=weak, urls=urls, host="127.0.0.1", port=0, root=self.root, tls_name="payments", start_delay=0.0
        )
        server = service.make(settings)
        if double is not None:
            server.routes = double.routes_like(server.routes)
        self.servers[role] = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self, role: str) -> None:
        server = self.servers.pop(role)
        server.shutdown()
        server.server_close()

    def url(self, role: str) -> str:
        server = self.servers[role]
        return f"{'https' if server.tls else 'http'}://127.0.0.1:{server.server_port}"

    def role(self, role: str) -> Any:
        """The object behind a server."""
        return self.servers[role].at_close.__self__  # type: ignore[attr-defined]

    def peer(self, role: str) -> Peer:
        self.peers.append(Peer(self.url(role)))
        return self.peers[-1]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = certificates.make(["payments"])
    folder = tmp_path / TLS_DIR.lstrip("/")
    folder.mkdir(parents=True)
    for name, text in (("ca.crt", made.authority), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_text(text)
    running = Shop(tmp_path)
    yield running
    for peer in running.peers:
        peer.close()
    for role in list(running.servers):
        running.stop(role)


@pytest.fixture
def double() -> type[Double]:
    return Double
