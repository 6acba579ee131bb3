"""`inventory`: the origin of the catalogue and of stock levels.

Reading the whole catalogue is dear: it takes one of few database connections for a while. Reading one stock level is cheap.
"""

import threading
import time

from chaos.shop.catalogue import PRODUCTS
from chaos.shop.role import Role
from chaos.shop.settings import Settings
from chaos.shop.web import Answer, Request, Routes

_DATABASE_CONNECTIONS = 1
_CATALOGUE_QUERY = 0.15  # seconds; it waits, it does not compute


class Inventory(Role):
    """Answers from memory; the catalogue as slowly as its database would."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._database = threading.BoundedSemaphore(_DATABASE_CONNECTIONS)

    @property
    def routes(self) -> Routes:
        return {"GET /catalogue": self._catalogue, "GET /stock/": self._stock}

    def _catalogue(self, _: Request) -> Answer:
        with self._database:
            time.sleep(_CATALOGUE_QUERY)
        return Answer(200, list(PRODUCTS.values()))

    def _stock(self, request: Request) -> Answer:
        if request.name not in PRODUCTS:
            return Answer(404, {"error": f"no such product: {request.name}"})
        return Answer(200, {"sku": request.name, "left": 1000})
