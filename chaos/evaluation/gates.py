"""The gates before the tolerances: whether what was measured can be believed, and whether it was the fault that was measured.

A gate that does not pass never turns a run green. `blocks` says what it takes away:

    all      nothing can be said
    load     nothing that was measured through the load generator can be said
    passes   a breach is a breach, but nothing held can be said to have held
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from chaos.evaluation.generator import BUSY_PERCENT, Generator
from chaos.evaluation.windows import Timeline, Window
from chaos.model.events import DoseResult
from chaos.model.verdict import ReasonCode
from chaos.scenario import FaultStep, LoadStep
from chaos.story import Story

_BUSY_SECONDS = 3
"""So many seconds in a row above the limit are no accident of a start."""
_SURGE_SHARE = 0.8
"""A surge is in effect when at least this share of its arrivals was attempted."""
_REASONS: tuple[str, ...] = get_args(ReasonCode)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate and what it found."""

    name: str
    passed: bool
    detail: str
    reason: ReasonCode = ""
    blocks: Literal["all", "load", "passes"] = "passes"

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "detail": self.detail, "reason": "" if self.passed else self.reason}


def all_gates(story: Story, timeline: Timeline, generator: Generator, *, baseline_problem: str, mode: str = "ci") -> list[Gate]:
    """Every gate, passed or not, in the order in which they are asked."""
    gates = [_baseline(timeline, baseline_problem)]
    if story.load is not None:
        gates += [_alive(timeline, generator), _saturated(timeline, generator)]
    gates += list(_doses(story, timeline, generator, mode))
    gates += [_control(timeline), _stopped(timeline)]
    return gates


def dose_proved(gates: list[Gate]) -> bool:
    """Whether every fault was seen from outside its injector, and nothing else was hit beside it."""
    return all(gate.passed for gate in gates if gate.name.startswith("dose") or gate.name == "control")


def _baseline(timeline: Timeline, problem: str) -> Gate:
    if timeline.end is not None and timeline.end.reason == "baseline-unhealthy":
        problem = problem or "the baseline was found unhealthy during the run"
    detail = problem or "the service was inside its tolerances before anything was struck"
    return Gate(name="baseline", passed=not problem, detail=detail, reason="baseline-unhealthy", blocks="all")


def _judged(timeline: Timeline) -> Window:
    """From the start of the baseline to the end of load."""
    baseline = timeline.phase("baseline")
    return Window("judged", baseline.start if baseline else timeline.last, timeline.load_end)


def _alive(timeline: Timeline, generator: Generator) -> Gate:
    crashed = [note for note in timeline.notes if note.what == "crashed"]
    if crashed:
        code = "" if crashed[0].exit_code is None else f" (exit code {crashed[0].exit_code})"
        return _lost(f"the load generator crashed{code}: {crashed[0].detail}")
    window = _judged(timeline)
    if not any(generator.at(second).attempted for second in window.seconds):
        return Gate(
            name="generator-alive", passed=False, detail="nothing was attempted: no data", reason="no-data", blocks="load"
        )
    lost = generator.lost_workers(window)
    if lost:
        return _lost(f"worker{'s' if len(lost) > 1 else ''} {', '.join(lost)} fell silent before the end of load")
    missing = generator.missing(window)
    detail = f"{len(missing)} of {len(window.seconds)} seconds without data" if missing else "it was heard in every second"
    return Gate(name="generator-alive", passed=True, detail=detail)


def _lost(detail: str) -> Gate:
    return Gate(name="generator-alive", passed=False, detail=detail, reason="generator-lost")


