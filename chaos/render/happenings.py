"""What happened beside the load: phases, changes, doses, steps, readings. Times are the journal's own until `moved`."""

from dataclasses import dataclass, field, replace
from typing import Any

INSTANT = 1.0
"""A fault undone within so many seconds held no time of its own: a killed pod is gone at once."""


@dataclass(frozen=True)
class PhaseSpan:
    """One phase; `end` is None when the journal ends inside it."""

    name: str
    start: float
    end: float | None = None

    def moved(self, zero: float) -> "PhaseSpan":
        return replace(self, start=self.start - zero, end=None if self.end is None else self.end - zero)


@dataclass
class Change:
    """One change of the world, from its intent to the proof that it is gone."""

    step: str
    entry: str
    fault: str
    dependency: str = ""
    targets: list[dict[str, Any]] = field(default_factory=list)
    undo: str = ""
    at: dict[str, float] = field(default_factory=dict)  # edge -> when; `struck` is when the strike began
    took: dict[str, float] = field(default_factory=dict)
    trouble: str = ""  # why it could not be struck or undone, or what is left over

    def moved(self, zero: float) -> "Change":
        return replace(self, at={edge: at - zero for edge, at in self.at.items()})

    @property
    def strikes(self) -> bool:
        return "struck" in self.at or ("strike-failed" in self.at and "armed" not in self.at)

    @property
    def instant(self) -> bool:
        """Struck and over at once."""
        return "struck" in self.at and self.at.get("undone", self.at["struck"] + 2 * INSTANT) - self.at["struck"] < INSTANT

    @property
    def verified(self) -> bool:
        return "verified" in self.at

    @property
    def state(self) -> str:
        """One word: verified, left-over, undone, failed (never struck), unknown (the journal ends before the proof)."""
        if self.verified:
            return "verified"
        if "left-over" in self.at or "undo-failed" in self.at:
            return "left-over"
        if "undone" in self.at or "disarmed" in self.at:
            return "undone"
        return "unknown"


@dataclass(frozen=True)
class DoseShown:
    """Evidence from outside the injector."""

    at: float
    step: str
    fault: str
    proved: bool
    expected: str
    seen: str
    reason: str = ""

    def moved(self, zero: float) -> "DoseShown":
        return replace(self, at=self.at - zero)


@dataclass
class StepShown:
    """One step of the story as it was played, or listed as "for people"."""

    step: str
    type: str
    title: str = ""
    start: float | None = None
    end: float | None = None
    listed: bool = False
    skipped: bool = False

    def moved(self, zero: float) -> "StepShown":
        return replace(
            self,
            start=None if self.start is None else self.start - zero,
            end=None if self.end is None else self.end - zero,
        )


@dataclass
class ProbeLine:
    """All readings of one probe, as stretches of equal outcome."""

    probe: str
    n: int = 0
    good: int = 0
    stretches: list[tuple[float, float, bool]] = field(default_factory=list)
    last_trouble: str = ""

    def add(self, at: float, *, ok: bool, detail: str) -> None:
        self.n += 1
        self.good += ok
        if not ok:
            self.last_trouble = detail
        if self.stretches and self.stretches[-1][2] == ok:
            self.stretches[-1] = (self.stretches[-1][0], at, ok)
        else:
            if self.stretches:  # the old state held until we knew better
                start, _, was = self.stretches[-1]
                self.stretches[-1] = (start, at, was)
            self.stretches.append((at, at, ok))

    def moved(self, zero: float) -> "ProbeLine":
        return replace(self, stretches=[(start - zero, end - zero, ok) for start, end, ok in self.stretches])


@dataclass
class ReadyLine:
    """Ready endpoints of one Service, where they changed."""

    service: str
    desired: int = 0
    steps: list[tuple[float, int]] = field(default_factory=list)

    def add(self, at: float, ready: int) -> None:
        if not self.steps or self.steps[-1][1] != ready:
            self.steps.append((at, ready))

    @property
    def changed(self) -> bool:
        return len({ready for _, ready in self.steps}) > 1

    def moved(self, zero: float) -> "ReadyLine":
        return replace(self, steps=[(at - zero, ready) for at, ready in self.steps])
