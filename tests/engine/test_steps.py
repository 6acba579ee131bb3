"""A fault holds for as long as its step says, whatever its strike and its dose take."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from chaos.clock import VirtualClock
from chaos.engine.steps import Stage, _step
from chaos.engine.stopping import StopFlag
from chaos.engine.timeline import Scheduled
from chaos.scenario import FaultStep


class Told:
    def tell(self, payload, *, source="engine"):
        pass


@dataclass
class SlowStrike:
    clock: VirtualClock
    takes: float
    struck: bool = False
    undone: float = 0.0
    prepared: object = field(default_factory=lambda: SimpleNamespace(step="s"))

    def strike(self):
        self.clock.at += self.takes
        self.struck = True
        return True

    def undo(self):
        self.undone = self.clock.now()


@dataclass
class Eyes:
    """Needs all the time that it is given."""

    clock: VirtualClock
    given: list = field(default_factory=list)

    def look(self):
        pass

    def prove(self, fault, *, within):
        self.given.append(within)
        self.clock.at += within

    def evictions(self, fault):
        return []


@pytest.mark.parametrize(("lasts", "takes", "looks"), [(5.0, 1.0, 4.0), (1.0, 3.0, 0.1), (0.0, 3.0, 0.0)])
def test_a_dose_is_looked_for_while_the_fault_is_to_hold(lasts, takes, looks):
    """A strike that took longer than the hold leaves one last look; a fault that is over at once has all of its dose's time."""
    clock = VirtualClock()
    change, eyes = SlowStrike(clock, takes), Eyes(clock)
    stage = Stage(
        changes={"s": change},
        generator=None,
        eyes=eyes,
        view=None,
        recorder=Told(),
        clock=clock,
        stop=StopFlag(),
        watch=lambda: None,
    )
    step = FaultStep.model_validate({"id": "s", "fault": {"kind": "pod-kill", "selector": {"app": "x"}, "count": 1}})
    began = clock.now()
    _step(Scheduled(step, "fault", 0.0, lasts), began, stage)
    assert eyes.given == [pytest.approx(looks)]
    assert change.undone - began == pytest.approx(max(lasts, takes + looks))
