"""The picture as a table, phase by phase: for who cannot see it, and for who wants the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.render.report_data import ReportData
from chaos.render.series import Point


@dataclass(frozen=True)
class PhaseRow:
    """What one transaction did in one phase; columns belong to the phase that holds their middle."""

    name: str
    start: float
    end: float
    attempted: float
    good: float
    degraded: float
    failed: float
    slowest_p95: float | None

    @property
    def answered(self) -> float | None:
        return (self.good + self.degraded) / self.attempted if self.attempted else None


def phase_table(data: ReportData, transaction: str) -> list[PhaseRow]:
    points = data.points(transaction)
    shown = [phase for phase in data.phases if phase.name not in ("preflight", "arm", "disarm")]
    return [_row(phase.name, phase.start, data.length if phase.end is None else phase.end, points) for phase in shown]


def _row(name: str, start: float, end: float, points: Sequence[Point]) -> PhaseRow:
    mine = [point for point in points if start <= (point.start + point.end) / 2 < end]

    def total(key: str) -> float:
        return float(round(sum(getattr(point, key) * (point.end - point.start) for point in mine)))

    return PhaseRow(
        name=name,
        start=start,
        end=end,
        attempted=total("attempted"),
        good=total("good"),
        degraded=total("degraded"),
        failed=total("failed"),
        slowest_p95=max((point.p95 for point in mine if point.p95 is not None), default=None),
    )
