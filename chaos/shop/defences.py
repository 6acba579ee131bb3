"""What keeps a failing dependency from taking its callers with it: circuit breaker, retry budget, one flight for many."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Unavailable(Exception):
    """The other side did not give a usable answer; `reason` says how, in a word."""

    def __init__(self, reason: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        self.reason, self.status, self.retry_after = reason, status, retry_after
        super().__init__(reason)


class Breaker:
    """Opens after `threshold` failures in a row; then lets one trial through after a cool-off.

    A background job may try sooner than a customer's request, so that customers seldom wait for a trial.
    """

    def __init__(
        self,
        *,
        threshold: int = 8,
        background_after: float = 1.5,
        customer_after: float = 3.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold, self._after = threshold, (customer_after, background_after)
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._last_failure = float("-inf")
        self._held_until = float("-inf")
        self._trial_since = float("-inf")

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold or self._now() < self._held_until

    def quiet_for(self) -> float:
        """Seconds since the last failure."""
        return self._now() - self._last_failure

    def allows(self, *, background: bool = False) -> bool:
        """Whether a call may be made now; while open, the one that gets a yes is the trial."""
        with self._lock:
            now = self._now()
            if now < self._held_until:
                return False
            if self._failures < self._threshold:
                return True
            cool_off = self._after[background]
            if now - max(self._last_failure, self._trial_since) < cool_off:
                return False
            self._trial_since = now
            return True

    def failed(self, *, hold: float = 0.0) -> None:
        """A call failed; `hold` = for so many seconds the other side does not want to be called."""
        with self._lock:
            self._failures += 1
            self._last_failure = self._now()
            self._held_until = max(self._held_until, self._now() + hold)

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._held_until = float("-inf")


class Budget:
    """Retries are paid from a share of the calls: a few at once, then one in five."""

    def __init__(self, *, share: float = 0.2, most: float = 3.0) -> None:
        self._share, self._most, self._left = share, most, most
        self._lock = threading.Lock()

    def called(self) -> None:
        with self._lock:
            self._left = min(self._most, self._left + self._share)

    def take(self) -> bool:
        """Whether one more retry is affordable."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Stale(Generic[T]):
    """A value that is served at once, however old, while one thread at a time fetches a newer one."""

    def __init__(self, fetch: Callable[[], T], *, fresh_for: float) -> None:
        self._fetch, self._fresh_for = fetch, fresh_for
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._flight = threading.Lock()

    def get(self) -> tuple[T, float]:
        """The value and its age in seconds; only the very first caller waits for the fetch, and gets its error."""
        age = time.monotonic() - self._fetched_at
        if self._value is None:
            with self._flight:  # the others wait for the one who fetches
                if self._value is None:
                    self._keep(self._fetch())
        elif age > self._fresh_for and self._flight.acquire(blocking=False):
            threading.Thread(target=self._refresh, daemon=True).start()
        assert self._value is not None
        return self._value, time.monotonic() - self._fetched_at

    def _keep(self, value: T) -> None:
        self._value, self._fetched_at = value, time.monotonic()

    def _refresh(self) -> None:
        try:
            self._keep(self._fetch())
        except Unavailable:
            pass  # the old value stays, and its age tells
        finally:
            self._flight.release()
