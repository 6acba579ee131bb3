"""One change of the world, from its intent in the ledger to the proof that it is gone. Only this module undoes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from chaos.clients.world import World
from chaos.clock import Clock, wait_until
from chaos.engine.lease import LeaseLost
from chaos.engine.prepared import Prepared
from chaos.engine.recorder import Recorder
from chaos.engine.stopping import StopFlag
from chaos.errors import GamedayError, Stopped
from chaos.injectors.base import lands_within
from chaos.ledger import Edge, Ledger, LedgerBroken
from chaos.model.events import FaultEdge

UNDO_WITHIN = 20.0
"""Seconds in which an undo is tried again while the API server fails; afterwards it is a left-over, and said so."""
VERIFY_WITHIN = 15.0
"""Seconds in which the prior state must read back; a fault may ask for more (`settle`)."""
_AGAIN_AFTER = 0.2
_UNDO_AGAIN_AFTER = 1.0

_Told = Literal["armed", "struck", "strike-failed", "undone", "undo-failed", "disarmed", "verified", "left-over", "intent"]
_Act = Callable[[Any, World], None]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every change of one run shares."""

    making: Callable[[Prepared], World]  # the world for arming and striking; closed once the run is stopped
    undoing: World
    recorder: Recorder
    ledger: Ledger
    clock: Clock
    stop: StopFlag
    patience: Callable[[], float] = lambda: 0.0  # seconds more for reading back, once the guard has taken over


class Change:
    """Announce, arm, strike, undo and withdraw one prepared change; each step is in the ledger and the journal."""

    def __init__(self, prepared: Prepared, tools: Tools) -> None:
        self.prepared = prepared
        self.struck = False
        self.left_over = ""  # what is not put back, in words; "" = nothing known
        self.failed = ""  # why it could not be armed or struck
        self._tools = tools
        self._intended = False
        self._tried = False  # to strike: only then there may be something to undo beside what was armed
        self._once = threading.Lock()
        self._entry = prepared.entry
        self._lands_until = 0.0  # a call failed: until then it may still take effect

    def announce(self) -> bool:
        """Make, without waiting for it, what must be there before anything else is changed; false when it failed."""
        if not (announce := getattr(self.prepared.module, "announce", None)):
            return True
        return self._make(announce)

    def arm(self) -> bool:
        """Put in place what must be there before load starts, idle; false when it failed, or the run is stopped."""
        if not self.prepared.arms:
            return True
        return self._make(getattr(self.prepared.module, "arm", self.prepared.module.start), "armed", "armed")

    def strike(self) -> bool:
        """Do it; false when it failed (then it may have landed in part, and is undone like any other)."""
        self._tried = True
        self.struck = self._make(self.prepared.module.start, "struck", "applied")
        return self.struck

    def _make(self, act: _Act, told: _Told | None = None, mark: Edge | None = None) -> bool:
        started = self._tools.clock.now()
        try:
            self._intend()
            if self._tools.stop.is_set:
                return False
            act(self.prepared.state, self._tools.making(self.prepared))
        except GamedayError as error:
            self.failed = str(error)
            lands = 0.0 if isinstance(error, Stopped) else lands_within(self.prepared.module, self.prepared.state)
            self._lands_until = self._tools.clock.now() + lands
            self._tell("strike-failed", detail=self.failed, took=self._tools.clock.now() - started)
            return False
        if mark and told:
            self._mark(mark)
            self._tell(told, took=self._tools.clock.now() - started)
        return True

    def _intend(self) -> None:
        """The intent is on disk before the request is sent; without it nothing is sent (LedgerBroken)."""
        if not self._intended:
            self._tools.ledger.intend(self._entry)
            self._intended = True
            self.left_over = "unknown: not read back"  # until `_verify` has seen that it is gone
        self._tell("intent")

    # -- putting it back: repeatable, never held up by the stop flag, the journal or a full disk -----------------------

    def undo(self) -> None:
        """Undo the strike, once, where one was tried. What was armed stays in place, idle, until `withdraw`."""
        armed_alone = not self._tried and hasattr(self.prepared.module, "disarm")
        if self._intended and not armed_alone and self._once.acquire(blocking=False):
            self._put_back("undone", self.prepared.module.stop)

    def withdraw(self) -> None:
        """Take out what was armed, and read back that everything is as it was before."""
        if not self._intended:
            return
        self.undo()
        if disarm := getattr(self.prepared.module, "disarm", None):
            self._put_back("disarmed", disarm)
        self._verify()

    def _put_back(self, told: _Told, act: _Act) -> None:
        started = self._tools.clock.now()
        trouble = self._insist(act)
        took = self._tools.clock.now() - started
        if trouble:
            self.left_over = trouble
            self._tell("undo-failed", detail=trouble, took=took)
            return
        self._mark("undone")
        self._tell(told, took=took)

    def _insist(self, act: _Act) -> str:
        """Try until it works or `UNDO_WITHIN` has passed; the last trouble in words, or "". A lost lease ends it at once."""
        trouble = ""

        def settled() -> bool:
            nonlocal trouble
            try:
                act(self.prepared.state, self._tools.undoing)
                trouble = ""
            except GamedayError as error:
                trouble = str(error)
                return isinstance(error, LeaseLost)
            return True

        wait_until(settled, clock=self._tools.clock, within=UNDO_WITHIN, every=_AGAIN_AFTER)
        return trouble

    def _verify(self) -> None:
        settle = getattr(self.prepared.module, "settle", None)
        left = self._read_back((settle(self.prepared.state) if settle else VERIFY_WITHIN) + self._tools.patience())
        self.left_over = "; ".join(left)
        if left:
            self._tell("left-over", detail=self.left_over)
            return
        self._mark("verified")
        self._tell("verified")

    def _read_back(self, within: float) -> list[str]:
        """What is not back after `within` seconds; meanwhile it is undone again, for a request may have landed late."""
        left: list[str] = []
        undone = self._tools.clock.now()

        def clean() -> bool:
            nonlocal left, undone
            if left and self._tools.clock.now() - undone >= _UNDO_AGAIN_AFTER:
                self._undo_again()
                undone = self._tools.clock.now()
            try:
                left = self.prepared.module.verify(self.prepared.state, self._tools.undoing)
            except GamedayError as error:
                left = [f"unknown: {error}"]
            return not left and self._tools.clock.now() >= self._lands_until

        wait_until(clean, clock=self._tools.clock, within=within, every=_AGAIN_AFTER)
        return left

    def _undo_again(self) -> None:
        for act in (self.prepared.module.stop, getattr(self.prepared.module, "disarm", None)):
            try:
                if act:
                    act(self.prepared.state, self._tools.undoing)
            except GamedayError:
                return  # `verify` says what is left

    def _mark(self, edge: Edge) -> None:
        try:
            self._tools.ledger.mark(self._entry, edge)
        except LedgerBroken as error:  # the intent is on disk: at worst `recover` undoes again what is undone already
            self._tools.stop.request("error", str(error))

    def _tell(self, edge: _Told, *, detail: str = "", took: float | None = None) -> None:
        state = self.prepared.state
        self._tools.recorder.tell(
            FaultEdge(
                step=self.prepared.step,
                entry=self._entry.id,
                fault=self.prepared.kind,
                dependency=self.prepared.dependency,
                edge=edge,
                targets=[target.as_json() for target in state.targets],
                undo=self._entry.undo,
                detail=detail,
                took=None if took is None else round(took, 4),
            ),
            source="injector",
        )
