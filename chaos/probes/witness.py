"""Asks the witness of a run for its readings. A witness that cannot be reached gives none, and `trouble` says why."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from chaos.clients.world import Cluster
from chaos.clock import Clock, RealClock
from chaos.errors import ClusterError
from chaos.model.dose import Route

PORT = 8470
_MOST_PAGES = 10  # 2,000 readings each; a reader that lags behind further misses the middle


class Witness:
    """The pod that takes readings where a fault is felt. No call raises for what the pod or the network does."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, *, clock: Clock | None = None) -> None:
        self.trouble = ""  # why the last call got nothing; "" = it got an answer
        self._cluster = cluster
        self._namespace = namespace
        self._pod = pod
        self._clock = clock or RealClock()

    def set_routes(self, routes: Sequence[Route]) -> bool:
        """Have it watch these routes and no others; readings of routes that stay are not interrupted."""
        return self._ask("PUT", "/routes", lambda answer: True, body=[route.as_json() for route in routes]) or False

    def readings(self, since: int = 0) -> list[dict[str, Any]]:
        """All readings after number `since`, oldest first; `at` is in seconds of *our* clock, good to half a round trip."""
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            page = self._ask("GET", f"/readings?since={since}", self._aligned)
            if not page:
                break
            found += page
            since = page[-1]["seq"]
            if len(page) < 2000:
                break
        return found

    def _aligned(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        offset = self._asked_at - float(answer["now"])
        return [{**reading, "at": float(reading["at"]) + offset} for reading in answer["readings"]]

    def _ask(self, method: str, path: str, use: Callable[[dict[str, Any]], Any], body: object | None = None) -> Any:
        began = self._clock.now()
        try:
            status, data = self._cluster.pod_request(self._namespace, self._pod, PORT, method, path, body)
            self._asked_at = (began + self._clock.now()) / 2
            if status != 200:
                self.trouble = f"the witness answered {status}: {data[:200].decode(errors='replace')}"
                return None
            found = use(json.loads(data))
        except ClusterError as error:
            self.trouble = str(error)
            return None
        except (ValueError, KeyError, TypeError) as error:
            self.trouble = f"the witness gave no readings that we understand: {error}"
            return None
        self.trouble = ""
        return found
