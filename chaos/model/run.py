"""`run.json` and `plan.json`: what a run is about, and what it is going to do."""

from typing import Any, Literal

from chaos.model.base import Record
from chaos.model.target import Target


class Environment(Record):
    """Where the run strikes, and how to recognise the place again."""

    kind: Literal["sandbox", "kind", "cluster", "none"]
    name: str
    fingerprint: str = ""
    version: str = ""

    @property
    def on(self) -> str:
        """The place as `--on` names it."""
        return self.kind if self.kind in ("sandbox", "none") else self.name


class Subject(Record):
    """What was tested: the badge and the verdict are bound to this."""

    service: str
    release: str = ""
    git_sha: str = ""
    image_digests: dict[str, str] = {}


class RunInfo(Record):
    """`run.json`."""

    format: Literal["run/v1"] = "run/v1"
    id: str
    mode: Literal["ci", "game-day", "tabletop", "demo"] = "ci"
    trigger: str = "manual"
    scenario: str
    title: str = ""
    revision: str = ""  # digest of the frozen inputs
    environment: Environment
    subject: Subject
    tool_version: str
    versions: dict[str, str] = {}
    seed: int
    operator: str = ""
    started: str  # wall clock, UTC, ISO 8601
    guard: bool = True
    ttl: float = 0.0  # seconds of silence after which the guard acts
    url: str = ""  # `--url`, credentials left out


class Cap(Record):
    """A limit of the blast radius, and why it was raised where it was."""

    name: str
    value: str
    raised: bool = False
    because: str = ""


class Permission(Record):
    """One right that the run needs, to inject or to undo."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    use: Literal["inject", "undo", "observe"] = "inject"
    trouble: str = ""  # what must have happened for it to be used at all, in words; "" = every run uses it
    allowed: bool | None = None  # None = not asked yet


class PlannedFault(Record):
    """One fault of the plan: its targets by UID, and what will put it back."""

    step: str
    fault: str
    at: float  # seconds after the end of the baseline
    duration: float
    dependency: str = ""
    targets: list[Target] = []
    undo: str
    privilege: str
    dose: str
    ttl: str = "none"
    permissions: list[Permission] = []
    notes: list[str] = []
    spec: dict[str, Any] = {}


class PlannedStep(Record):
    """One line of the timeline."""

    step: str
    type: str
    at: float
    until: float
    title: str = ""
    for_people: bool = False


class Plan(Record):
    """`plan.json`: all that a run is going to do, resolved; making it sends no mutating request."""

    format: Literal["plan/v1"] = "plan/v1"
    scenario: str
    title: str = ""
    service: str
    revision: str
    inputs: dict[str, str] = {}  # file -> digest; together they are the revision
    asked: str = ""  # the file or id that the plan was asked for
    environment: Environment
    seed: int
    timeline: list[PlannedStep]
    faults: list[PlannedFault]
    caps: list[Cap]
    permissions: list[Permission] = []  # of the run itself, beside those of its faults
    phases: dict[str, float]  # phase -> seconds
    load: dict[str, Any] = {}
    notes: list[str] = []
