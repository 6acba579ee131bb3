"""Loopback addresses: each sandbox has a /16 of its own, pods in its lower half, Services in its upper."""

import random
import socket


class Addresses:
    """`127.A.0.0/16`, held by a listening socket as long as this lives."""

    def __init__(self) -> None:
        self._lock, self.network = _claim()
        self._next_pod = 256  # 127.A.1.0
        self._next_service = 128 * 256 + 1

    def pod(self) -> str:
        self._next_pod = self._next_pod + 1 if self._next_pod < 128 * 256 - 1 else 256
        return self._name(self._next_pod)

    def service(self) -> str:
        self._next_service += 1
        return self._name(self._next_service)

    def _name(self, number: int) -> str:
        return f"{self.network}.{number // 256}.{number % 256}"


def _claim() -> tuple[socket.socket, str]:
    for octet in random.sample(range(20, 250), 200):
        lock = socket.socket()
        try:
            lock.bind((f"127.{octet}.0.1", 1024))
            lock.listen(1)
        except OSError:
            lock.close()
            continue
        return lock, f"127.{octet}"
    raise SystemExit("no free loopback network is left: 200 sandboxes on one machine?")