def _saturated(timeline: Timeline, generator: Generator) -> Gate:
    window = _judged(timeline)
    busy = [second for second in window.seconds if generator.at(second).busiest > BUSY_PERCENT]
    in_a_row = any(all(second + offset in busy for offset in range(_BUSY_SECONDS)) for second in busy)
    dropped = generator.dropped(busy)
    told = next((note.detail or note.what for note in timeline.notes if note.what in ("saturated", "generator-late")), "")
    peak = max((generator.at(second).busiest for second in window.seconds), default=0.0)
    passed = not (in_a_row or dropped or told)
    detail = f"at most {peak:.0f} % of a core"
    if not passed:
        detail = f"above {BUSY_PERCENT:.0f} % of a core in {len(busy)} s (peak {peak:.0f} %), {dropped:,} arrivals dropped then"
        detail += f"; {told}" if told else ""
    return Gate(name="generator-capacity", passed=passed, detail=detail, reason="generator-saturated", blocks="load")


def _doses(story: Story, timeline: Timeline, generator: Generator, mode: str) -> Iterator[Gate]:
    struck = {strike.step: strike for strike in timeline.strikes}
    missed = next((note.detail for note in timeline.notes if note.what == "held-bypass"), "")
    planned = [step.id for step in story.steps if isinstance(step, FaultStep) and (mode in step.modes or mode == "demo")]
    for step in dict.fromkeys([*struck, *planned]):
        name = f"dose {step}"
        if step not in struck and missed:
            yield Gate(name=name, passed=False, detail=f"nothing was struck: {missed}", reason="held-bypass")
        elif step not in struck:
            yield Gate(name=name, passed=False, detail="it was never struck", reason="not-reached")
        elif struck[step].failed:
            yield Gate(name=name, passed=False, detail=f"the strike failed: {struck[step].failed}", reason="strike-failed")
        else:
            yield _dose(name, timeline.doses.get(step, []))
    for surge in story.steps:
        if isinstance(surge, LoadStep) and surge.id in timeline.surges:
            yield _surge(surge, timeline, generator)


def _dose(name: str, results: list[DoseResult]) -> Gate:
    if not results:
        return Gate(name=name, passed=False, detail="nobody looked whether it was in effect", reason="dose-missing")
    if proved := next((result for result in results if result.proved), None):
        return Gate(name=name, passed=True, detail=f"{proved.expected}: {proved.seen}")
    last = results[-1]
    reason: ReasonCode = last.reason if last.reason in _REASONS and last.reason else "dose-missing"  # type: ignore[assignment]
    return Gate(name=name, passed=False, detail=f"expected {last.expected}; seen {last.seen}", reason=reason)


def _surge(step: LoadStep, timeline: Timeline, generator: Generator) -> Gate:
    start, end = timeline.surges[step.id]
    seconds = Window("surge", start, timeline.load_end if end is None else end).seconds
    asked = step.load.rate if step.load.rate is not None else float(step.load.users or 0)
    if step.load.rate is not None:
        seen = generator.attempted(seconds) / max(1, len(seconds))
        words = f"{seen:.1f} arrivals/s of {asked:g}/s"
    else:
        seen = float(max((generator.at(second).users for second in seconds), default=0))
        words = f"{seen:.0f} of {asked:.0f} users"
    return Gate(name=f"dose {step.id}", passed=seen >= _SURGE_SHARE * asked, detail=words, reason="dose-missing")


def _control(timeline: Timeline) -> Gate:
    ill = [result for results in timeline.doses.values() for result in results if result.reason == "control-unhealthy"]
    detail = f"what should not have been hit was: {ill[0].seen}" if ill else "what should not be hit was healthy"
    return Gate(name="control", passed=not ill, detail=detail, reason="control-unhealthy")


def _stopped(timeline: Timeline) -> Gate:
    if timeline.end is None:
        return Gate(name="complete", passed=False, detail="the run ended without its last word", reason="crashed")
    if timeline.end.crash:
        return Gate(name="complete", passed=False, detail=timeline.end.crash, reason="crashed")
    if timeline.stop is not None or timeline.end.stopped:
        why = f"{timeline.stop.reason}: {timeline.stop.detail}" if timeline.stop else "stopped"
        return Gate(name="complete", passed=False, detail=why, reason="stopped")
    return Gate(name="complete", passed=True, detail="the run went to its end")
