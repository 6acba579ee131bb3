"""One change of the world, from its intent in the ledger to the proof that it is gone. Only this module undoes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from chaos.clients.world import World
from chaos.clock import Clock, wait_until
from chaos.engine.planning import Prepared, dependency_of
from chaos.engine.recorder import Recorder
from chaos.engine.stopping import StopFlag
from chaos.errors import GamedayError
from chaos.ledger import Edge, Entry, Ledger, LedgerBroken
from chaos.model.events import FaultEdge

UNDO_WITHIN = 20.0
"""Seconds in which an undo is tried again while the API server fails; afterwards it is a left-over, and said so."""
VERIFY_WITHIN = 15.0
"""Seconds in which the prior state must read back; a fault may ask for more (`settle`)."""
_AGAIN_AFTER = 0.2

_Told = Literal["armed", "struck", "strike-failed", "undone", "undo-failed", "disarmed", "verified", "left-over", "intent"]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every change of one run shares."""

    world: World
    recorder: Recorder
    ledger: Ledger
    clock: Clock
    stop: StopFlag


class Change:
    """Arm, strike, undo and withdraw one prepared change; each step is in the ledger and the journal."""

    def __init__(self, prepared: Prepared, tools: Tools) -> None:
        self.prepared = prepared
        self.struck = False
        self.left_over = ""  # what is not put back, in words; "" = nothing known
        self.failed = ""  # why it could not be armed or struck
        self._tools = tools
        self._intended = False
        self._once = threading.Lock()
        self._entry = Entry(
            id=prepared.step,
            fault=prepared.kind,
            step=prepared.step,
            undo=prepared.module.undo_words(prepared.state),
            state=prepared.state.model_dump(mode="json"),
        )

    def arm(self) -> bool:
        """Put in place what must be there before load starts, idle; false when it failed, or the run is stopped."""
        if not self.prepared.arms:
            return True
        arm = getattr(self.prepared.module, "arm", self.prepared.module.start)
        return self._make("armed", "armed", arm)

    def strike(self) -> bool:
        """Do it; false when it failed (then it may have landed in part, and is undone like any other)."""
        self.struck = self._make("struck", "applied", self.prepared.module.start)
        return self.struck

    def _make(self, told: _Told, mark: Edge, act: Callable[[Any, World], None]) -> bool:
        started = self._tools.clock.now()
        try:
            self._intend()
            if self._tools.stop.is_set:
                return False
            act(self.prepared.state, self._tools.world)
        except GamedayError as error:
            self.failed = str(error)
            self._tell("strike-failed", detail=self.failed, took=self._tools.clock.now() - started)
            return False
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
        """Undo the strike, once. What was armed stays in place, idle, until `withdraw`."""
        if self._intended and self._once.acquire(blocking=False):
            self._put_back("undone", self.prepared.module.stop)

    def withdraw(self) -> None:
        """Take out what was armed, and read back that everything is as it was before."""
        if not self._intended:
            return
        self.undo()
        if disarm := getattr(self.prepared.module, "disarm", None):
            self._put_back("disarmed", disarm)
        self._verify()

    def _put_back(self, told: _Told, act: Callable[[Any, World], None]) -> None:
        started = self._tools.clock.now()
        trouble = self._insist(act)
        took = self._tools.clock.now() - started
        if trouble:
            self.left_over = trouble
            self._tell("undo-failed", detail=trouble, took=took)
            return
        self._mark("undone")
        self._tell(told, took=took)

    def _insist(self, act: Callable[[Any, World], None]) -> str:
        """Try until it works or `UNDO_WITHIN` has passed; the last trouble in words, or ""."""
        trouble = ""

        def works() -> bool:
            nonlocal trouble
            try:
                act(self.prepared.state, self._tools.world)
            except GamedayError as error:
                trouble = str(error)
                return False
            return True

        done = wait_until(works, clock=self._tools.clock, within=UNDO_WITHIN, every=_AGAIN_AFTER)
        return "" if done else trouble

    def _verify(self) -> None:
        settle = getattr(self.prepared.module, "settle", None)
        left = self._read_back(settle(self.prepared.state) if settle else VERIFY_WITHIN)
        self.left_over = "; ".join(left)
        if left:
            self._tell("left-over", detail=self.left_over)
            return
        self._mark("verified")
        self._tell("verified")

    def _read_back(self, within: float) -> list[str]:
        left: list[str] = []

        def clean() -> bool:
            nonlocal left
            try:
                left = self.prepared.module.verify(self.prepared.state, self._tools.world)
            except GamedayError as error:
                left = [f"unknown: {error}"]
            return not left

        wait_until(clean, clock=self._tools.clock, within=within, every=_AGAIN_AFTER)
        return left

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
                dependency=dependency_of(state),
                edge=edge,
                targets=[target.as_json() for target in state.targets],
                undo=self._entry.undo,
                detail=detail,
                took=None if took is None else round(took, 4),
            ),
            source="injector",
        )
