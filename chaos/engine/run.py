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

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from chaos import trust
from chaos.engine import lever
from chaos.engine.arming import withdraw
from chaos.engine.by_hand import commands
from chaos.engine.change import Change, Tools
from chaos.engine.phases import walk
from chaos.engine.place import Place
from chaos.engine.planning import ask_permissions
from chaos.engine.recorder import Recorder
from chaos.engine.safeguards import Safeguards
from chaos.engine.stopping import signals_stop, stop_file
from chaos.engine.under_way import Judges, Run
from chaos.engine.watchdog import Watchdog
from chaos.errors import NotReady
from chaos.journal import Journal
from chaos.ledger import Ledger, LedgerHeader, all_open, ledger_folder
from chaos.model.events import Event, RunEnd


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
        recorder.tell(end)
    if trouble and end.clean:
        raise trouble
    return end


def _ending(run: Run, changes: list[Change], trouble: Exception | None) -> RunEnd:
    left = [f"{change.prepared.step} ({change.prepared.kind}): {change.left_over}" for change in changes if change.left_over]
    left += [f"what keeps the run safe: {run.left}"] if run.left else []
    return RunEnd(
        clean=not left,
        stopped=run.stop.is_set,
        crash=f"{type(trouble).__name__}: {trouble}" if trouble else "",
        left_overs=left,
        commands=commands(run.info.id, [change.prepared for change in changes if change.left_over]) if left else [],
        reason=run.reason or ("crashed" if trouble else ""),
    )


def refuse_to_start(place: Place) -> None:
    """Reads only. BadInput on a cluster that nobody trusts; NotReady while its safety lever is engaged, a run is at work
    there, or has left something (or a ledger that nobody can read, which may be of any cluster)."""
    if place.world is None:
        return
    trust.require(place.environment)
    lever.refuse(place)
    for contents in all_open():
        if contents.header.environment.fingerprint not in (place.environment.fingerprint, ""):
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
    """The story with its ledger, its watchdog and its safeguards; leaves with every change withdrawn and read back."""
    planned = [*run.prepared.faults.values(), *run.prepared.fittings]
    if run.place.world is None or not planned:
        with ExitStack() as background:
            walk(run, recorder, {}, None, background)
        return
    header = _header(run)
    ledger = Ledger(ledger_folder() / f"{run.info.id}.ledger", header)
    safe = Safeguards(run.place.world, header, run.stop)
    ledger.mirror(safe.tell)
    tools = Tools(
        making=safe.making,
        undoing=safe.undoing,
        recorder=recorder,
        ledger=ledger,
        clock=run.clock,
        stop=run.stop,
        patience=safe.patience,
    )
    try:
        with Watchdog.over(ledger.path), safe.over(planned):
            changes += [Change(prepared, tools) for prepared in planned]
            background = ExitStack()
            try:
                walk(run, recorder, {change.prepared.step: change for change in changes}, ledger, background)
            finally:
                with run.in_phase(recorder, "disarm"):
                    try:
                        withdraw(changes, meanwhile=background.close)
                    finally:
                        run.left = safe.end(clean=_is_clean(changes))
    finally:
        ledger.close(clean=_is_clean(changes) and not run.left)


def _is_clean(changes: Sequence[Change]) -> bool:
    return not any(change.left_over for change in changes)


def _header(run: Run) -> LedgerHeader:
    return LedgerHeader(
        run=run.info.id,
        scenario=run.story.id,
        environment=run.place.environment,
        kubeconfig=run.place.kubeconfig,
        context=run.place.context,
        started=run.info.started,
        folder=str(run.folder.resolve()),
        namespace=run.story.namespace,
        ttl=run.prepared.ttl,
    )


__all__ = ["Judges", "Run", "execute", "preflight", "refuse_to_start"]
