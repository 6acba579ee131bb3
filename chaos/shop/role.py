"""What every role has in common: its routes, and dependencies with their defences, of which a weakness takes one away."""

import random
import ssl
import threading
from dataclasses import replace

from chaos.shop.calls import Client, Dependency, Peer, Policy
from chaos.shop.settings import TLS_DIR, Settings
from chaos.shop.web import Routes

_PATIENCE = {"checkout": 2.0, "payments": 0.4, "inventory": 0.3, "sessions": 0.2, "orders": 0.5}
"""Seconds that a caller waits at most for one answer of each dependency."""


class Role:
    """One service of the shop, from its start to its close."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.closed = threading.Event()
        self._called: list[Dependency] = []

    @property
    def routes(self) -> Routes:
        raise NotImplementedError

    def weak(self, code: str) -> bool:
        """Whether the configuration switches this weakness on."""
        return code in self.settings.weak

    def dependency(self, name: str, patience: float | None = None) -> Dependency:
        """The dependency by its name, called as the configuration says; `patience` = seconds, where not the usual ones."""
        self._called.append(_dependency(name, self.settings, patience or _PATIENCE[name]))
        return self._called[-1]

    def start(self) -> None:
        """Begin the background work, where there is any."""

    def close(self) -> None:
        """End the background work and the connections to others."""
        self.closed.set()
        for dependency in self._called:
            dependency.close()


def _dependency(name: str, settings: Settings, patience: float) -> Dependency:
    ca_file = settings.path(TLS_DIR) / "ca.crt"
    client = Client(
        source=settings.source,
        tls=ssl.create_default_context(cafile=str(ca_file)) if name == "payments" and ca_file.is_file() else None,
        tls_name=settings.tls_name if name == "payments" else "",
    )
    return Dependency(name, Peer(settings.urls[name], client), _policy(name, settings.weak, patience))


def _policy(name: str, weak: frozenset[str], patience: float) -> Policy:
    policy = Policy(timeout=None if "no-timeout" in weak else patience, breaker="no-circuit-breaker" not in weak)
    if name in ("inventory", "sessions"):
        return replace(policy, attempts=1)  # there is a good answer without them
    if name == "payments" and "retry-storm" in weak:
        return replace(policy, attempts=10, pause=_hammer, budgeted=False, overload_counts=False)
    if name == "payments" and "no-retry-budget" in weak:
        return replace(policy, attempts=4, pause=_exponential, budgeted=False)
    return policy


def _exponential(retry: int) -> float:
    """Polite towards the vendor for one customer; with many customers at once it is not."""
    return 0.25 * float(2 ** (retry - 1)) * random.uniform(0.9, 1.1)  # noqa: S311 jitter


def _hammer(_: int) -> float:
    return 0.15
