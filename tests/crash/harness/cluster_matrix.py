"""The crash matrix of a real cluster: fewer cells than the sandbox's, one run at a time, for each looks at nodes too."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster import Cluster, ClusterGround
from harness.crashes import Outcome, crash, pilot
from harness.lanes import Lanes
from harness.traps import LATE, POINTS, Pilot

Key = tuple[str, str, str, int]  # point, kind, layer, repeat
ALL_POINTS = dict(sorted((POINTS | LATE).items(), key=lambda each: (int(each[0][1:].rstrip("b")), each[0])))
_LAYERS = {"w": "watchdog", "g": "guard", "r": "recover"}
_CELLS = {
    "pod-kill": "C2w C3bw C4r C6w C6g",
    "latency": "C2w C3br C4w C4g C6w C6g C7r C8w",
    "vendor-outage": "C3w C3bg C4w C6w C6g C6r C7w C8g",
    "network-partition": "C2g C3bw C4w C4g C6w C6g C8r",
    "scale-to-zero": "C3w C3bw C4w C4g C6w C6g C7r C8w",
    "node-stop": "C0w C2w C3w C3bw C3br C4w C4r C6w C6r C7w C8w C9r",
}
"""Crash points with who has to put it back. No guard can start a node: what ends that is this machine's Docker."""
KINDS = list(_CELLS)
CELLS = [(each[:-1], kind, _LAYERS[each[-1]]) for kind, cells in _CELLS.items() for each in cells.split()]


def keys(kinds: list[str], repeats: int) -> list[Key]:
    """Kind after kind, for each needs an undisturbed run first; nodes last."""
    return [(*cell, repeat) for repeat in range(repeats) for cell in CELLS if cell[1] in kinds]


@dataclass
class ClusterMatrix:
    """What one cell needs: the cluster, a folder, and a pilot run of its kind, which is made when it is first asked for."""

    cluster: Cluster
    folder: Path
    _pilots: dict[str, Pilot] = field(default_factory=dict)

    def work(self, ground: ClusterGround, key: Key) -> Outcome:
        point, kind, layer, repeat = key
        if kind not in self._pilots:
            self._pilots[kind] = pilot(ground, self.folder / f"pilot-{kind}", kind)
        return crash(ground, self.folder / layer, point=point, kind=kind, repeat=repeat, layer=layer, known=self._pilots[kind])

    def lanes(self) -> "Lanes[Key, Outcome]":
        return Lanes(self.cluster.server, "crash", self.work, 1, ground=self._ground)

    def _ground(self, server: str, name: str) -> ClusterGround:
        own = f"{name}-{uuid.uuid4().hex[:5]}"  # one of before may still be ending
        return ClusterGround(server, own, cluster=self.cluster)
