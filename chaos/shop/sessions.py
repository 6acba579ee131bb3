"""`sessions`: the cache. It keeps customers' sessions and the catalogue in memory, each for as long as it is told."""

import threading
import time
from typing import Any

from chaos.shop.role import Role
from chaos.shop.settings import Settings
from chaos.shop.web import Answer, Request, Routes

_MOST = 10_000  # entries; the oldest goes first


class Sessions(Role):
    """A key-value store that forgets."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._entries: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    @property
    def routes(self) -> Routes:
        return {"GET /cache/": self._get, "PUT /cache/": self._put}

    def _get(self, request: Request) -> Answer:
        expires, value = self._entries.get(request.name, (0.0, None))
        if time.monotonic() >= expires:
            return Answer(404, {"error": "not in the cache"})
        return Answer(200, value)

    def _put(self, request: Request) -> Answer:
        lives = float(request.headers.get("Cache-For", "60"))
        with self._lock:
            self._entries.pop(request.name, None)
            self._entries[request.name] = (time.monotonic() + lives, request.json())
            if len(self._entries) > _MOST:
                del self._entries[next(iter(self._entries))]
        return Answer(200, {"kept": request.name})
