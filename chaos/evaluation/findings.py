"""Findings: what a run taught, few and meaningful. Tolerances broken by the same thing are one finding.

save        a weakness found before a customer found it: tolerances were breached, or a disruption budget let no pod be moved
near-miss   everything held, but with less than a fifth of the limit to spare
strength    a defence that held while the fault was proved to be in effect; where every pod was kept, nothing was defended
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from chaos.evaluation.baseline import Events
from chaos.evaluation.causes import best_of, choose
from chaos.evaluation.draining import cases
from chaos.evaluation.evictions import Asked
from chaos.evaluation.evidence import Evidence, gather
from chaos.evaluation.hypotheses import LOST, SERVING, WRONG, Hypothesis
from chaos.evaluation.strengths import defences
from chaos.evaluation.windows import Timeline, read_timeline
from chaos.model.finding import Factor, Finding, FindingKind, Impact, Severity, fingerprint
from chaos.model.run import RunInfo
from chaos.model.verdict import Row, Verdict
from chaos.story import Story

NEAR = 0.2
"""Held with less than this share of the limit left is a near-miss."""
_DUE_DAYS: dict[Severity, int] = {"SEV-1": 7, "SEV-2": 30, "SEV-3": 90}
SEVERITY_RULE = (
    "SEV-1: something acknowledged was lost or wrong, or at least half of the requests failed; "
    "SEV-2: at least one request in twenty failed, or a limit was missed by more than its own size; "
    "SEV-3: the rest, and pods that cannot be moved"
)


@dataclass(frozen=True)
class Family:
    """Tolerances that one hole breaks together. `key` goes into the fingerprint and never changes."""

    key: str
    measures: tuple[str, ...]
    symptom: str
    hypotheses: tuple[Hypothesis, ...]


_FAMILIES = (
    Family("lost", ("lost-transactions",), "acknowledged transactions are lost", LOST),
    Family("wrong", ("wrong-transactions",), "transactions are kept twice or wrongly", WRONG),
    Family(
        "serving",
        (
            "availability",
            "longest-outage",
            "time-to-recover",
            "latency",
            "throughput-kept",
            "graceful-degradation",
            "probe",
            "check",
        ),
        "customers are not answered, or not in time",
        SERVING,
    ),
)


_DRAIN = Family("drain", (), "pods cannot be moved: a disruption budget declines every eviction", ())


def find(story: Story, events: Events, info: RunInfo, verdict: Verdict) -> list[Finding]:
    """All findings of a judged run: saves first, the worst of them at the top."""
    timeline = read_timeline(events())
    maker = _Maker(story, events, info, verdict, timeline)
    found = [maker.save(family, rows) for family in _FAMILIES if (rows := _rows(verdict, family, "breached"))]
    found += [maker.kept(asked) for asked in timeline.asked_to_leave if asked.held_off]
    if verdict.outcome == "held":
        near = {family: [row for row in _rows(verdict, family, "held") if _is_near(row)] for family in _FAMILIES}
        found += [maker.near_miss(family, rows) for family, rows in near.items() if rows]
        found += maker.strengths()
    order = {"save": 0, "near-miss": 1, "gap": 2, "strength": 3}
    return sorted(found, key=lambda each: (order[each.kind], each.severity_measured))


def _rows(verdict: Verdict, family: Family, outcome: str) -> list[Row]:
    return [row for row in verdict.rows if row.measure in family.measures and row.outcome == outcome]


def _is_near(row: Row) -> bool:
    return row.margin is not None and row.margin < NEAR and not (row.value == row.limit and row.limit in (0.0, 1.0))


@dataclass
class _Maker:
    """Makes findings of one run."""

    story: Story
    events: Events
    info: RunInfo
    verdict: Verdict
    timeline: Timeline

    def save(self, family: Family, rows: list[Row]) -> Finding:
        evidence = self._evidence(rows)
        cause = None
        factors = [Factor(text=f"{row.title or row.tolerance}: {row.arithmetic}", basis="measured") for row in rows]
        if not self.verdict.attributed:
            factors.append(Factor(text="No cause is named: it was not proved that the fault was in effect", basis="measured"))
        elif evidence is not None:
            cause = choose(evidence, family.hypotheses)
            known = cause.code != "unknown"
            factors.append(Factor(text=cause.title, basis="measured" if known else "suspected"))
        return self._finding("save", family, rows, title=self._title(family, rows)).model_copy(
            update={"cause": cause, "factors": factors}
        )

    def near_miss(self, family: Family, rows: list[Row]) -> Finding:
        least = min(rows, key=lambda row: row.margin if row.margin is not None else 1.0)
        left = f"{(least.margin or 0.0) * 100:.0f} %"
        title = f"{self.story.service.title} held while {self._trouble()}, with {left} of a limit to spare"
        factors = [Factor(text=f"{row.title or row.tolerance}: {row.arithmetic}", basis="measured") for row in rows]
        return self._finding("near-miss", family, rows, title=title).model_copy(update={"factors": factors})

    def strengths(self) -> Iterator[Finding]:
        rows = [row for row in self.verdict.rows if row.outcome == "held"]
        evidence = self._evidence(rows)
        if evidence is None or not rows or not self._anything_hit():
            return
        named = defences(evidence)
        serving = _FAMILIES[-1]
        proved = "It stayed inside every tolerance while the fault was proved to be in effect"
        title = f"{self.story.service.title} held while {self._trouble()}" + (f": {named[0].name}" if named else "")
        factors = [Factor(text=defence.words, basis="measured") for defence in named] or [Factor(text=proved, basis="measured")]
        yield self._finding("strength", serving, rows, title=title).model_copy(update={"factors": factors, "due": ""})

    def kept(self, asked: Asked) -> Finding:
        """Pods that no maintenance could have moved: closed by a re-test in which they leave and every tolerance holds."""
        told = asked.last
        pods = f"each of {told.asked} pods of {asked.whose} was asked to leave and stayed"
        where = f"disruption budget {told.budget} in {told.namespace}"
        text = f"{pods}: {where} declined at the strike, and still did after {asked.seconds:.0f} s"
        title = f"{self.story.service.title}: disruption budget {told.budget} declined every eviction of {asked.whose}"
        made = self._finding("save", _DRAIN, self.verdict.rows, title=title, kept=asked)
        return made.model_copy(update={"cause": best_of(cases(asked)), "factors": [Factor(text=text, basis="measured")]})

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _evidence(self, rows: list[Row]) -> Evidence | None:
        transactions = {row.spec.get("transaction") for row in rows}
        transaction = transactions.pop() if len(transactions) == 1 else None
        return gather(self.story, self.timeline, self.events(), transaction)

    def _anything_hit(self) -> bool:
        kept = {each.first.step for each in self.timeline.asked_to_leave if each.held_off}
        left = {each.first.step for each in self.timeline.asked_to_leave if not each.held_off}
        return any(strike.step not in kept - left for strike in self.timeline.strikes)

    def _finding(self, kind: FindingKind, family: Family, rows: list[Row], *, title: str, kept: Asked | None = None) -> Finding:
        dependency = self._named(kept.services) if kept else self._dependency()
        stress = "" if kept else self._stress()  # however it was asked: the budget is the same hole
        symptom = f"{family.symptom} under {stress}" if stress else family.symptom
        severity = self._severity(family, rows)
        code = fingerprint(service=self.story.service.id, tolerance=family.key, dependency=dependency, symptom=symptom)
        return Finding(
            id=f"{kind}-{family.key}-{code[:8]}",
            kind=kind,
            title=title,
            service=self.story.service.id,
            scenario=self.story.id,
            run=self.info.id,
            tolerances=[row.tolerance for row in rows],
            dependency=dependency,
            symptom=symptom,
            impact=Impact.model_validate(self.verdict.impact),
            window=self._window(rows),
            severity_declared=self.story.severity,
            severity_measured=severity,
            severity_rule=SEVERITY_RULE,
            fingerprint=code,
            owner=self.story.service.owner,
            due=due_date(severity, date.fromisoformat(self.info.started[:10])),
            closed_by=retest_command(self.story, self.info),
        )

    def _dependency(self) -> str:
        """What was hit, by the ids that the service file gives its dependencies."""
        hit = self._named(strike.dependency for strike in self.timeline.strikes)
        return hit or ("demand" if self.timeline.surges else "")

    def _named(self, services: Iterable[str]) -> str:
        names = {each.service or each.id: each.id for each in self.story.service.dependencies}
        return "+".join(sorted({names.get(service, service) for service in services if service}))

    def _stress(self) -> str:
        """Which kinds of fault it was under: another kind is another hole, with a re-test of its own."""
        kinds = {strike.fault for strike in self.timeline.strikes}
        return "+".join(sorted(kinds | ({"surge"} if self.timeline.surges else set())))

    def _trouble(self) -> str:
        dependency = self._dependency()
        if dependency == "demand":
            return "more customers came than usual"
        kinds = ", ".join(sorted({strike.fault.replace("-", " ") for strike in self.timeline.strikes}))
        hit = dependency.replace("+", " and ") or "it"
        return f"{hit} {'were' if '+' in dependency else 'was'} hit ({kinds})" if kinds else "the load was on"

    def _title(self, family: Family, rows: list[Row]) -> str:
        impact, service = Impact.model_validate(self.verdict.impact), self.story.service.title
        if family.key == "lost":
            return f"{service}: {impact.lost} acknowledged transactions were lost while {self._trouble()}"
        if family.key == "wrong":
            return f"{service}: {impact.wrong} transactions were kept twice or wrongly while {self._trouble()}"
        if all(row.measure == "latency" for row in rows) or not impact.failed:
            return f"{service} kept customers waiting while {self._trouble()}"
        return f"{service}: {impact.failed:,} of {impact.attempted:,} requests failed while {self._trouble()}"

    def _severity(self, family: Family, rows: list[Row]) -> Severity:
        if family is _DRAIN:
            return "SEV-3"
        impact = Impact.model_validate(self.verdict.impact)
        failed = impact.failed / impact.attempted if impact.attempted else 0.0
        breached = [row for row in rows if row.outcome == "breached"]
        if breached and (family.key in ("lost", "wrong") or failed >= 0.5):
            return "SEV-1"
        if breached and (failed >= 0.05 or any((row.margin or 0.0) < -1 for row in breached)):
            return "SEV-2"
        return "SEV-3"

    def _window(self, rows: list[Row]) -> tuple[float, float] | None:
        """Where the evidence lies, in seconds after load start."""
        zero = next((window.start for name in ("warm-up", "baseline") if (window := self.timeline.phase(name))), None)
        edges = [(row.start, row.end) for row in rows if row.start is not None and row.end is not None]
        if zero is None or not edges:
            return None
        since = partial(round, ndigits=2)
        return since(min(start for start, _ in edges) - zero), since(max(end for _, end in edges) - zero)


def due_date(severity: Severity, today: date) -> str:
    """Until when a finding should be mended."""
    return (today + timedelta(days=_DUE_DAYS[severity])).isoformat()


def retest_command(story: Story, info: RunInfo) -> str:
    """The command whose passing closes what was found."""
    folder = "scenarios" if story.kind == "scenario" else "experiments"
    url = f" --url {info.url}" if info.url else ""
    return f"gameday run {folder}/{story.id}.yaml --on {info.environment.name}{url}"
