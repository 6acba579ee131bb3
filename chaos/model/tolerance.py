"""Impact tolerances: the most disruption of a business service that is tolerable, in its customers' units."""

from typing import Annotated, Literal

from pydantic import Field

from chaos.model.base import Id, Model, Text
from chaos.model.units import Duration, Percent

Window = Literal["baseline", "fault", "recovery", "whole"]
"""`fault`: first strike to last undo. `recovery`: last undo to the end of load. `whole`: first strike to the end of load."""

Origin = Literal["strike", "first-harm", "undo"]


class _Tolerance(Model):
    id: Id
    title: Text | None = None
    window: Window = "whole"
    transaction: str | None = None
    """Only requests of this transaction (a request's `context={"transaction": ...}`, else its Locust name); default: all."""
    start: Origin | None = Field(default=None, alias="from")
    """Where the clock of this tolerance starts; default: where its window starts."""
    after: Duration = 0.0
    """How long after `from` the tolerance begins to bind: "inside limits 15 s after the strike"."""


class Availability(_Tolerance):
    """Share of attempted requests answered well. Open at the end counts as failed; a degraded answer counts as answered."""

    measure: Literal["availability"]
    at_least: Percent


class Latency(_Tolerance):
    """A percentile of the latency of all attempted requests; a failed one counts with the time it took to fail."""

    measure: Literal["latency"]
    percentile: Annotated[float, Field(gt=0, le=100)]
    at_most: Duration


class LongestOutage(_Tolerance):
    """The longest time without one good answer while customers were trying."""

    measure: Literal["longest-outage"]
    at_most: Duration
    good_within: Duration | None = None
    """An answer slower than this is no good answer; default: any speed will do."""


class TimeToRecover(_Tolerance):
    """From its origin (default `undo`) until the service is good, and stays good, second by second to the end."""

    measure: Literal["time-to-recover"]
    at_most: Duration
    good_share: Percent = 0.99
    """A second is good when at least this share of its requests is answered well."""
    good_within: Duration | None = None
    """... and fast enough: slower answers count as failed."""


class ThroughputKept(_Tolerance):
    """Good answers a second, as a share of those during the baseline, corrected for a changed intended rate."""

    measure: Literal["throughput-kept"]
    at_least: Percent


class LostTransactions(_Tolerance):
    """Transactions that were acknowledged to a customer but are not in the ledger after recovery."""

    measure: Literal["lost-transactions"]
    at_most: Annotated[int, Field(ge=0)]


class WrongTransactions(_Tolerance):
    """Transactions in the ledger twice, with other content, or never acknowledged."""

    measure: Literal["wrong-transactions"]
    at_most: Annotated[int, Field(ge=0)]


class GracefulDegradation(_Tolerance):
    """Of the requests that could not be answered in full, the share that got a degraded answer instead of an error."""

    measure: Literal["graceful-degradation"]
    at_least: Percent


class ProbeHolds(_Tolerance):
    """Share of a probe's samples that were as expected. A missing sample is no sample, never a good one."""

    measure: Literal["probe"]
    probe: Id
    at_least: Percent = 1.0


Tolerance = Annotated[
    Availability
    | Latency
    | LongestOutage
    | TimeToRecover
    | ThroughputKept
    | LostTransactions
    | WrongTransactions
    | GracefulDegradation
    | ProbeHolds,
    Field(discriminator="measure"),
]

AT_LEAST = ("availability", "throughput-kept", "graceful-degradation", "probe")
"""Measures where more is better; for all others less is better."""


def limit_of(tolerance: Tolerance) -> float:
    """The limit in the measure's base unit: share 0..1, seconds or a count."""
    return float(getattr(tolerance, "at_least" if tolerance.measure in AT_LEAST else "at_most"))


def holds(tolerance: Tolerance, value: float) -> bool:
    """Whether a measured value is inside the limit; the limit itself is inside."""
    return value >= limit_of(tolerance) if tolerance.measure in AT_LEAST else value <= limit_of(tolerance)


def is_looser(candidate: Tolerance, than: Tolerance) -> bool:
    """Whether `candidate` lets something pass that `than`, of the same id, would not.

    Another measure, transaction, window or origin is another promise and counts as looser.
    """
    fixed = ("measure", "transaction", "window", "start", "percentile", "probe")
    if any(getattr(candidate, key, None) != getattr(than, key, None) for key in fixed):
        return True
    if candidate.after > than.after:
        return True
    if _good_within(candidate) > _good_within(than) or getattr(candidate, "good_share", 0) < getattr(than, "good_share", 0):
        return True
    return not holds(than, limit_of(candidate))


def _good_within(tolerance: Tolerance) -> float:
    limit = getattr(tolerance, "good_within", None)
    return float("inf") if limit is None else float(limit)
