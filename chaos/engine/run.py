"""The run, on one screen. The engine only writes events; what they mean is evaluation's to say.

1. open      run folder, journal, ledger
2. preflight rights to inject and to undo; nobody else at work; nothing left from before
3. arm       what must be in the path before load starts
4. warm-up   load begins
5. baseline  measured; outside its tolerances nothing is struck
6. fault     the timeline: strike, dose, hold, undo
7. recovery  watch the service come back
8. disarm    take out what was armed, verify that everything is as it was
Whatever happens on the way, what was changed is put back and read back.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaos.clock import Clock, RealClock
from chaos.engine.change import Change, Tools
from chaos.engine.loading import Generator
from chaos.engine.place import Place
from chaos.engine.planning import Prepare, ask_permissions
from chaos.engine.steps import play
from chaos.engine.stopping import StopFlag, signals_stop
from chaos.engine.tallying import tally
from chaos.engine.watching import Rhythm, probe_rhythm
from chaos.engine.witnessing import Eyes
from chaos.errors import GamedayError, NotReady
from chaos.journal import Journal
from chaos.ledger import Ledger, LedgerHeader, all_open, ledger_folder
from chaos.model.events import Event, PhaseEdge, RunEnd, Sample, LoadSecond
from chaos.model.run import RunInfo
from chaos.probes.base import View
from chaos.story import Story


class Judges(Protocol):
    """What evaluation answers while the run goes on; handed in, since engine and evaluation meet only in the journal."""

    def baseline_problem(self) -> str:
        """Why nothing may be struck, or "" when the baseline is healthy."""

    def broken_condition(self, now: float) -> str:
        """The stop condition that is met now, or ""."""

    def feed(self, event: Event) -> None:
        """Sees every event."""


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
    reason: str = ""  # reason code, when the run could not go as planned
    changes: list[Change] = field(default_factory=list)

    @property
    def view(self) -> View:
        return View(world=self.place.world, namespace=self.story.namespace, base_url=self.prepared.base_url)
