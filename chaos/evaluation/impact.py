"""What customers felt: how many requests failed, how many people, for how long the service was outside its tolerances."""

from array import array

from chaos.evaluation.generator import Generator
from chaos.evaluation.measuring import Names
from chaos.evaluation.windows import Timeline, Window
from chaos.model.finding import Impact
from chaos.model.histogram import bucket_of, upper_bound
from chaos.model.tolerance import Availability, Latency
from chaos.story import Story

_DEFAULT_SHARE = 0.99
"""Below this share of good answers a second is outside, where the service has no availability tolerance."""


class ImpactMeter:
    """Fed with every record of load of the whole window; counts by second."""

    def __init__(self, story: Story, window: Window, timeline: Timeline, generator: Generator) -> None:
        self._story, self._timeline, self._generator = story, timeline, generator
        self._seconds = window.seconds
        self._attempted = array("i", bytes(4 * len(self._seconds)))
        self._answered = array("i", bytes(4 * len(self._seconds)))
        self._slow = array("i", bytes(4 * len(self._seconds)))
        whole = [each for each in story.tolerances if each.transaction is None]
        self._share = max((each.at_least for each in whole if isinstance(each, Availability)), default=_DEFAULT_SHARE)
        self._latency = min((each for each in whole if isinstance(each, Latency)), key=lambda each: each.at_most, default=None)
        self._fast_enough = last_bucket_within(self._latency.at_most) if self._latency else 0

    def load(self, second: int, names: Names) -> None:
        name = names.of(None) if second in self._seconds else None
        if name is None:
            return
        index = second - self._seconds.start
        self._attempted[index] += name.get("attempted", 0)
        self._answered[index] += name.get("good", 0) + name.get("degraded", 0)
        if self._latency is not None:
            for key in ("latencies", "failures"):
                slow = (count for bucket, count in name.get(key, {}).items() if int(bucket) > self._fast_enough)
                self._slow[index] += sum(slow)

    def result(self) -> Impact:
        attempted = sum(self._attempted)
        failed = max(0, attempted - sum(self._answered))
        outside = sum(1 for index in range(len(self._seconds)) if self._outside(index))
        counted = self._timeline.transactions
        return Impact(
            failed=failed,
            attempted=attempted,
            users=self._users(failed),
            minutes_outside=round(outside / 60, 2),
            lost=counted.lost if counted else 0,
            wrong=counted.wrong if counted else 0,
            cost=self._cost(outside),
        )

    def _outside(self, index: int) -> bool:
        attempted = self._attempted[index]
        if not attempted:
            return self._generator.at(self._seconds.start + index).in_flight > 0
        slow = self._latency is not None and self._slow[index] > (1 - self._latency.percentile / 100) * attempted
        return self._answered[index] < self._share * attempted or slow

    def _users(self, failed: int) -> int:
        """With an arrival rate every arrival is a customer; with users there are never more of them than that."""
        load = self._story.load
        if load is None or load.users is None:
            return failed
        most = max((self._generator.at(second).users for second in self._seconds), default=0) or load.users
        return min(failed, most)

    def _cost(self, seconds: int) -> str:
        cost = self._story.service.cost_per_hour
        if cost is None or not seconds:
            return ""
        price = f"{cost.amount:,.0f} {cost.currency} an hour"
        return f"{cost.amount * seconds / 3600:,.2f} {cost.currency} ({seconds} s outside at {price})"


def last_bucket_within(limit: float) -> int:
    """The last bucket all of whose latencies are within the limit."""
    bucket = bucket_of(limit)
    return bucket if upper_bound(bucket) <= limit else bucket - 1
