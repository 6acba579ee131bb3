"""`payments`: what stands for the payment vendor. TLS, an API key, idempotency keys, a quota, and a statement of all charges.

Calls beyond the quota are answered with 429 and count against it all the same, as vendors do.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from chaos.shop.role import Role
from chaos.shop.settings import CREDENTIALS_DIR, Settings
from chaos.shop.web import Answer, Request, Routes

_WORK = 0.008  # seconds that the card network takes


class Quota:
    """A bucket of calls a second; an empty one stays empty for as long as it is hammered."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._now = per_second, now
        self._left, self._at = per_second, now()
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            now = self._now()
            self._left = min(self._rate, self._left + (now - self._at) * self._rate)
            self._at = now
            self._left -= 1
            if self._left >= 0 or not self._rate:
                return True
            self._left = max(self._left, -self._rate)  # at most a second's worth of debt
            return False


class Payments(Role):
    """Keeps every charge it made, by idempotency key where there is one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        key_file = settings.path(CREDENTIALS_DIR) / "api-key"
        self._api_key = key_file.read_text().strip() if key_file.is_file() else ""
        self._quota = Quota(settings.quota)
        self._charges: list[dict[str, Any]] = []
        self._by_key: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def routes(self) -> Routes:
        return {"POST /charges": self._charge, "GET /charges": self._statement}

    def _charge(self, request: Request) -> Answer:
        if self._api_key and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return Answer(401, {"error": "unknown or revoked API key"})
        if not self._quota.take():
            return Answer(429, {"error": "more calls than your contract grants"}, {"Retry-After": "1"})
        order = request.json()
        charge = self._made(request.headers.get("Idempotency-Key", ""), order)
        time.sleep(_WORK)
        return Answer(201, charge)

    def _made(self, key: str, order: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if key and key in self._by_key:
                return self._by_key[key]
            charge = {
                "charge": f"ch-{len(self._charges) + 1:06d}",
                "order": str(order["order"]),
                "amount": int(order["amount"]),
                "status": "captured",
            }
            self._charges.append(charge)
            if key:
                self._by_key[key] = charge
            return charge

    def _statement(self, _: Request) -> Answer:
        with self._lock:
            return Answer(200, list(self._charges))
