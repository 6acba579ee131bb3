"""Loopback addresses: each sandbox has a /16 of its own, pods in its lower half, Services in its upper."""

import ipaddress
import random
import socket

_LOCK_PORT = 10250  # where a node's kubelet listens


class Addresses:
    """`127.A.0.0/16`, held by a listening socket as long as this lives."""

    def __init__(self) -> None:
        self._lock, self.network = _claim()
        self._used: set[str] = set()
        self._turn: dict[int, int] = {}
        self._services: dict[tuple[str, str], str] = {}

    def node(self, number: int) -> str:
        return f"{self.network}.0.{number + 1}"

    def pod_range(self, number: int) -> str:
        return f"{self.network}.{number}.0/24"

    def pod(self, node: int) -> str:
        """A free address on a node; the one freed last comes last."""
        for _ in range(254):
            self._turn[node] = self._turn.get(node, 0) % 254 + 1
            address = f"{self.network}.{node}.{self._turn[node]}"
            if address not in self._used:
                self._used.add(address)
                return address
        raise RuntimeError(f"node {node} has no free pod address")

    def free_pod(self, address: str) -> None:
        self._used.discard(address)

    def service(self, namespace: str, name: str) -> str:
        """The address that goes with a Service's name for as long as the sandbox lives: programs that resolved
        the name once find the Service again after it was deleted and made anew, as through DNS on a cluster."""
        key = (namespace, name)
        if key not in self._services:
            number = len(self._services) + 1
            self._services[key] = f"{self.network}.{128 + number // 250}.{number % 250 + 1}"
        return self._services[key]

    def is_service(self, address: str) -> bool:
        try:
            parts = ipaddress.IPv4Address(address).packed
        except ValueError:
            return False
        return f"{parts[0]}.{parts[1]}" == self.network and parts[2] >= 128


def _claim() -> tuple[socket.socket, str]:
    for octet in random.sample(range(16, 250), 234):
        lock = socket.socket()
        try:
            lock.bind((f"127.{octet}.0.1", _LOCK_PORT))
            lock.listen(1)
        except OSError:
            lock.close()
            continue
        return lock, f"127.{octet}"
    raise SystemExit("no free loopback network 127.x.0.0/16 is left")
