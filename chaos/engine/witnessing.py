"""The run's eyes: readings of the witness before and during each fault, judged against the dose that was promised."""

import threading
from dataclasses import dataclass, field
from typing import Any

from chaos.clients.world import World
from chaos.clock import Clock
from chaos.engine.prepared import Prepared
from chaos.model.events import DoseResult, Evictions
from chaos.probes import evictions
from chaos.probes.dose import prove
from chaos.probes.witness import Witness


@dataclass
class Eyes:
    """Proves doses; without a witness only those that the API server can show."""

    world: World
    witness: Witness | None
    clock: Clock
    stop: threading.Event
    _before: list[dict[str, Any]] = field(default_factory=list)

    def look(self) -> None:
        """Take in what the routes are like while nothing is struck yet."""
        if self.witness is not None:
            self._before = self.witness.readings(0)

    def prove(self, fault: Prepared, *, within: float) -> DoseResult | None:
        """Evidence for the fault just struck, at the latest after `within` seconds."""
        if fault.dose is None:
            return None
        dose = fault.dose.model_copy(update={"within": min(fault.dose.within, within)}) if within > 0 else fault.dose
        return prove(
            dose,
            step=fault.step,
            fault=fault.kind,
            cluster=self.world.cluster,
            witness=self.witness,
            before=self._before,
            clock=self.clock,
            stop=self.stop,
        )

    def evictions(self, fault: Prepared) -> list[Evictions]:
        """What became of the pods that the fault asked to leave, by their disruption budgets; [] where it asked none."""
        return evictions.look(fault.dose, self.world.cluster, step=fault.step, fault=fault.kind) if fault.dose else []
