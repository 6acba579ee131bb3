"""The verdict: first the gates, then the tolerances, then one word for the whole. Pure: the journal in, a value out."""

from typing import Any

from chaos.evaluation.baseline import UNITS, Baseline, Events, baseline_problem, feed, limit_words
from chaos.evaluation.facts import Facts, is_clean, read_facts, scope_of
from chaos.evaluation.gates import Gate, all_gates, dose_proved
from chaos.evaluation.impact import ImpactMeter
from chaos.evaluation.measures import measure_for
from chaos.evaluation.measuring import Measured
from chaos.evaluation.windows import Timeline, Window, bind, origin_of
from chaos.model.run import RunInfo
from chaos.model.tolerance import AT_LEAST, Tolerance, holds, limit_of
from chaos.model.verdict import ReasonCode, Row, Verdict, worst
from chaos.scenario import CheckStep
from chaos.story import Story

__all__ = ["Events", "baseline_problem", "judge", "margin_of"]

_BY_LOAD = ("availability", "latency", "longest-outage", "time-to-recover", "throughput-kept", "graceful-degradation")


def judge(story: Story, events: Events, info: RunInfo) -> Verdict:
    """The verdict of a run, whether it has just ended or was stored long ago."""
    facts = read_facts(story, events())
    rows, impact, problem = _measure(story, facts, events)
    gates = all_gates(story, facts.timeline, facts.generator, baseline_problem=problem, mode=info.mode)
    judged = [_judge_row(tolerance, measured, window, gates) for tolerance, measured, window in rows]
    judged += [_check_row(step, facts.checks.get(step.id), gates) for step in story.steps if _is_read(step, info.mode)]
    outcome = worst(row.outcome for row in judged)
    attributed = outcome != "breached" or (dose_proved(gates) and not _blocked(gates, "all"))
    clean = is_clean(facts.timeline)
    return Verdict(
        run=info.id,
        scenario=story.id,
        service=story.service.id,
        outcome=outcome,
        reason=_reason(outcome, judged, gates, attributed=attributed),
        attributed=attributed,
        clean=clean,
        stopped=facts.timeline.stop is not None or bool(facts.timeline.end and facts.timeline.end.stopped),
        exit_code=_exit_code(outcome, facts.timeline, clean=clean),
        rows=judged,
        gates=[gate.as_json() for gate in gates],
        impact=impact,
    )


# -- measuring ---------------------------------------------------------------------------------------------------------


def _measure(
    story: Story, facts: Facts, events: Events
) -> tuple[list[tuple[Tolerance, Measured | None, Window | None]], dict[str, Any], str]:
    """One more reading of the journal, for all tolerances and the baseline together."""
    windows = [bind(tolerance, facts.timeline, facts.harm) for tolerance in story.tolerances]
    measures = [
        measure_for(tolerance, scope_of(facts, window, origin_of(tolerance, facts.timeline, facts.harm))) if window else None
        for tolerance, window in zip(story.tolerances, windows, strict=True)
    ]
    baseline = Baseline(story, facts)
    whole = facts.timeline.windows().get("whole")
    meter = ImpactMeter(story, whole, facts.timeline, facts.generator) if whole else None
    feed([measure for measure in measures if measure], events, meter, before=baseline.listeners)
    found = [measure.result() if measure else None for measure in measures]
    impact = meter.result().as_json() if meter else {}
    problem = baseline.problem() if facts.timeline.phase("baseline") else ""
    return list(zip(story.tolerances, found, windows, strict=True)), impact, problem


# -- judging -----------------------------------------------------------------------------------------------------------


def _blocked(gates: list[Gate], blocks: str) -> Gate | None:
    return next((gate for gate in gates if not gate.passed and gate.blocks == blocks), None)


