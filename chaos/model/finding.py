"""Findings and the roadmap items that they become. A weakness found is a save, never a bug."""

import hashlib
from typing import Any, Literal

from chaos.model.base import Record

FindingKind = Literal["save", "near-miss", "strength", "gap"]
Severity = Literal["SEV-1", "SEV-2", "SEV-3"]
ItemState = Literal["open", "in-progress", "fix-claimed", "closed", "reopened", "accepted-risk"]


class Factor(Record):
    """A contributing factor; there is never *the* root cause."""

    text: str
    basis: Literal["measured", "suspected", "human"]


class Impact(Record):
    """What customers felt."""

    failed: int = 0
    attempted: int = 0
    users: int = 0
    minutes_outside: float = 0.0
    lost: int = 0
    wrong: int = 0
    cost: str = ""


class Cause(Record):
    """The weakness that the evidence points at, or what would settle it."""

    code: str  # no-timeout, retry-storm, ...; "unknown"
    title: str
    evidence: list[str] = []
    rivals: list[str] = []  # what was considered and why it lost
    would_settle: str = ""
    remedy: str = ""


class Finding(Record):
    """What one run taught."""

    format: Literal["finding/v1"] = "finding/v1"
    id: str
    kind: FindingKind
    title: str
    service: str
    scenario: str
    run: str
    tolerances: list[str] = []
    dependency: str = ""
    symptom: str = ""
    impact: Impact = Impact()
    window: tuple[float, float] | None = None  # seconds after load start
    factors: list[Factor] = []
    cause: Cause | None = None
    severity_declared: Severity
    severity_measured: Severity
    severity_rule: str
    fingerprint: str
    owner: str
    due: str = ""
    closed_by: str = ""  # the re-test, as a command


def fingerprint(*, service: str, tolerance: str, dependency: str, symptom: str) -> str:
    """Which finding this is. Never the words of a cause and never the release: those change, the hole stays."""
    text = "\n".join((service, tolerance, dependency, symptom))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Observed(Record):
    """The machine's half of a roadmap item: rewritten by each run."""

    fingerprint: str
    finding: dict[str, Any]
    state: ItemState
    first_seen: str
    last_seen: str
    runs: list[str] = []
    passes: list[str] = []
    environments: list[str] = []
    closed_by: str = ""
    ignored_claim: str = ""  # what people claimed before it breached again


class Acceptance(Record):
    """What closes the item: nothing else does."""

    scenario: str
    tolerances: list[str]
    min_environment: Literal["sandbox", "kind", "cluster", "none"]
    repeats: int = 1
    command: str = ""


class PeoplesPlan(Record):
    """People's half: written once with defaults, then never touched by us."""

    owner: str
    due: str
    notes: str = ""
    tracker: str = ""
    state: ItemState | None = None  # in-progress, fix-claimed or accepted-risk, as people say
    accepted_risk: dict[str, str] | None = None  # by, reason, until


class RoadmapItem(Record):
    """`reports/roadmap/<id>.yaml`."""

    format: Literal["roadmap-item/v1"] = "roadmap-item/v1"
    id: str
    title: str
    service: str
    severity: Severity
    observed: Observed
    plan: PeoplesPlan
    acceptance: Acceptance
    why: str = ""  # in the customers' units
    remedy: str = ""
