"""`checkout`: takes an order: looks at the stock, charges the card, stores the order, and only then says so.

With the payment vendor away, an order is stored as unpaid and charged later (`settle`). The customer is told by `X-Degraded`.
"""

import queue
import threading
import time
from typing import Any

from chaos.shop.calls import Reply
from chaos.shop.defences import Unavailable
from chaos.shop.role import Role
from chaos.shop.settings import CREDENTIALS_DIR, Settings
from chaos.shop.web import LOG, Answer, Request, Routes

_SETTLE_EVERY = 0.5
_QUIET = 3.0  # seconds without a failure before unpaid orders are charged one after the other
_WRITE_BEHIND = 1.5  # seconds that an order waits to be stored, with ack-before-stored


class Checkout(Role):
    """The defences are in its dependencies; the fallbacks are here."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._inventory = self.dependency("inventory")
        self._payments = self.dependency("payments")
        self._statement = self.dependency("payments")  # bookkeeping is not held up by the breaker that orders trip
        self._orders = self.dependency("orders")
        key_file = settings.path(CREDENTIALS_DIR) / "api-key"
        self._authorization = f"Bearer {key_file.read_text().strip()}" if key_file.is_file() else ""
        self._stock: dict[str, int] = {}
        self._to_store: queue.SimpleQueue[tuple[float, dict[str, Any]]] = queue.SimpleQueue()

    @property
    def routes(self) -> Routes:
        return {"POST /orders": self._order, "GET /ledger": self._ledger}

    def start(self) -> None:
        threading.Thread(target=self._settle_forever, daemon=True).start()
        if self.weak("ack-before-stored"):
            threading.Thread(target=self._store_forever, daemon=True).start()

    # --- an order

    def _order(self, request: Request) -> Answer:
        order = request.json()
        order = {"id": str(order["id"]), "sku": str(order["sku"]), "amount": int(order["amount"])}
        degraded: list[str] = []
        try:
            if not self._in_stock(order["sku"], degraded):
                return Answer(409, {"error": "out of stock"})
            order["charge"] = self._charge_or_defer(order, degraded)
            self._keep(order)
        except Unavailable as error:
            return Answer(503, {"error": f"the order was not taken: {error.reason}"})
        state = "charged" if order["charge"] else "payment-deferred"
        return Answer(201, {"id": order["id"], "state": state}, {"X-Degraded": ", ".join(degraded)} if degraded else {})

    def _in_stock(self, sku: str, degraded: list[str]) -> bool:
        try:
            reply = self._inventory.call("GET", f"/stock/{sku}", usable=_tells_stock)
        except Unavailable:
            if self.weak("no-fallback"):
                raise
            degraded.append("stock not checked")
            return self._stock.get(sku, 1) > 0
        left = int(reply.json()["left"]) if reply.status == 200 else 0
        self._stock[sku] = left
        return left > 0

    def _charge_or_defer(self, order: dict[str, Any], degraded: list[str]) -> str:
        try:
            return self._charge(order)
        except Unavailable:
            if self.weak("no-fallback"):
                raise
            degraded.append("payment deferred")
            return ""

    def _charge(self, order: dict[str, Any], *, background: bool = False) -> str:
        """The id of the charge. With an idempotency key the vendor charges once, however often it is asked."""
        headers = {"Authorization": self._authorization}
        if not self.weak("no-idempotency-key"):
            headers["Idempotency-Key"] = order["id"]
        reply = self._payments.call(
            "POST",
            "/charges",
            value={"order": order["id"], "amount": order["amount"]},
            headers=headers,
            usable=lambda reply: _is_charge_of(reply, order),
            background=background,
        )
        return str(reply.json()["charge"])

    def _keep(self, order: dict[str, Any]) -> None:
        if self.weak("ack-before-stored"):
            self._to_store.put((time.monotonic() + _WRITE_BEHIND, order))
        else:
            self._store(order)

    def _store(self, order: dict[str, Any]) -> None:
        self._orders.call("PUT", f"/orders/{order['id']}", value=order, usable=lambda reply: reply.json()["id"] == order["id"])

    def _store_forever(self) -> None:
        """The weakness: what customers were promised lies in memory for a while."""
        while not self.closed.is_set():
            due, order = self._to_store.get()
            self.closed.wait(max(0.0, due - time.monotonic()))
            try:
                self._store(order)
            except Unavailable as error:
                LOG.warning("order %s is not stored yet: %s", order["id"], error)
                self._to_store.put((time.monotonic() + _WRITE_BEHIND, order))

    # --- what was deferred

    def _settle_forever(self) -> None:
        while not self.closed.wait(_SETTLE_EVERY):
            try:
                self.settle()
            except Unavailable as error:
                LOG.info("unpaid orders have to wait: %s", error)

    def settle(self) -> None:
        """Charge the oldest unpaid order. While the vendor is failing that is its trial; no customer waits for it."""
        if not self._payments.breaker.is_open and self._payments.breaker.quiet_for() < _QUIET:
            return
        for order in self._orders.call("GET", "/unpaid").json()[:1]:
            order["charge"] = self._charge(order, background=True)
            self._store(order)

    # --- what the business has kept

    def _ledger(self, _: Request) -> Answer:
        """The orders joined with the vendor's statement: an order that was charged twice is there twice."""
        try:
            orders = self._orders.call("GET", "/orders").json()
            charges = self._statement.call("GET", "/charges", headers={"Authorization": self._authorization}).json()
        except Unavailable as error:
            return Answer(503, {"error": f"the ledger cannot be read: {error.reason}"})
        return Answer(200, join(orders, charges))


def join(orders: list[dict[str, Any]], charges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each charge of an order, one for an order without any. A charge without an order is no order kept."""
    made: dict[str, list[str]] = {}
    for charge in charges:
        made.setdefault(charge["order"], []).append(charge["charge"])
    return [
        {"id": order["id"], "sku": order["sku"], "amount": order["amount"], "charge": charge}
        for order in orders
        for charge in made.get(order["id"], [order["charge"]])
    ]


def _tells_stock(reply: Reply) -> bool:
    return reply.status == 404 or "left" in reply.json()


def _is_charge_of(reply: Reply, order: dict[str, Any]) -> bool:
    charge = reply.json()
    return bool(charge["status"] == "captured" and charge["order"] == order["id"] and charge["charge"])
