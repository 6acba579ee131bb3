"""Everything that a report shows, from a journal and what was made of it; never needs the cluster.

A journal may have ended early and may hold kinds of events that this version does not know: both are told, neither is fatal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chaos.model.events import Event, LoadNote, RunEnd, Stop, TransactionCount
from chaos.model.finding import Finding, RoadmapItem
from chaos.model.run import Plan, RunInfo
from chaos.model.verdict import Row, Verdict
from chaos.render.gathering import Gathered, gather
from chaos.render.happenings import Change, DoseShown, PhaseSpan, ProbeLine, ReadyLine, StepShown
from chaos.render.series import ALL, Point, Series
from chaos.story import Story


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Times are seconds after `zero`, the start of load."""

    story: Story
    info: RunInfo
    plan: Plan
    verdict: Verdict
    findings: list[Finding]
    items: list[RoadmapItem]
    zero: float  # monotonic
    length: float  # of what is drawn
    series: Series
    phases: list[PhaseSpan]
    changes: list[Change]
    steps: list[StepShown]
    doses: list[DoseShown]
    probes: list[ProbeLine]
    ready: list[ReadyLine]
    notes: list[tuple[float, LoadNote]] = field(default_factory=list)
    transactions: TransactionCount | None = None
    stop: Stop | None = None
    stopped_at: float | None = None
    end: RunEnd | None = None
    unknown_kinds: dict[str, int] = field(default_factory=dict)

    @classmethod
    def build(  # noqa: PLR0913, PLR0917 - the seven files of a run directory
        cls,
        story: Story,
        info: RunInfo,
        plan: Plan,
        events: Iterable[Event],
        verdict: Verdict,
        findings: list[Finding],
        items: list[RoadmapItem],
    ) -> "ReportData":
        """Read the journal once, in order."""
        seen = gather(events)
        zero = seen.zero
        return cls(
            story=story,
            info=info,
            plan=plan,
            verdict=verdict,
            findings=sorted(findings, key=_weight),
            items=sorted(items, key=lambda item: (item.severity, item.id)),
            zero=zero,
            length=_length(seen),
            series=seen.series,
            phases=[phase.moved(zero) for phase in seen.phases],
            changes=[change.moved(zero) for change in seen.changes.values()],
            steps=[step.moved(zero) for step in seen.steps.values()],
            doses=[dose.moved(zero) for dose in seen.doses],
            probes=[probe.moved(zero) for probe in seen.probes.values()],
            ready=[line.moved(zero) for line in seen.ready.values() if line.changed],
            notes=[(at - zero, note) for at, note in seen.notes],
            transactions=seen.transactions,
            stop=seen.stop,
            stopped_at=None if seen.stopped_at is None else seen.stopped_at - zero,
            end=seen.end,
            unknown_kinds=seen.unknown_kinds,
        )

    # -- what several pages ask --------------------------------------------------------------------------------------

    @property
    def faults(self) -> list[Change]:
        """Changes that strike; not what only watches (a witness, an idle proxy)."""
        return [change for change in self.changes if change.strikes]

    @property
    def finished(self) -> bool:
        return self.end is not None

    @property
    def focus(self) -> str:
        """The transaction that the tolerances speak of most, broken ones first; ALL where they name none that was seen."""
        weights: dict[str, int] = {}
        for row in self.verdict.rows:
            if name := row.spec.get("transaction"):
                weights[str(name)] = weights.get(str(name), 0) + (100 if row.outcome == "breached" else 1)
        seen = [name for name in weights if name in self.series.names]
        return max(seen, key=lambda name: weights[name], default=ALL)

    def points(self, name: str = ALL) -> list[Point]:
        return self.series.points(name, self.zero)

    def rows(self, outcome: str) -> list[Row]:
        return [row for row in self.verdict.rows if row.outcome == outcome]

    def at(self, mono: float | None) -> float | None:
        """A monotonic moment on the axis of the report."""
        return None if mono is None else mono - self.zero

    @property
    def impact(self) -> dict[str, Any]:
        return self.verdict.impact


def _weight(finding: Finding) -> tuple[int, str, str]:
    kinds = ("save", "gap", "near-miss", "strength")
    return (kinds.index(finding.kind), finding.severity_measured, finding.id)


def _length(seen: Gathered) -> float:
    ends = [phase.end for phase in seen.phases if phase.end is not None and phase.name != "disarm"]
    if seen.series.span:
        ends.append(seen.series.span[1])
    return max([*ends, seen.zero + 1.0]) - seen.zero
