"""One change of the world, from its intent in the ledger to the proof that it is gone. Only this module undoes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from chaos.clients.world import World
from chaos.clock import Clock, wait_until
from chaos.engine.planning import Prepared, dependency_of
from chaos.engine.stopping import StopFlag
from chaos.errors import GamedayError
from chaos.journal import Journal
from chaos.ledger import Edge, Entry, Ledger
from chaos.model.events import FaultEdge

UNDO_WITHIN = 20.0
"""Seconds in which an undo is tried again while the API server fails; afterwards it is a left-over, and said so."""
_AGAIN_AFTER = 0.2
VERIFY_WITHIN = 15.0
"""Seconds in which the prior state must read back; a fault may ask for more (`settle`)."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every change of one run shares."""

    world: World
    journal: Journal
    ledger: Ledger
    clock: Clock
    stop: StopFlag


class Change:
    """Arm, strike, undo, disarm and verify one prepared change; each step is in the ledger and the journal."""

    def __init__(self, prepared: Prepared, tools: Tools) -> None:
        self.prepared = prepared
        self.struck = False
        self.left_over = ""  # what is not put back, in words; "" = nothing known
        self.failed = ""  # why it could not be struck or armed
        self._tools = tools
        self._intended = False
        self._undone = threading.Lock()
        self._entry = Entry(
            id=prepared.step,
            fault=prepared.kind,
            step=prepared.step,
            undo=prepared.module.undo_words(prepared.state),
            state=prepared.state.model_dump(mode="json"),
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """What a person types to put right what is left over."""
        return (f"gameday recover --run {self.prepared.state.run}",)

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

    def _make(self, edge: str, mark: Edge, act: Callable[..., None]) -> bool:
        if self._tools.stop.is_set:
            return False
        self._intend()
        started = self._tools.clock.now()
        try:
            act(self.prepared.state, self._tools.world)
        except GamedayError as error:
            self.failed = str(error)
            self._tell("strike-failed", detail=self.failed, took=self._tools.clock.now() - started)
            return False
        took = self._tools.clock.now() - started
        self._tools.ledger.mark(self._entry, mark)
        self._tell(edge, took=took)
        return True

    def _intend(self) -> None:
        if not self._intended:
            self._tools.ledger.intend(self._entry)
            self._intended = True
        self._tell("intent")

    # -- putting it back: repeatable, never stopped by the stop flag -----------------------------------------------

    def undo(self) -> None:
        """Undo the strike. What was armed stays in place, idle, until `withdraw`."""
        if self._intended and not self._done_already():
            self._put_back("undone", "undo-failed", "undone", self.prepared.module.stop)

    def _done_already(self) -> bool:
        return not self._undone.acquire(blocking=False)

    def withdraw(self) -> None:
        """Take out what was armed, and read back that everything is as it was before."""
        if not self._intended:
            return
        self.undo()
        if disarm := getattr(self.prepared.module, "disarm", None):
            self._put_back("disarmed", "undo-failed", "undone", disarm)
        self._verify()

    def _put_back(self, edge: str, failure: str, mark: Edge, act: Callable[..., None]) -> None:
        started = self._tools.clock.now()
        error = self._insist(act)
        took = self._tools.clock.now() - started
        if error:
            self.left_over = error
            self._tell(failure, detail=error, took=took)
            return
        self._tools.ledger.mark(self._entry, mark)
        self._tell(edge, took=took)

    def _insist(self, act: Callable[..., None]) -> str:
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
        within = settle(self.prepared.state) if settle else VERIFY_WITHIN
        left = self._read_back(within)
        if left:
            self.left_over = "; ".join(left)
            self._tell("left-over", detail=self.left_over)
            return
        self.left_over = ""
        self._tools.ledger.mark(self._entry, "verified")
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

    def _tell(self, edge: str, *, detail: str = "", took: float | None = None) -> None:
        state = self.prepared.state
        self._tools.journal.add(
            FaultEdge(
                step=self.prepared.step,
                entry=self._entry.id,
                fault=self.prepared.kind,
                dependency=dependency_of(state),
                edge=edge,  # type: ignore[arg-type] # one of FaultEdge's words, by the callers above
                targets=[target.as_json() for target in state.targets],
                undo=self._entry.undo,
                detail=detail,
                took=None if took is None else round(took, 4),
            ),
            source="injector",
        )
