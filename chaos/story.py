"""A scenario (or a lone experiment) with everything it refers to resolved: what the engine runs and evaluation judges.

`chaos.catalogue` builds it from files; `inputs/` of a run directory holds the files again, so that a stored
run gives the same story.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chaos.errors import Problem
from chaos.injectors.base import FaultSpec
from chaos.model.caps import Caps
from chaos.model.service import Service
from chaos.model.tolerance import Tolerance
from chaos.probes.base import ProbeSpec
from chaos.scenario import FaultStep, Load, Plausibility, Severity, Step, StopCondition


@dataclass(frozen=True, kw_only=True)
class Story:
    """One thing to run. `steps` are as in the file, except that every fault step has its fault (experiments resolved)."""

    kind: Literal["scenario", "experiment"]
    id: str
    title: str
    text: str
    service: Service
    severity: Severity = "SEV-3"
    severe_because: str = ""
    plausibility: tuple[Plausibility, ...] = ()
    namespace: str
    load: Load | None = None
    locustfile: Path | None = None
    baseline: float = 3.0  # seconds; of the load where there is one
    recovery: float = 10.0
    probes: tuple[ProbeSpec, ...] = ()
    observe: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()  # the service's, tightened and added to
    stop_conditions: tuple[StopCondition, ...] = ()
    caps: Caps = field(default_factory=Caps)
    roles: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Frozen inputs: path below `inputs/` -> content. The story's own file is `entry`."""
    entry: str = ""
    steps_at: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)
    """Step id -> file, line and column, for what only the cluster shows to be wrong with it."""

    def problem(self, step: str, message: str, hint: str = "") -> Problem | str:
        """What is wrong with a step, at its place in the file."""
        words = f"step {step}: {message}"
        if step not in self.steps_at:
            return f"{words}; {hint}" if hint else words
        return Problem(*self.steps_at[step], words, hint)

    @property
    def revision(self) -> str:
        """Digest of all inputs: changes when any file of the story changes."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(name.encode() + b"\0" + hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()[:16]

    @property
    def digests(self) -> dict[str, str]:
        """Input file -> digest of its content: says which one has changed."""
        return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self.files.items()}

    @property
    def faults(self) -> dict[str, FaultSpec]:
        """Step id -> its fault."""
        return {step.id: step.fault for step in self.steps if isinstance(step, FaultStep) and step.fault is not None}
