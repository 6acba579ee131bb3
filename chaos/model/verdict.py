"""`verdict.json`: one row a tolerance, with the arithmetic shown, and one word for the whole."""

from collections.abc import Iterable
from typing import Any, Literal

from chaos.model.base import Record

Outcome = Literal["held", "inconclusive", "breached"]
ORDER: tuple[Outcome, ...] = ("held", "inconclusive", "breached")  # the worst wins

ReasonCode = Literal[
    "",
    "baseline-unhealthy",
    "dose-missing",
    "held-bypass",
    "control-unhealthy",
    "generator-saturated",
    "generator-lost",
    "no-data",
    "too-few-samples",
    "not-reached",
    "ledger-unreadable",
    "stopped",
    "not-attributed",
    "crashed",
    "arm-failed",
    "strike-failed",
]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """breached beats inconclusive beats held; nothing seen is inconclusive."""
    return max(outcomes, key=ORDER.index, default="inconclusive")


class Row(Record):
    """One tolerance: what was measured, against what, over how many samples."""

    tolerance: str
    measure: str
    title: str = ""
    outcome: Outcome
    value: float | None = None
    limit: float
    margin: float | None = None  # share of the limit left, negative when breached
    unit: str  # share, s, count
    n: int = 0
    window: str
    start: float | None = None  # monotonic seconds
    end: float | None = None
    reason: str = ""
    arithmetic: str = ""  # in words: "1,012 of 1,020 answered = 99.22 % >= 99 %"
    spec: dict[str, Any] = {}


class Verdict(Record):
    """The judgement of one run."""

    format: Literal["verdict/v1"] = "verdict/v1"
    run: str
    scenario: str
    service: str
    outcome: Outcome
    reason: str = ""
    attributed: bool = True  # false: breached, but the dose was not proved, so no cause is named
    clean: bool = True
    stopped: bool = False
    exit_code: int
    rows: list[Row]
    gates: list[dict[str, Any]] = []  # name, passed, detail
    impact: dict[str, Any] = {}  # failed, users, minutes_outside, lost, wrong, cost