def _judge_row(tolerance: Tolerance, measured: Measured | None, window: Window | None, gates: list[Gate]) -> Row:
    blocking = _blocked(gates, "all") or (_blocked(gates, "load") if tolerance.measure in _BY_LOAD else None)
    never = _blocked(gates, "passes")
    if measured is None:
        measured = Measured(value=None, arithmetic="", missing="not-reached")
    value, limit = measured.value, limit_of(tolerance)
    reason: ReasonCode = ""
    if blocking:
        reason = blocking.reason
    elif value is None:
        reason = measured.missing or "no-data"
    elif not holds(tolerance, value):
        reason = "too-few-samples" if measured.missing == "too-few-samples" else ""
    else:
        reason = _why_not_held(tolerance, measured, never)
    broken = value is not None and not holds(tolerance, value)
    words = (
        measured.arithmetic
        if value is None
        else f"{measured.arithmetic}, {'outside' if broken else 'inside'} {limit_words(tolerance)}"
    )
    return Row(
        tolerance=tolerance.id,
        measure=tolerance.measure,
        title=tolerance.title or "",
        outcome="inconclusive" if reason else "breached" if broken else "held",
        value=None if value is None else round(value, 6),
        limit=limit,
        margin=None if value is None else margin_of(tolerance, value),
        unit=UNITS.get(tolerance.measure, "share"),
        n=measured.n,
        window=tolerance.window,
        start=window.start if window else None,
        end=window.end if window else None,
        reason=reason,
        arithmetic=words,
        spec=tolerance.as_json(),
    )


def _why_not_held(tolerance: Tolerance, measured: Measured, never: Gate | None) -> ReasonCode:
    """Why a value inside its limit is still no pass; "" when it is one."""
    if measured.missing:
        return measured.missing
    if measured.worst is not None and not holds(tolerance, measured.worst):
        return "no-data"
    return never.reason if never else ""


def margin_of(tolerance: Tolerance, value: float) -> float:
    """The share of the limit that is left, 1 = untouched, 0 = at the limit, negative = outside.

    Where more is better the limit is what may be missing: 99.5 % answered of at least 99 % leaves half of it.
    """
    limit = limit_of(tolerance)
    if tolerance.measure in AT_LEAST:
        room, left = 1 - limit, value - limit
    else:
        room, left = limit, limit - value
    if room <= 0:
        return 1.0 if left >= 0 else -1.0
    return round(max(-100.0, min(1.0, left / room)), 4)


def _is_read(step: object, mode: str) -> bool:
    return isinstance(step, CheckStep) and (mode in step.modes or mode == "demo")


def _check_row(step: Any, readings: list[dict[str, Any]] | None, gates: list[Gate]) -> Row:
    """A check step: its probe, read at that moment, was as expected or was not; or nobody could look."""
    seen = [reading for reading in readings or () if not reading.get("unread")]
    good = any(reading["ok"] for reading in seen)
    blocking = _blocked(gates, "all") or (_blocked(gates, "passes") if good else None)
    reason = blocking.reason if blocking else "" if seen else "no-data" if readings else "not-reached"
    detail = readings[-1].get("detail", "") if readings else "it was not read"
    return Row(
        tolerance=step.id,
        measure="check",
        title=step.title or "",
        outcome="inconclusive" if reason else "held" if good else "breached",
        value=float(good) if seen else None,
        limit=1.0,
        margin=(1.0 if good else -1.0) if seen else None,
        unit="share",
        n=len(seen),
        window="check",
        reason=reason,
        arithmetic=f"{step.check.probe.id}: {detail}",
    )


def _reason(outcome: str, rows: list[Row], gates: list[Gate], *, attributed: bool) -> str:
    if outcome == "held":
        return ""
    if outcome == "breached":
        return "" if attributed else "not-attributed"
    for blocks in ("all", "load", "passes"):
        if gate := _blocked(gates, blocks):
            return gate.reason
    return next((row.reason for row in rows if row.outcome == "inconclusive"), "no-data")


def _exit_code(outcome: str, timeline: Timeline, *, clean: bool) -> int:
    if not clean:
        return 4
    if timeline.end is not None and timeline.end.crash:
        return 70
    return {"held": 0, "breached": 1}.get(outcome, 3)
