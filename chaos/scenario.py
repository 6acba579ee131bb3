"""The models of scenario and experiment files: closed unions over the hand-kept tables of faults and probes.

A file says what it is (`format: scenario/v1`). Steps are written by their key (`fault:`, `load:`, `check:`, `hold:`,
`inject:`, `note:`), exactly one a step. Cross-file rules (known experiment, tolerance not looser) are `chaos.catalogue`'s.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from chaos.injectors.table import AnyFault
from chaos.model.base import Id, Labels, Model, Name, Text
from chaos.model.caps import Caps
from chaos.model.tolerance import Tolerance
from chaos.model.units import Duration, Percent, Rate
from chaos.probes.table import AnyProbe

Mode = Literal["ci", "game-day", "tabletop"]
Severity = Literal["SEV-1", "SEV-2", "SEV-3"]


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("write a date as 2026-11-27") from None
    return value


Day = Annotated[date, BeforeValidator(_date)]


class Plausibility(Model):
    """Why this could happen to us: something that did happen, to us or to others."""

    kind: Literal["incident", "near-miss", "vendor-status", "exercise"]
    date: Day
    ref: Text
    """Where it is written down."""
    note: Text | None = None


class LoadTarget(Model):
    """The Kubernetes Service that customers enter by."""

    service: Name
    port: Annotated[int, Field(ge=1, le=65535)]


class DegradedWhen(Model):
    """How an answer says that it is degraded: a header (`X-Degraded`, `X-Degraded: yes`) or a JSON field (`pay.deferred`)."""

    header: str | None = None
    json_field: Annotated[str | None, Field(alias="json")] = None

    @model_validator(mode="after")
    def _one(self) -> "DegradedWhen":
        if (self.header is None) == (self.json_field is None):
            raise ValueError("name either a header or a json field")
        return self


class TransactionLedger(Model):
    """Where the business service tells which transactions it has kept; read after recovery.

    `url` is a path on the load target that answers a JSON list (or an object holding one under `items`); `ids` is the
    field of an entry that holds the id which the locustfile acknowledged with `context={"transaction": ..., "id": ...}`.
    """

    url: Annotated[str, Field(pattern=r"^/")]
    ids: str
    within: Duration = 10.0
    """How long the ledger may take to settle after recovery before a missing transaction counts as lost."""


class Load(Model):
    """Customers: Locust users or an arrival rate, and how long each phase lasts."""

    target: LoadTarget | None = None
    """Where customers enter. Only a story of load and http checks, for `--on none`, can do without: there, `--url` says it."""
    locustfile: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+\.py$")]
    """Path below the folder of the scenario file (`load/shop.py`)."""
    rate: Rate | None = None
    """Open model: arrivals a second, whatever the service does. Recommended: customers do not wait for each other."""
    users: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Closed model: so many users at once."""
    spawn_rate: Rate = 100.0
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    workers: Annotated[int, Field(ge=1, le=100)] | None = None
    """Locust workers on the cluster instead of this machine."""
    request_timeout: Duration = 5.0
    """When a customer gives up. Locust's own default is never."""
    warm_up: Duration = 3.0
    baseline: Duration = 10.0
    recovery: Duration = 15.0
    degraded_when: DegradedWhen | None = None
    ledger: TransactionLedger | None = None

    @model_validator(mode="after")
    def _one_model(self) -> "Load":
        if (self.rate is None) == (self.users is None):
            raise ValueError("give either rate (open) or users (closed)")
        if self.workers is not None and self.processes != 1:
            raise ValueError("give either workers (on the cluster) or processes (on this machine)")
        return self


class _Step(Model):
    id: Id
    title: Text | None = None
    at: Duration | None = None
    """When it begins, after the end of the baseline."""
    after: Id | None = None
    """Begin when this step has ended; default: the step before it, as written."""
    delay: Duration = 0.0
    """... and so long afterwards."""
    modes: Annotated[list[Mode], Field(min_length=1)] = ["ci", "game-day", "tabletop"]
    audience: list[Id] = []
    """Roles that may see this step; default: all."""

    @model_validator(mode="after")
    def _one_start(self) -> "_Step":
        if self.at is not None and self.after is not None:
            raise ValueError("give either at or after")
        return self


class FaultStep(_Step):
    """Strike: a fault written here, or one experiment by its id."""

    fault: AnyFault | None = None
    experiment: Id | None = None

    @model_validator(mode="after")
    def _one_fault(self) -> "FaultStep":
        if (self.fault is None) == (self.experiment is None):
            raise ValueError("give either fault or experiment")
        return self


