"""All changes of a run together: armed at once before load starts, withdrawn at once in the end."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chaos.engine.change import Change


def arm(changes: Sequence[Change]) -> bool:
    """Put everything in place; false when something failed, or the run was stopped meanwhile.

    First what must be there before anything else is changed (the guard), or be known to others (a twin Service), is made;
    then everything starts at the same time, since most of it is waiting for pods; the witness last, since the connections
    that it holds must lead through what is armed.
    """
    witnesses = [change for change in changes if change.prepared.kind == "witness"]
    others = [change for change in changes if change not in witnesses]
    guard_first = sorted(changes, key=lambda change: change.prepared.kind != "guard")
    announced = all(change.announce() for change in guard_first)
    return announced and _together(others, Change.arm) and _together(witnesses, Change.arm)


def withdraw(changes: Sequence[Change], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Undo and verify all changes: faults first, then the fittings that watched them; the guard only when all else is clean.

    `meanwhile` ends what goes on in the background (load, probes): no fault waits for it, but the fittings that it uses do.
    """
    faults = [change for change in changes if not change.prepared.fitting]
    guards = [change for change in changes if change.prepared.kind == "guard"]
    others = [change for change in changes if change.prepared.fitting and change not in guards]
    with ThreadPoolExecutor(1) as aside:
        ended = aside.submit(meanwhile)
        _together(faults, _withdraw)
    _together(others, _withdraw)
    if not any(change.left_over for change in [*faults, *others]):
        _together(guards, _withdraw)
    ended.result()


def _withdraw(change: Change) -> bool:
    change.withdraw()
    return True


def _together(changes: Sequence[Change], act: Callable[[Change], bool]) -> bool:
    """All at once; every one has ended when this returns or raises."""
    if not changes:
        return True
    with ThreadPoolExecutor(len(changes)) as pool:
        results = [done.result() for done in [pool.submit(act, change) for change in changes]]
    return all(results)
