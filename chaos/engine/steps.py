"""Plays the timeline: each step in a thread of its own, started on the schedule, ended by it or by the stop flag."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chaos.clock import Clock, wait_until
from chaos.engine.change import Change
from chaos.engine.loading import Generator
from chaos.engine.recorder import Recorder
from chaos.engine.stopping import StopFlag
from chaos.engine.timeline import Scheduled, length
from chaos.engine.watching import take
from chaos.engine.witnessing import Eyes
from chaos.model.events import Sample, StepEdge
from chaos.probes.base import View
from chaos.scenario import CheckStep, FaultStep, InjectStep, LoadStep, NoteStep

_LISTEN_EVERY = 0.1
_LAST_LOOK = 0.1  # seconds


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the steps act on."""

    changes: dict[str, Change]  # by step id
    generator: Generator
    eyes: Eyes | None
    view: View
    recorder: Recorder
    clock: Clock
    stop: StopFlag
    watch: Callable[[], None]  # called ten times a second in the main thread: stop conditions, a lost generator


def play(timeline: list[Scheduled], stage: Stage) -> None:
    """Play all steps; returns when the last has ended, or when the stop flag is set and every strike is undone."""
    zero = stage.clock.now()
    threads: list[threading.Thread] = []
    for each in timeline:
        if _wait(zero + each.start, stage):
            break
        thread = threading.Thread(target=_guarded, args=(each, zero, stage), name=f"step {each.step.id}", daemon=True)
        thread.start()
        threads.append(thread)
    _wait(zero + length(timeline), stage)
    for thread in threads:
        while thread.is_alive():
            stage.watch()
            thread.join(_LISTEN_EVERY)


def _wait(until: float, stage: Stage) -> bool:
    """Wait for a moment, watching meanwhile; whether the run is stopped."""
    while not stage.stop.is_set and (left := until - stage.clock.now()) > 0:
        stage.clock.wait(stage.stop.event, min(left, _LISTEN_EVERY))
        stage.watch()
    return stage.stop.is_set


def _guarded(each: Scheduled, zero: float, stage: Stage) -> None:
    try:
        _step(each, zero, stage)
    except BaseException as error:  # a thread's trouble must stop the run, or a crash would read as a pass
        stage.stop.request("error", f"step {each.step.id}: {type(error).__name__}: {error}")


def _step(each: Scheduled, zero: float, stage: Stage) -> None:
    step = each.step
    title = step.title or ""
    if isinstance(step, InjectStep | NoteStep):
        said = step.note if isinstance(step, NoteStep) else f"to {step.inject.to}: {step.inject.text}"
        stage.recorder.tell(
            StepEdge(step=step.id, type=each.type, edge="listed", title=title or said, detail={"for_people": True})
        )
        return
    stage.recorder.tell(StepEdge(step=step.id, type=each.type, edge="start", title=title))
    if isinstance(step, FaultStep):
        _fault(stage.changes[step.id], zero + each.end, stage, lasts=each.end > each.start)
    elif isinstance(step, LoadStep):
        _surge(step, zero + each.end, stage)
    elif isinstance(step, CheckStep):
        _check(step, stage)
    else:
        stage.clock.wait(stage.stop.event, zero + each.end - stage.clock.now())
    stage.recorder.tell(StepEdge(step=step.id, type=each.type, edge="end", title=title))


def _fault(change: Change, until: float, stage: Stage, *, lasts: bool) -> None:
    """Strike, prove the dose, hold, undo. The undo comes whatever happens before it; after a stop it waits for no reading."""
    with ThreadPoolExecutor(1, thread_name_prefix=f"dose {change.prepared.step}") as aside:
        try:
            if stage.eyes:
                stage.eyes.look()
            if change.strike():
                stage.stop.wait_for(aside.submit(_prove, change, until if lasts else None, stage))
                stage.clock.wait(stage.stop.event, until - stage.clock.now())
        finally:
            change.undo()
    if change.struck:
        _tell_evictions(change, stage)


def _prove(change: Change, until: float | None, stage: Stage) -> None:
    """As long as it takes, where the fault is over at once; else no longer than it is to hold, however late it was struck."""
    within = 0.0 if until is None else max(_LAST_LOOK, until - stage.clock.now())
    if stage.eyes and (result := stage.eyes.prove(change.prepared, within=within)):
        stage.recorder.tell(result, source="witness")
    _tell_evictions(change, stage)


def _tell_evictions(change: Change, stage: Stage) -> None:
    """What disruption budgets keep; not once the run is stopped, for then it has not been kept as long as it was meant to."""
    if stage.eyes and not stage.stop.is_set:
        for each in stage.eyes.evictions(change.prepared):
            stage.recorder.tell(each, source="probe")


def _surge(step: LoadStep, until: float, stage: Stage) -> None:
    try:
        stage.generator.surge(step.load)
        stage.clock.wait(stage.stop.event, until - stage.clock.now())
    finally:
        stage.generator.calm()


def _check(step: CheckStep, stage: Stage) -> None:
    last: Sample | None = None

    def as_expected() -> bool:
        nonlocal last
        last = take(step.check.probe, stage.view, step=step.id, phase="fault")
        return last.ok

    wait_until(as_expected, clock=stage.clock, within=step.check.within, every=0.5, stop=stage.stop.event)
    if last is not None:
        stage.recorder.tell(last, source="probe")