class Surge(Model):
    """A change of the load: a traffic surge, with its own dose (the arrivals that were attempted)."""

    rate: Rate | None = None
    users: Annotated[int | None, Field(ge=1, le=100_000)] = None
    duration: Duration

    @model_validator(mode="after")
    def _one_model(self) -> "Surge":
        if (self.rate is None) == (self.users is None):
            raise ValueError("give either rate or users, as the scenario's load does")
        return self


class LoadStep(_Step):
    """Change the load for a while."""

    load: Surge


class Check(Model):
    """A probe read at this moment; not as expected = the check's tolerance is breached."""

    probe: AnyProbe
    within: Duration = 0.0
    """How long it may take to become as expected."""


class CheckStep(_Step):
    """Look at the world."""

    check: Check


class HoldStep(_Step):
    """Let time pass."""

    hold: Duration


class Inject(Model):
    """Something that people are told on a game day: a customer's ticket, a status page, a question from an executive."""

    to: Id
    text: Text


class InjectStep(_Step):
    """For people: listed in a headless run."""

    inject: Inject


class NoteStep(_Step):
    """For people: listed in a headless run."""

    note: Text


STEP_KEYS = ("fault", "experiment", "load", "check", "hold", "inject", "note")


def _step_kind(value: Any) -> str | None:
    """Which kind of step this is, by the one key that says it; None (an error that lists the keys) where none or several do."""
    keys = value if isinstance(value, dict) else {key for key in STEP_KEYS if getattr(value, key, None) is not None}
    found = {"fault" if key == "experiment" else key for key in STEP_KEYS if key in keys}
    return found.pop() if len(found) == 1 else None


Step = Annotated[
    Annotated[FaultStep, Tag("fault")]
    | Annotated[LoadStep, Tag("load")]
    | Annotated[CheckStep, Tag("check")]
    | Annotated[HoldStep, Tag("hold")]
    | Annotated[InjectStep, Tag("inject")]
    | Annotated[NoteStep, Tag("note")],
    Discriminator(
        _step_kind,
        custom_error_type="step_kind",
        custom_error_message="a step needs exactly one of fault, experiment, load, check, hold, inject, note",
    ),
]


class StopCondition(Model):
    """When to stop at once and undo, whatever the timeline says: the blast is larger than anybody wanted."""

    id: Id
    measure: Literal["availability", "latency", "probe"]
    transaction: str | None = None
    below: Percent | None = None
    """availability: stop when the share of good answers falls below this ..."""
    above: Duration | None = None
    """latency: stop when the percentile rises above this ..."""
    percentile: Annotated[float, Field(gt=0, le=100)] = 95.0
    probe: Id | None = None
    """probe: stop when every sample of this probe failed ..."""
    over: Duration = 5.0
    """... over this long."""

    @model_validator(mode="after")
    def _complete(self) -> "StopCondition":
        needed = {"availability": "below", "latency": "above", "probe": "probe"}
        for measure, key in needed.items():
            if (measure == self.measure) != (getattr(self, key) is not None):
                raise ValueError(f"measure {self.measure} needs {needed[self.measure]}, and only that")
        return self


class Scenario(Model):
    """`format: scenario/v1`: a severe but plausible story about a business service."""

    format: Literal["scenario/v1"]
    id: Id
    title: Text
    story: Text
    service: Id
    severity: Severity
    severe_because: Text
    plausibility: Annotated[list[Plausibility], Field(min_length=1, max_length=20)]
    namespace: Name | None = None
    """Where its targets live. Only a story of load and http checks, for `--on none`, can do without."""
    load: Load
    probes: list[AnyProbe] = []
    """Read every second from baseline to recovery; tolerances and stop conditions name them."""
    observe: list[Name] = []
    """Services to put an idle proxy before, so that the calls they get can be counted as evidence."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=500)]
    tolerances: list[Tolerance] = []
    """Tighter than the service's, by the same id, or additional ones. Never looser."""
    stop_conditions: list[StopCondition] = []
    caps: Caps = Caps()
    roles: dict[Id, Text] = {}
    tags: list[Id] = []
    family: Id | None = None


class Experiment(Model):
    """`format: experiment/v1`: one hypothesis, one fault."""

    format: Literal["experiment/v1"]
    id: Id
    title: Text
    hypothesis: Text
    namespace: Name
    fault: AnyFault
    probes: list[AnyProbe] = []
    """Read before, during and after the fault; all must be as expected before and after."""
    baseline: Duration = 3.0
    recovery: Duration = 10.0
    caps: Caps = Caps()
    tags: list[Id] = []


__all__ = ["Labels"]
