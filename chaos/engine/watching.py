"""What is read in the background while the story runs: its probes once a second, the cluster twice a second."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from chaos.clock import Clock
from chaos.model.events import Sample
from chaos.probes.base import ProbeSpec, Reading, View
from chaos.probes.table import PROBES

PROBE_EVERY = 1.0
OBSERVE_EVERY = 0.5


def take(probe: ProbeSpec, view: View, *, step: str = "", phase: str = "") -> Sample:
    """One reading of a probe as a sample."""
    reading: Reading = PROBES[probe.kind].read(probe, view)
    return Sample(
        probe=probe.id,
        step=step,
        phase=phase,
        ok=reading.ok,
        unread=reading.unread,
        value=reading.value,
        unit=reading.unit,
        detail=reading.detail,
    )


@dataclass
class Rhythm:
    """Calls `beat` every `every` seconds in a thread of its own, by an absolute schedule, until it is left."""

    name: str
    every: float
    clock: Clock
    beat: Callable[[], None]
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    trouble: BaseException | None = None

    def __enter__(self) -> "Rhythm":
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        due = self.clock.now()
        try:
            while not self._over.is_set():
                self.beat()
                due = max(due + self.every, self.clock.now())
                self.clock.wait(self._over, due - self.clock.now())
        except BaseException as error:  # handed to whoever leaves the block: no background trouble ends unheard
            self.trouble = error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._thread:
            self._thread.join(timeout=5.0)
        if self.trouble and error is None:
            raise self.trouble


def probe_rhythm(
    probes: Sequence[ProbeSpec], view: View, *, clock: Clock, phase: Callable[[], str], tell: Callable[[Sample], None]
) -> Rhythm:
    """Reads all `probes` once a second."""

    def beat() -> None:
        for probe in probes:
            tell(take(probe, view, phase=phase()))

    return Rhythm("probes", PROBE_EVERY, clock, beat)
