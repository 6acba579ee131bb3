"""Puts back what a run left behind, from its ledger alone, on disk or in the cluster.

Another process may do it, on another day, and another colleague on another machine.
"""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chaos.clients.world import World
from chaos.clock import Clock, RealClock, wait_until
from chaos.engine import cluster_ledger, lease
from chaos.engine.safeguards import forget_all
from chaos.engine.stopping import at_work
from chaos.errors import GamedayError, NotReady
from chaos.injectors.base import FaultState, Injector, lands_within
from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.ledger import Contents, Entry, LoadEntry
from chaos.load.locust import start_time_of
from chaos.model.base import Record

MODULES: dict[str, Injector] = {**INJECTORS, **FITTINGS}
"""Imported now, not when they are needed: by then the runner may be gone and somebody may be removing its files."""
UNDO_WITHIN = 20.0
_GUARD = "guard"

Connect = Callable[[Contents], World]


class Recovered(Record):
    """What became of one open entry."""

    run: str
    entry: str
    fault: str
    state: str  # clean, dirty, unknown
    detail: str = ""


def recover(contents: Contents, connect: Connect, *, clock: Clock | None = None) -> list[Recovered]:
    """Undo every open entry and verify each. All of the run's traces are removed when all is clean.

    Idempotent: a change that was undone already, or never made, verifies as clean. A corrupt ledger is never acted upon; its
    copy in the cluster is, where there is one.
    """
    if not contents.corrupt:
        end_load(contents.load)
    try:
        world = connect(contents)
        if contents.corrupt:
            contents = _copy_in_cluster(contents, world)
    except GamedayError as error:
        why = f"{error}{_what_to_do(contents)}"
        return [_result(contents, entry, "unknown", why) for entry in contents.entries or [_whole(contents)]]
    results = _undo_all(contents, world, clock or RealClock())
    if all(result.state == "clean" for result in results):
        _sweep(contents, world)
    return results


def _copy_in_cluster(contents: Contents, world: World) -> Contents:
    copies = cluster_ledger.read_all(world.cluster, contents.header.namespace) if contents.header.namespace else []
    for copy in copies:
        if copy.header.run == contents.header.run and not copy.corrupt:
            return copy.model_copy(update={"path": contents.path})
    raise NotReady(f"the ledger is corrupt ({contents.corrupt}): not acted upon")


def _what_to_do(contents: Contents) -> str:
    if not contents.corrupt:
        return ""
    return f"; look at {contents.path} ({contents.corrupt}), and delete it once you know that nothing is left"


def _whole(contents: Contents) -> Entry:
    """Stands for all of a ledger of which nothing can be read."""
    return Entry(id="all", fault="unknown", step="all", undo="", state={})


def _undo_all(contents: Contents, world: World, clock: Clock) -> list[Recovered]:
    """Together: faults, then what a run needs around them; the guard last, and only when all else is clean."""
    found = [
        _result(contents, each, "clean", "nothing left to do: " + each.undo)
        for each in contents.entries
        if each.edge == "verified"
    ]
    faults = [entry for entry in contents.open if entry.fault not in FITTINGS]
    fittings = [entry for entry in contents.open if entry.fault in FITTINGS and entry.fault != _GUARD]
    for batch in (faults, fittings):
        found += _together(batch, lambda entry: _undo(contents, entry, world, clock))
    guards = [entry for entry in contents.open if entry.fault == _GUARD]
    if all(result.state == "clean" for result in found):
        return found + _together(guards, lambda entry: _undo(contents, entry, world, clock))
    return found + [_result(contents, entry, "dirty", "left at work while anything else is not clean") for entry in guards]


def _together(entries: Sequence[Entry], undo: Callable[[Entry], Recovered]) -> list[Recovered]:
    if not entries:
        return []
    with ThreadPoolExecutor(len(entries)) as pool:
        return list(pool.map(undo, entries))


def _undo(contents: Contents, entry: Entry, world: World, clock: Clock) -> Recovered:
    """Undo and read back; where the runner may have died in its strike, until the strike cannot take effect any more."""
    try:
        module: Injector = MODULES[entry.fault]
        state: FaultState = module.State.model_validate(entry.state)
    except (KeyError, ValueError) as error:
        return _result(contents, entry, "unknown", f"written by another version, which can undo it: {error}")
    lands_until = clock.now() + (lands_within(module, state) if _may_be_in_flight(entry) else 0.0)
    trouble = ["unknown: not read back"]

    def clean() -> bool:
        nonlocal trouble
        try:
            if trouble:
                module.stop(state, world)
                if disarm := getattr(module, "disarm", None):
                    disarm(state, world)
            trouble = module.verify(state, world)
        except GamedayError as error:
            trouble = [f"unknown: {error}"]
        return not trouble and clock.now() >= lands_until

    settle = getattr(module, "settle", None)
    wait_until(clean, clock=clock, within=settle(state) if settle else UNDO_WITHIN, every=0.2)
    if not trouble:
        return _result(contents, entry, "clean", entry.undo)
    state_word = "unknown" if any(each.startswith("unknown") for each in trouble) else "dirty"
    return _result(contents, entry, state_word, "; ".join(trouble))


def _may_be_in_flight(entry: Entry) -> bool:
    """Whether the request of a strike may still be on its way. What is made too late for its owner goes with its owner."""
    return entry.fault not in FITTINGS and entry.edge in ("intent", "armed")


def _sweep(contents: Contents, world: World) -> None:
    """Nothing is left to put back: what kept the run safe goes, the ledger on disk last of all."""
    if contents.header.namespace:
        forget_all(world.cluster, contents.header.namespace, contents.header.run)
        lease.forget(world.cluster, contents.header.namespace, contents.header.run)
    if contents.path:
        contents.path.with_suffix(".watchdog.log").unlink(missing_ok=True)  # of one that was killed too
        contents.path.unlink(missing_ok=True)
    at_work()  # sweeps away what says that a run is under way and is not


def take_over(contents: Contents, world: World) -> None:
    """NotReady while the run gives signs of life; otherwise it writes nothing more, should it wake up again."""
    lease.take_over(world.cluster, contents.header.namespace, contents.header.run)


def _result(contents: Contents, entry: Entry, state: str, detail: str) -> Recovered:
    return Recovered(run=contents.header.run, entry=entry.id, fault=entry.fault, state=state, detail=detail)


def end_load(load: LoadEntry | None) -> bool:
    """End the load generator's process group if it still is the process that was written down; whether it was there."""
    if load is None or start_time_of(load.load_pid) != load.load_start:
        return False
    try:
        os.killpg(os.getpgid(load.load_pid), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
