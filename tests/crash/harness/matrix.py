"""The crash matrix: all cells, several runs side by side."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.crashes import Outcome, crash, pilot
from harness.ground import FAULTS, Ground
from harness.lanes import Lanes
from harness.traps import Pilot, cells

Key = tuple[str, str, int]  # point, kind, repeat
KINDS = tuple(FAULTS)
CELLS = cells(list(KINDS))


def layer_of(key: Key) -> str:
    """Half of the runners die together with their watchdog; half of those wait for the guard, the others for a colleague."""
    turn = CELLS.index(key[:2]) + key[2]
    return "watchdog" if turn % 2 == 0 else "guard" if turn % 4 == 1 else "recover"


def keys(repeats: int) -> list[Key]:
    return [(*cell, repeat) for repeat in range(repeats) for cell in CELLS]


@dataclass
class Matrix:
    """What one cell needs: a folder, and a pilot run of its kind, which is made when it is first asked for."""

    folder: Path
    _pilots: dict[str, Pilot] = field(default_factory=dict)

    def work(self, ground: Ground, key: Key) -> Outcome:
        point, kind, repeat = key
        if kind not in self._pilots:  # two lanes may both make one, which does no harm
            self._pilots[kind] = pilot(ground, self.folder / f"pilot-{kind}-{ground.namespace}", kind)
        return crash(ground, self.folder, point=point, kind=kind, repeat=repeat, layer=layer_of(key), known=self._pilots[kind])

    def lanes(self, server: str, count: int = 6) -> "Lanes[Key, Outcome]":
        return Lanes(server, "lane", self.work, count)
