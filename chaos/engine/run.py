"""The run. The engine only writes events; what they mean is evaluation's to say.

1. preflight  rights to inject and to undo; nobody else at work; nothing left from before
2. arm        what must be in the path before load starts
3. warm-up    load begins
4. baseline   measured; outside its tolerances nothing is struck
5. fault      the timeline: strike, dose, hold, undo
6. recovery   watch the service come back
7. disarm     take out what was armed, verify that everything is as it was
Whatever happens on the way, what was changed is put back and read back.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaos import trust
from chaos.clock import Clock, RealClock
from chaos.engine import lever
from chaos.engine.bypassing import bypassed
from chaos.engine.change import Change, Tools
from chaos.engine.loading import Generator
from chaos.engine.observing import observer_rhythm
from chaos.engine.place import Place
from chaos.engine.planning import Prepare, ask_permissions
from chaos.engine.recorder import Recorder
from chaos.engine.steps import Stage, play
from chaos.engine.stopping import StopFlag, signals_stop, stop_file
from chaos.engine.tallying import tally
from chaos.engine.timeline import length
from chaos.engine.watchdog import Watchdog
from chaos.engine.watching import probe_rhythm
from chaos.engine.witnessing import Eyes
from chaos.errors import GamedayError, NotReady
from chaos.journal import Journal
from chaos.ledger import Ledger, LedgerHeader, all_open, ledger_folder
from chaos.model.events import Event, LoadNote, PhaseEdge, RunEnd
from chaos.model.run import RunInfo
from chaos.probes.base import View
from chaos.probes.witness import Witness
from chaos.story import Story


class Judges(Protocol):
    """What evaluation answers while the run goes on; handed in, since engine and evaluation meet only in the journal."""

    def feed(self, event: Event) -> None:
        """Sees every event."""

    def baseline_problem(self) -> str:
        """Why nothing may be struck, or "" when the baseline is healthy."""

    def broken_condition(self, now: float) -> str:
        """The stop condition that is met now, in words, or ""."""


@dataclass(kw_only=True)
class Run:
    """One run under way."""

    story: Story
    place: Place
    info: RunInfo
    prepared: Prepare
    folder: Path
    judges: Judges
    clock: Clock = field(default_factory=RealClock)
    stop: StopFlag = field(default_factory=StopFlag)
    phase: str = "preflight"
    reason: str = ""  # reason code, when it could not go as planned

    @property
    def view(self) -> View:
        return View(world=self.place.world, namespace=self.story.namespace, base_url=self.prepared.base_url)


def execute(run: Run, *, on_event: Callable[[Event], None]) -> RunEnd:
    """Run the story; the last event says whether everything was put back. Raises only before anything was touched."""
    preflight(run)
    with (
        signals_stop(run.stop),
        stop_file(run.stop, run.info),
        lever.obeyed(run.place, run.stop),
        Journal(run.folder / "journal.jsonl", run.clock) as journal,
    ):
        journal.listen(run.judges.feed)
        journal.listen(on_event)
        recorder = Recorder(journal, run.stop)
        changes: list[Change] = []
        trouble: Exception | None = None
        try:
            _guarded_story(run, recorder, changes)
        except Exception as error:  # everything is undone by now; told in the last event, then raised again
            trouble = error
        end = _ending(run, changes, trouble)
        if run.stop.why:
            recorder.tell(run.stop.why)
        recorder.tell(end)
    if trouble and end.clean:
        raise trouble
    return end


def _ending(run: Run, changes: list[Change], trouble: Exception | None) -> RunEnd:
    left = [f"{change.prepared.step} ({change.prepared.kind}): {change.left_over}" for change in changes if change.left_over]
    return RunEnd(
        clean=not left,
        stopped=run.stop.is_set,
        crash=f"{type(trouble).__name__}: {trouble}" if trouble else "",
        left_overs=left,
        reason=run.reason or ("crashed" if trouble else ""),
    )


def refuse_to_start(place: Place) -> None:
    """Reads only. BadInput on a cluster that nobody trusts; NotReady while a run is at work there, or has left something."""
    if place.world is None:
        return
    trust.require(place.environment)
    for contents in all_open():
        if contents.header.environment.fingerprint != place.environment.fingerprint:
            continue
        if contents.running:
            raise NotReady(f"run {contents.header.run} is at work on this cluster; wait for it, or stop it")
        raise NotReady(f"run {contents.header.run} left something behind; first: gameday recover {contents.header.run}")


def preflight(run: Run) -> None:
    """Reads only: a trusted cluster, nobody else at work, and every right to inject and to undo."""
    refuse_to_start(run.place)
    if run.prepared.faults or run.prepared.fittings:
        ask_permissions(run.prepared, run.place)


def _guarded_story(run: Run, recorder: Recorder, changes: list[Change]) -> None:
    """The story with its ledger and its watchdog; leaves with every change withdrawn and read back."""
    planned = [*run.prepared.faults.values(), *run.prepared.fittings]  # the witness looks at what the faults have armed
    if run.place.world is None or not planned:
        _phases(run, recorder, {}, None)
        return
    ledger = Ledger(ledger_folder() / f"{run.info.id}.ledger", _header(run))
    tools = Tools(world=run.place.world, recorder=recorder, ledger=ledger, clock=run.clock, stop=run.stop)
    changes += [Change(prepared, tools) for prepared in planned]
    try:
        with Watchdog.over(ledger.path):
            try:
                _phases(run, recorder, {change.prepared.step: change for change in changes}, ledger)
            finally:
                with _phase(run, recorder, "disarm"):
                    withdraw(changes)
    finally:
        ledger.close(clean=not any(change.left_over for change in changes))


def _header(run: Run) -> LedgerHeader:
    return LedgerHeader(
        run=run.info.id,
        scenario=run.story.id,
        environment=run.place.environment,
        kubeconfig=run.place.kubeconfig,
        context=run.place.context,
        started=run.info.started,
        folder=str(run.folder.resolve()),
    )


def withdraw(changes: list[Change]) -> None:
    """Undo and verify all changes at once: faults first, then the fittings that watched them."""
    for fittings in (False, True):
        batch = [change for change in changes if change.prepared.fitting is fittings]
        if batch:
            with ThreadPoolExecutor(len(batch)) as pool:
                for done in [pool.submit(change.withdraw) for change in batch]:
                    done.result()


def _phases(run: Run, recorder: Recorder, changes: dict[str, Change], ledger: Ledger | None) -> None:
    with _phase(run, recorder, "arm"):
        armed = all(change.arm() for change in changes.values())
    if not armed:
        run.reason = "stopped" if run.stop.is_set else "arm-failed"
        return
    with ExitStack() as background:
        eyes = _eyes(run, changes)
        generator = _start_load(run, recorder, ledger)
        background.callback(generator.stop)
        background.enter_context(
            probe_rhythm(
                run.story.probes,
                run.view,
                clock=run.clock,
                phase=lambda: run.phase,
                tell=lambda s: recorder.tell(s, source="probe"),
            )
        )
        if run.place.world:
            rhythm = observer_rhythm(
                run.place.world, run.story.namespace, list(changes.values()), clock=run.clock, recorder=recorder
            )
            background.enter_context(rhythm)
        stage = Stage(
            changes=changes,
            generator=generator,
            eyes=eyes,
            view=run.view,
            recorder=recorder,
            clock=run.clock,
            stop=run.stop,
            watch=lambda: _watch(run, generator, recorder),
        )
        _timed(run, stage)
    if run.story.load and run.story.load.ledger and run.phase == "recovery" and not run.stop.is_set:
        recorder.tell(tally(run.story.load.ledger, base_url=run.prepared.base_url, folder=run.folder, clock=run.clock))


def _timed(run: Run, stage: Stage) -> None:
    """Warm-up, baseline, fault, recovery."""
    load = run.story.load
    if load:
        with _phase(run, stage.recorder, "warm-up"):
            _pass(load.warm_up, stage)
    with _phase(run, stage.recorder, "baseline"):
        _pass(run.story.baseline, stage)
    if run.stop.is_set:
        return
    if problem := run.judges.baseline_problem():
        run.reason = "baseline-unhealthy"
        stage.recorder.tell(LoadNote(what="baseline-unhealthy", detail=problem))
        return
    if load and run.place.world and (missed := bypassed(stage.changes.values(), run.place.world)):
        run.reason = "held-bypass"
        stage.recorder.tell(LoadNote(what="held-bypass", detail=missed))
        return
    with _phase(run, stage.recorder, "fault"):
        play(run.prepared.timeline, stage)
    with _phase(run, stage.recorder, "recovery"):
        _pass(run.story.recovery, stage)


def _pass(seconds: float, stage: Stage) -> None:
    until = stage.clock.now() + seconds
    while not stage.stop.is_set and (left := until - stage.clock.now()) > 0:
        stage.clock.wait(stage.stop.event, min(left, 0.1))
        stage.watch()


def _watch(run: Run, generator: Generator, recorder: Recorder) -> None:
    """In the main thread, ten times a second: is there a reason to stop?"""
    if run.stop.is_set:
        return
    if why := generator.ended_early:
        run.reason = "generator-lost"
        recorder.tell(LoadNote(what="crashed", detail=why))
        run.stop.request("error", why)
    elif broken := run.judges.broken_condition(run.clock.now()):
        run.stop.request("stop-condition", broken, condition=broken.split(":")[0])


def _start_load(run: Run, recorder: Recorder, ledger: Ledger | None) -> Generator:
    load = run.story.load
    phases = (load.warm_up if load else 0.0) + run.story.baseline + length(run.prepared.timeline) + run.story.recovery
    return Generator.start(
        run.story,
        host=run.prepared.base_url,
        seconds=phases,
        folder=run.folder,
        recorder=recorder,
        ledger=ledger,
        seed=run.info.seed,
    )


def _eyes(run: Run, changes: dict[str, Change]) -> Eyes | None:
    if run.place.world is None:
        return None
    witness = None
    if (change := changes.get("witness")) is not None:
        witness = Witness(run.place.world.cluster, run.story.namespace, change.prepared.state.pod)  # type: ignore[attr-defined]
    return Eyes(run.place.world, witness, run.clock, run.stop.event)


@contextmanager
def _phase(run: Run, recorder: Recorder, name: str) -> Iterator[None]:
    run.phase = name
    recorder.tell(PhaseEdge(phase=name, edge="start"))
    try:
        yield
    finally:
        recorder.tell(PhaseEdge(phase=name, edge="end"))


__all__ = ["GamedayError", "Judges", "Run", "execute", "preflight", "refuse_to_start", "withdraw"]
