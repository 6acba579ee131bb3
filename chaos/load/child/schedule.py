"""When customers arrive: at absolute times, so that neither slow answers nor a late wake-up change how many come."""

import math
import random
from collections.abc import Iterator


class Schedule:
    """Arrivals at `rate` a second, of which this generator, the `index`th of `count`, takes its share.

    Even spacing: the n-th arrival is at n / rate on the monotonic clock, whoever asks and whenever, so that several generators
    interleave without talking to each other and nothing drifts. With a seed: exponential gaps, the same for the same seed.
    """

    def __init__(self, rate: float, now: float, *, index: int = 0, count: int = 1, seed: int | None = None) -> None:
        self._index = index
        self._count = count
        self._random = random.Random(f"{seed}/{index}") if seed is not None else None  # noqa: S311
        self.set_rate(rate, now)

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on; 0 = nobody."""
        self.rate = rate
        if rate <= 0:
            self.next_at = math.inf
        elif self._random is not None:
            self.next_at = now + self._random.expovariate(rate / self._count)
        else:
            first = math.ceil(now * rate)
            self._number = first + (self._index - first) % self._count
            self.next_at = self._number / rate

    def due(self, now: float) -> Iterator[float]:
        """The arrival times up to `now` that were not handed out yet."""
        while self.next_at <= now:
            yield self.next_at
            if self._random is not None:
                self.next_at += self._random.expovariate(self.rate / self._count)
            else:
                self._number += self._count
                self.next_at = self._number / self.rate
