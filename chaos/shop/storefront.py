"""`storefront`: where customers come in: browse the products, place an order, and list what the business has kept."""

import contextlib
from typing import Any

from chaos.shop.defences import Stale, Unavailable
from chaos.shop.role import Role
from chaos.shop.settings import Settings
from chaos.shop.web import Answer, Request, Routes

_CACHE_FOR = 2.0  # seconds that the catalogue lives in the cache
_CATALOGUE_PATIENCE = 0.6  # reading it takes the origin a while
_STALE_AFTER = 4.0  # seconds from which a customer is told that the catalogue is an old one


class Storefront(Role):
    """Keeps the catalogue in the shared cache, and with its defences on also a copy of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._checkout = self.dependency("checkout")
        self._inventory = self.dependency("inventory", patience=_CATALOGUE_PATIENCE)
        self._sessions = self.dependency("sessions")
        self._own_copy: Stale[list[dict[str, Any]]] = Stale(self._fetch, fresh_for=_CACHE_FOR)

    @property
    def routes(self) -> Routes:
        return {"GET /products": self._products, "POST /orders": self._order, "GET /orders": self._ledger}

    def _products(self, _: Request) -> Answer:
        try:
            products, age = (self._fetch(), 0.0) if self.weak("cache-stampede") else self._own_copy.get()
        except Unavailable as error:
            return Answer(503, {"error": f"the catalogue is not there: {error.reason}"})
        return Answer(200, products, {"X-Degraded": "older catalogue"} if age > _STALE_AFTER else {})

    def _fetch(self) -> list[dict[str, Any]]:
        """From the cache; else from its origin, and then into the cache."""
        try:
            reply = self._sessions.call("GET", "/cache/catalogue", usable=lambda reply: bool(reply.json()))
            if reply.status == 200:
                return list(reply.json())
        except Unavailable:
            if self.weak("no-fallback"):
                raise
        products = list(self._inventory.call("GET", "/catalogue", usable=lambda reply: reply.json()[0]["sku"]).json())
        self._remember("catalogue", products, _CACHE_FOR)
        return products

    def _remember(self, key: str, value: Any, lives: float) -> None:
        with contextlib.suppress(Unavailable):  # a cache may forget
            self._sessions.call("PUT", f"/cache/{key}", value=value, headers={"Cache-For": str(lives)})

    def _order(self, request: Request) -> Answer:
        order = request.json()
        customer = str(request.headers.get("X-Customer", "guest"))
        try:
            self._greet(customer)
            reply = self._checkout.call("POST", "/orders", value=order)
        except Unavailable as error:
            return Answer(503, {"error": f"the order was not taken: {error.reason}"})
        degraded = reply.headers.get("X-Degraded")
        return Answer(reply.status, reply.json(), {"X-Degraded": degraded} if degraded else {})

    def _greet(self, customer: str) -> None:
        """Know the customer again by the session in the cache; a new or forgotten one is a guest."""
        try:
            reply = self._sessions.call("GET", f"/cache/session-{customer}")
        except Unavailable:
            if self.weak("no-fallback"):
                raise
            return
        if reply.status == 404:
            self._remember(f"session-{customer}", {"customer": customer}, 60.0)

    def _ledger(self, _: Request) -> Answer:
        try:
            return Answer(200, self._checkout.call("GET", "/ledger").json())
        except Unavailable as error:
            return Answer(503, {"error": f"the ledger cannot be read: {error.reason}"})
