"""The journal's vocabulary: what happened, when, and who did it. Evaluation and reports read nothing else.

One event is one JSON line: `{"seq", "mono", "wall", "source", "actor", "kind", "payload"}`. Times inside payloads are
monotonic seconds of the runner's machine. Unknown kinds and unknown keys are kept, never fatal.
"""

from typing import Any, Literal

from chaos.model.base import Record

Phase = Literal["preflight", "arm", "warm-up", "baseline", "fault", "recovery", "disarm"]


class Event(Record):
    """The envelope."""

    seq: int
    mono: float
    wall: str
    source: str  # engine, load, probe, witness, injector, operator
    actor: str = "runner"  # a role: runner, facilitator, ...
    kind: str
    payload: dict[str, Any] = {}


# --- payloads, one class a kind; KIND is the event's `kind` ---------------------------------------------------------


class PhaseEdge(Record):
    """`phase`: a phase begins or ends."""

    phase: str
    edge: Literal["start", "end"]


class Slots(Record):
    """20 slots of 50 ms of one second. `attempted` and `bad` by the request's start, `good` by its completion.

    `fastest` is the smallest latency (seconds, 0 = none) among the good answers completed in the slot, so that an outage
    can be judged afterwards for any limit of what is good enough.
    """

    attempted: list[int]
    bad: list[int]
    good: list[int]
    fastest: list[float]


class LoadName(Record):
    """What one transaction did in one second, by the second in which its requests *started*.

    It is a delta: several may come for the same second (late answers, several workers); add them up.
    """

    attempted: int = 0
    good: int = 0  # answered in full
    degraded: int = 0  # answered, marked as degraded
    failed: int = 0  # error, wrong answer, time-out; still open at the end
    errors: dict[str, int] = {}  # short reason -> count: "503", "timeout", "refused", "reset", "wrong: ...", "open at end"
    latencies: dict[int, int] = {}  # log buckets of good and degraded answers (model/histogram.py)
    failures: dict[int, int] = {}  # log buckets of the failed ones: the time they took to fail
    slots: Slots | None = None


class LoadSecond(Record):
    """`load`: one second of load (or a late addition to one). `second` is floor(monotonic seconds)."""

    second: int
    names: dict[str, LoadName] = {}
    intended: float | None = None  # arrivals meant for this second; None with users instead of a rate
    dropped: int = 0  # arrivals not sent since too many were in flight
    in_flight: int = 0
    heartbeat: bool = False  # true on the one record a worker sends for each second it was alive
    cpu_percent: float | None = None
    users: int = 0
    worker: str = "local"


class LoadNote(Record):
    """`load-note`: the generator says something: started, saturated, crashed, ended, rate changed."""

    what: str
    detail: str = ""
    exit_code: int | None = None


class StepEdge(Record):
    """`step`: a step of the scenario begins, ends, or is listed as "for people"."""

    step: str
    type: str  # fault, load, check, hold, inject, note
    edge: Literal["start", "end", "listed", "skipped"]
    title: str = ""
    detail: dict[str, Any] = {}


class FaultEdge(Record):
    """`fault`: one change of the world, from intent to proof that it is gone."""

    step: str
    entry: str  # ledger entry id
    fault: str  # pod-kill, latency, ...
    dependency: str = ""  # the Service or workload that it is felt at
    edge: Literal["intent", "armed", "struck", "strike-failed", "undone", "undo-failed", "disarmed", "verified", "left-over"]
    targets: list[dict[str, Any]] = []
    spec: dict[str, Any] = {}
    undo: str = ""  # in words: what is put back, and how
    detail: str = ""
    took: float | None = None  # seconds


class DoseResult(Record):
    """`dose`: evidence from outside the injector whether the fault is in effect, or was not."""

    step: str
    fault: str
    proved: bool
    expected: str  # in words
    seen: str  # in words, with numbers
    readings: list[dict[str, Any]] = []
    reason: str = ""  # reason code where not proved: dose-missing, held-bypass, control-unhealthy, no-witness


class Sample(Record):
    """`sample`: one reading of one probe."""

    probe: str
    step: str = ""
    phase: str = ""
    ok: bool
    unread: bool = False  # it could not be looked at: neither as expected nor otherwise
    value: float | None = None
    unit: str = ""
    detail: str = ""


class Observation(Record):
    """`observe`: one look at the cluster, every half second.

    `ready[service]` = ready endpoints; `restarts[pod]`; `started[pod]`: seconds since it started; `traffic[service]` =
    {"received": bytes, "sent": bytes, "calls": requests} since arming, at a proxy in the path (monotone counters; `calls`
    only where a stand-in sees requests; `keys` = distinct idempotency keys or transaction ids among them).
    """

    ready: dict[str, int] = {}
    desired: dict[str, int] = {}  # service -> replicas asked for by the workload behind it
    restarts: dict[str, int] = {}
    traffic: dict[str, dict[str, float]] = {}


class Evictions(Record):
    """`evictions`: what became of the pods of one disruption budget that a step asked to leave.

    Told twice: right after the strike, and when the step's time is over. `refused`: those that stayed were asked again (as a
    dry run), and the API server declined in the name of their budget; the counts are the budget's own.
    """

    step: str
    fault: str
    namespace: str
    budget: str = ""  # "" = none guards them
    workloads: list[str] = []
    asked: int
    stayed: int
    refused: bool = False
    healthy: int = 0  # pods that are healthy now
    needed: int = 0  # healthy pods that the budget insists on
    expected: int = 0  # pods that there should be


class TransactionCount(Record):
    """`transactions`: what the ledger of the business service says after recovery."""

    acknowledged: int
    stored: int
    lost: int
    wrong: int
    duplicated: int = 0
    unacknowledged: int = 0
    examples: list[str] = []
    unreadable: str = ""  # why it could not be read; then the tolerances on it are inconclusive


class Stop(Record):
    """`stop`: the run ends early."""

    reason: Literal["signal", "stop-condition", "kill-switch", "lease-lost", "error", "operator"]
    detail: str
    condition: str = ""
    tolerance: str = ""  # the tolerance that was already broken, where there is one


class RunEnd(Record):
    """`end`: the last event. `clean` tells whether everything was put back and read back."""

    clean: bool
    stopped: bool = False
    crash: str = ""
    left_overs: list[str] = []
    commands: list[str] = []  # that put the left-overs right, where there are any
    reason: str = ""  # reason code when the run could not judge: baseline-unhealthy, dose-missing, ...


KINDS: dict[str, type[Record]] = {
    "phase": PhaseEdge,
    "load": LoadSecond,
    "load-note": LoadNote,
    "step": StepEdge,
    "fault": FaultEdge,
    "dose": DoseResult,
    "sample": Sample,
    "observe": Observation,
    "evictions": Evictions,
    "transactions": TransactionCount,
    "stop": Stop,
    "end": RunEnd,
}
KIND_OF = {payload: kind for kind, payload in KINDS.items()}
