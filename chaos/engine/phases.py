"""The phases of a run, one after the other, with load, probes and observer in the background."""

from contextlib import ExitStack

from chaos.engine.arming import arm
from chaos.engine.bypassing import bypassed
from chaos.engine.change import Change
from chaos.engine.loading import Generator, spec_of
from chaos.engine.observing import observer_rhythm
from chaos.engine.recorder import Recorder
from chaos.engine.steps import Stage, play
from chaos.engine.tallying import tally
from chaos.engine.under_way import Run
from chaos.engine.watching import probe_rhythm
from chaos.engine.witnessing import Eyes
from chaos.injectors import load_workers
from chaos.ledger import Ledger
from chaos.load.spec import Remote
from chaos.model.events import LoadNote, Sample
from chaos.probes.witness import SharedWitness


def walk(run: Run, recorder: Recorder, changes: dict[str, Change], ledger: Ledger | None, background: ExitStack) -> None:
    """Arm, warm-up, baseline, fault, recovery. What was changed is the caller's to withdraw, however this ends.

    So is what goes on in the background, unless the run went to its end: a stopped one must not wait for load to end.
    """
    with run.in_phase(recorder, "arm"):
        armed = arm(list(changes.values()))
    if not armed:
        run.reason = "stopped" if run.stop.is_set else "arm-failed"
        return
    eyes = _eyes(run, changes)
    generator = _start_load(run, recorder, ledger)
    background.callback(generator.stop)
    _look_on(run, recorder, changes, background)
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
    if run.stop.is_set:
        return
    background.close()
    if run.story.load and run.story.load.ledger and run.phase == "recovery":
        recorder.tell(tally(run.story.load.ledger, base_url=run.prepared.base_url, folder=run.folder, clock=run.clock))


def _look_on(run: Run, recorder: Recorder, changes: dict[str, Change], background: ExitStack) -> None:
    """Probes and observer, each in its rhythm."""

    def tell(sample: Sample) -> None:
        recorder.tell(sample, source="probe")

    background.enter_context(probe_rhythm(run.story.probes, run.view, clock=run.clock, phase=lambda: run.phase, tell=tell))
    if run.place.world:
        background.enter_context(
            observer_rhythm(run.place.world, run.story.namespace, list(changes.values()), clock=run.clock, recorder=recorder)
        )


def _timed(run: Run, stage: Stage) -> None:
    """Warm-up, baseline, fault, recovery."""
    load = run.story.load
    if load:
        with run.in_phase(stage.recorder, "warm-up"):
            _pass(load.warm_up, stage)
    with run.in_phase(stage.recorder, "baseline"):
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
    with run.in_phase(stage.recorder, "fault"):
        play(run.prepared.timeline, stage)
    with run.in_phase(stage.recorder, "recovery"):
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
    spec = spec_of(
        run.story,
        host=run.prepared.base_url,
        seconds=sum(run.prepared.plan.phases.values()),
        seed=run.info.seed,
        remote=_where_locust_runs(run),
    )
    return Generator.start(run.story, spec, folder=run.folder, recorder=recorder, ledger=ledger)


def _where_locust_runs(run: Run) -> Remote | None:
    """On the cluster where the story asks for workers there; else on this machine."""
    workers = next((each.state for each in run.prepared.fittings if each.kind == "load-workers"), None)
    if run.place.world is None or not isinstance(workers, load_workers.State):
        return None
    pod = load_workers.master_pod(workers, run.place.world.cluster)
    return Remote(
        kubeconfig=run.place.kubeconfig,
        context=run.place.context,
        namespace=workers.namespace,
        pod=pod,
        token=workers.token,
    )


def _eyes(run: Run, changes: dict[str, Change]) -> Eyes | None:
    if run.place.world is None:
        return None
    witness = None
    if (change := changes.get("witness")) is not None:
        witness = SharedWitness(run.place.world.cluster, run.story.namespace, change.prepared.state.pod)  # type: ignore[attr-defined]
    return Eyes(run.place.world, witness, run.clock, run.stop.event)
