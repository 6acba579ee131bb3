"""Puts back what a run left behind, from its ledger alone: another process, another day, another colleague."""

import os
import signal
from collections.abc import Callable

from chaos.clients.world import World
from chaos.clock import Clock, RealClock, wait_until
from chaos.errors import GamedayError
from chaos.injectors.base import FaultState, Injector
from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.ledger import Contents, Entry, LoadEntry
from chaos.load.locust import start_time_of
from chaos.model.base import Record

MODULES: dict[str, Injector] = {**INJECTORS, **FITTINGS}
"""Imported now, not when they are needed: by then the runner may be gone and somebody may be removing its files."""
UNDO_WITHIN = 20.0


class Recovered(Record):
    """What became of one open entry."""

    run: str
    entry: str
    fault: str
    state: str  # clean, dirty, unknown
    detail: str = ""


def recover(contents: Contents, connect: Callable[[Contents], World], *, clock: Clock | None = None) -> list[Recovered]:
    """Undo every open entry, newest first, and verify each. The ledger is removed when all is clean.

    Idempotent: a change that was undone already, or never made, verifies as clean.
    """
    clock = clock or RealClock()
    if contents.corrupt:
        return [
            _result(contents, entry, "unknown", f"the ledger is corrupt ({contents.corrupt}): not acted upon")
            for entry in contents.entries
        ]
    end_load(contents.load)
    if not contents.open:
        contents.path.unlink(missing_ok=True)
        return []
    try:
        world = connect(contents)
    except GamedayError as error:
        return [_result(contents, entry, "unknown", str(error)) for entry in contents.open]
    results = [_undo(contents, entry, world, clock) for entry in contents.open]
    if all(result.state == "clean" for result in results):
        contents.path.unlink(missing_ok=True)
    return results


def _undo(contents: Contents, entry: Entry, world: World, clock: Clock) -> Recovered:
    module: Injector = MODULES[entry.fault]
    state: FaultState = module.State.model_validate(entry.state)
    trouble: list[str] = []

    def clean() -> bool:
        nonlocal trouble
        try:
            module.stop(state, world)
            if disarm := getattr(module, "disarm", None):
                disarm(state, world)
            trouble = module.verify(state, world)
        except GamedayError as error:
            trouble = [f"unknown: {error}"]
        return not trouble

    settle = getattr(module, "settle", None)
    wait_until(clean, clock=clock, within=settle(state) if settle else UNDO_WITHIN, every=0.2)
    if not trouble:
        return _result(contents, entry, "clean", entry.undo)
    state_word = "unknown" if any(each.startswith("unknown") for each in trouble) else "dirty"
    return _result(contents, entry, state_word, "; ".join(trouble))


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
