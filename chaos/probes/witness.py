"""Asks the witness of a run for its readings. A witness that cannot be reached gives none, and `trouble` says why."""

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

from chaos.clients.world import Cluster
from chaos.clock import Clock, RealClock
from chaos.errors import ClusterError
from chaos.model.dose import Route

PORT = 8470
_MOST_PAGES = 5  # of 2,000 readings each, more than the witness keeps
_MOST_KEPT = 2000 * _MOST_PAGES
_FRESH = 0.05  # seconds

T = TypeVar("T")


class Witness:
    """The pod that takes readings where a fault is felt. No call raises for what the pod or the network does."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, *, clock: Clock | None = None) -> None:
        self.trouble = ""  # why the last call got nothing; "" = it got an answer
        self._cluster = cluster
        self._namespace = namespace
        self._pod = pod
        self._clock = clock or RealClock()
        self._asked_at = 0.0

    def set_routes(self, routes: Sequence[Route]) -> bool:
        """Have it watch these routes and no others; readings of routes that stay are not interrupted."""
        return bool(self._ask("PUT", "/routes", bool, body=[route.as_json() for route in routes]))

    def readings(self, since: int = 0) -> list[dict[str, Any]]:
        """All readings after number `since`, oldest first; `at` is in seconds of *our* clock, good to half a round trip."""
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            page = self._ask("GET", f"/readings?since={since}", _page)
            if page is None:
                break
            if page.latest < since:  # it was started anew, and counts from one again
                since, found = 0, []
                continue
            offset = self._asked_at - page.now
            found += [{**reading, "at": float(reading["at"]) + offset} for reading in page.readings]
            if not page.readings or (since := page.readings[-1]["seq"]) >= page.latest:
                break
        return found

    def _ask(self, method: str, path: str, use: Callable[[dict[str, Any]], T], body: object | None = None) -> T | None:
        began = self._clock.now()
        try:
            status, data = self._cluster.pod_request(self._namespace, self._pod, PORT, method, path, body)
            self._asked_at = (began + self._clock.now()) / 2
            if status != 200:
                self.trouble = f"the witness answered {status}: {data[:200].decode(errors='replace')}"
                return None
            found = use(json.loads(data))
        except ClusterError as error:
            self.trouble = f"the witness cannot be reached: {error}"
            return None
        except (ValueError, KeyError, TypeError) as error:
            self.trouble = f"the witness gave no readings that we understand: {error!r}"
            return None
        self.trouble = ""
        return found


class SharedWitness(Witness):
    """A witness that many ask at once, one fault each: what one of them has fetched a moment ago does for all."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, *, clock: Clock | None = None) -> None:
        super().__init__(cluster, namespace, pod, clock=clock)
        self._lock = threading.Lock()
        self._kept: list[dict[str, Any]] = []
        self._fetched = -_FRESH

    def readings(self, since: int = 0) -> list[dict[str, Any]]:
        with self._lock:
            if self._clock.now() - self._fetched >= _FRESH:
                self._fetch()
            if since > self._latest:  # it was started anew, and counts from one again
                since = 0
            return self._kept[bisect_right(self._kept, since, key=itemgetter("seq")) :]

    def _fetch(self) -> None:
        new = super().readings(self._latest)
        if new and new[0]["seq"] <= self._latest:
            self._kept = []
        self._kept = [*self._kept, *new][-_MOST_KEPT:] if new else self._kept
        self._fetched = self._clock.now()

    @property
    def _latest(self) -> int:
        return int(self._kept[-1]["seq"]) if self._kept else 0


@dataclass(frozen=True)
class _Page:
    now: float  # the witness's own clock when it answered
    latest: int  # number of its latest reading
    readings: list[dict[str, Any]]


def _page(answer: dict[str, Any]) -> _Page:
    return _Page(float(answer["now"]), int(answer["latest"]), list(answer["readings"]))
