"""Latencies in log buckets: bounded, mergeable by adding counts, JSON-native, the same code in the Locust child and here.

Standard library only: the Locust child imports it before anything else.
"""

import math
from collections.abc import Iterable, Mapping

GAMMA = 1.02
"""Ratio of two neighbouring bucket bounds: a value read back is at most 2 % too high, never too low (+-1 % at the middle)."""

_LOG_GAMMA = math.log(GAMMA)
_SMALLEST = 1e-5  # seconds; all below share bucket 0


def bucket_of(seconds: float) -> int:
    """The bucket of a latency; its upper bound is `upper_bound(bucket_of(x)) >= x`."""
    if seconds <= _SMALLEST:
        return 0
    return math.ceil(math.log(seconds / _SMALLEST) / _LOG_GAMMA)


def buckets_of(latencies: Iterable[float]) -> list[int]:
    """`bucket_of` each; for many at once."""
    log, ceil = math.log, math.ceil
    return [0 if x <= _SMALLEST else ceil(log(x / _SMALLEST) / _LOG_GAMMA) for x in latencies]


def upper_bound(bucket: int) -> float:
    """The largest latency, in seconds, that belongs to the bucket."""
    return float(_SMALLEST * GAMMA**bucket)


class Histogram:
    """Counts a bucket. `counts` is its whole state."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})

    def record(self, seconds: float) -> None:
        bucket = bucket_of(seconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, counts: Mapping[int, int]) -> None:
        for bucket, count in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """The upper bound of the bucket that holds the nearest-rank percentile (`share` 0..1); None without samples."""
        total = self.n
        if not total:
            return None
        rank = max(1, math.ceil(share * total))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return upper_bound(bucket)
        raise AssertionError("unreachable: ranks never exceed the total")
