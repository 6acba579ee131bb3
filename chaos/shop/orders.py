"""`orders`: the store that keeps what the business knows: every order, and whether it is paid."""

import threading
from typing import Any

from chaos.shop.role import Role
from chaos.shop.settings import Settings
from chaos.shop.web import Answer, Request, Routes


class Orders(Role):
    """One record an order id; storing the same order again changes nothing but its payment."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._orders: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def routes(self) -> Routes:
        return {"PUT /orders/": self._put, "GET /orders": self._all, "GET /unpaid": self._unpaid}

    def _put(self, request: Request) -> Answer:
        order = request.json()
        with self._lock:
            known = self._orders.get(request.name)
            if known is None or not known["charge"]:
                self._orders[request.name] = {
                    "id": request.name,
                    "sku": str(order["sku"]),
                    "amount": int(order["amount"]),
                    "charge": str(order.get("charge", "")),
                }
        return Answer(200, {"id": request.name})

    def _all(self, _: Request) -> Answer:
        with self._lock:
            return Answer(200, list(self._orders.values()))

    def _unpaid(self, _: Request) -> Answer:
        """The oldest orders whose payment was deferred."""
        with self._lock:
            unpaid = [order for order in self._orders.values() if not order["charge"]]
        return Answer(200, unpaid[:20])
