"""Two faults that would undo each other's change must not overlap: found out before anything is touched. Pure."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaos.engine.timeline import Scheduled
from chaos.injectors.base import FaultState, Injector


@dataclass(frozen=True)
class Claim:
    """What no other fault may change between two moments."""

    step: str
    thing: str
    start: float
    end: float
    shared: bool = False  # with others that share it as well: one idle proxy serves several faults

    def clashes_with(self, other: "Claim") -> bool:
        apart = self.step == other.step or (self.shared and other.shared)
        return self.thing == other.thing and not apart and self.start < other.end and other.start < self.end


def clashes(claims: Iterable[Claim]) -> list[tuple[str, str]]:
    """Each pair of steps that lay claim to the same thing at the same time: the later one, and the clash in words."""
    found = (pair for pair in itertools.combinations(claims, 2) if pair[0].clashes_with(pair[1]))
    return list(dict.fromkeys((second.step, _words(first)) for first, second in found))


def _words(first: Claim) -> str:
    both = f"step {first.step} changes {first.thing} at the same time"
    return f"{both}, and each would undo what the other does; let one end before the other begins, or run them apart"


def claims_of(scheduled: Scheduled, module: Injector, state: FaultState) -> Iterator[Claim]:
    """What a fault puts back when it is undone, for as long as it holds; what it arms is in place for the whole run."""
    armed = hasattr(module, "arm")
    start, end = (-math.inf, math.inf) if armed else (scheduled.start, scheduled.end)
    for thing in sorted({f"{call.kind.lower()}/{call.name}" for call in module.undo_calls(state) if call.do != "delete"}):
        yield Claim(scheduled.step.id, thing, start, end, shared=armed)
    if claims := getattr(module, "claims", None):
        for thing in claims(state):
            yield Claim(scheduled.step.id, thing, scheduled.start, scheduled.end)
