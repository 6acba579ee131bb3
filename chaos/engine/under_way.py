"""One run under way: what it is about, how far it is, and why it stops."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaos.clock import Clock, RealClock
from chaos.engine.place import Place
from chaos.engine.planning import Prepare
from chaos.engine.recorder import Recorder
from chaos.engine.stopping import StopFlag
from chaos.model.events import Event, PhaseEdge
from chaos.model.run import RunInfo
from chaos.probes.base import View
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
    left: str = ""  # what of the run's own safeguards could not be taken away, in words

    @property
    def view(self) -> View:
        return View(world=self.place.world, namespace=self.story.namespace, base_url=self.prepared.base_url)

    @contextmanager
    def in_phase(self, recorder: Recorder, name: str) -> Iterator[None]:
        self.phase = name
        recorder.tell(PhaseEdge(phase=name, edge="start"))
        try:
            yield
        finally:
            recorder.tell(PhaseEdge(phase=name, edge="end"))
