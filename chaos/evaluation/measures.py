"""The measures, by hand: each is built for one tolerance and one window, sees every record of load, and gives a number."""

from collections.abc import Callable
from typing import Any

from chaos.evaluation.measures_of_answers import AvailabilityMeasure, DegradationMeasure, LatencyMeasure, ThroughputMeasure
from chaos.evaluation.measures_of_state import ProbeMeasure, TransactionsMeasure
from chaos.evaluation.measures_of_time import OutageMeasure, RecoveryMeasure
from chaos.evaluation.measuring import Measure, Scope
from chaos.model.tolerance import (
    Availability,
    GracefulDegradation,
    Latency,
    LongestOutage,
    LostTransactions,
    ProbeHolds,
    ThroughputKept,
    TimeToRecover,
    Tolerance,
    WrongTransactions,
)

_MEASURES: dict[type, Callable[[Any, Scope], Measure]] = {
    Availability: AvailabilityMeasure,
    Latency: LatencyMeasure,
    LongestOutage: OutageMeasure,
    TimeToRecover: RecoveryMeasure,
    ThroughputKept: ThroughputMeasure,
    LostTransactions: TransactionsMeasure,
    WrongTransactions: TransactionsMeasure,
    GracefulDegradation: DegradationMeasure,
    ProbeHolds: ProbeMeasure,
}


def measure_for(tolerance: Tolerance, scope: Scope) -> Measure:
    return _MEASURES[type(tolerance)](tolerance, scope)
