"""A run of the sample shop, written by hand: what a journal looks like when the payment provider goes dark, in five endings."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from chaos.model.base import Record
from chaos.model.events import (
    KIND_OF,
    DoseResult,
    Event,
    FaultEdge,
    LoadName,
    LoadNote,
    LoadSecond,
    Observation,
    PhaseEdge,
    RunEnd,
    Sample,
    StepEdge,
    Stop,
    TransactionCount,
)
from chaos.model.finding import (
    Acceptance,
    Cause,
    Factor,
    Finding,
    Impact,
    Observed,
    PeoplesPlan,
    RoadmapItem,
    fingerprint,
)
from chaos.model.histogram import Histogram
from chaos.model.run import Cap, Environment, Permission, Plan, PlannedFault, PlannedStep, RunInfo, Subject
from chaos.model.service import Service
from chaos.model.target import Target
from chaos.model.verdict import Row, Verdict
from chaos.render.report_data import ReportData
from chaos.scenario import Load, Plausibility
from chaos.story import Story

RUN = "20261123-091500-payments-dark-7f3a"
START = 1000.0
HOSTILE = '<script>alert("x")</script>'


class Recording:
    """Builds a journal event by event; `at` moves the clock."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.mono = START

    def at(self, mono: float) -> "Recording":
        self.mono = mono
        return self

    def tell(self, payload: Record, source: str = "engine") -> "Recording":
        wall = datetime.fromtimestamp(1795425300 + self.mono - START, UTC).isoformat(timespec="milliseconds")
        kind = KIND_OF[type(payload)]
        self.events.append(
            Event(seq=len(self.events) + 1, mono=self.mono, wall=wall, source=source, kind=kind, payload=payload.as_json())
        )
        return self

    def phase(self, name: str, start: float, end: float | None) -> None:
        self.at(start).tell(PhaseEdge(phase=name, edge="start"))
        if end is not None:
            self.at(end).tell(PhaseEdge(phase=name, edge="end"))

    def fault(self, mono: float, edge: str, **more: Any) -> None:
        told = {"step": "provider-dark", "entry": "provider-dark", "fault": "vendor-outage", "dependency": "payments"}
        undo = "take the toxic out, and point Service payments at its own pods again"
        targets = [{"kind": "Service", "namespace": "shop", "name": "payments", "uid": "0c9e"}]
        self.at(mono).tell(FaultEdge(**{**told, "undo": undo, "targets": targets, "edge": edge, **more}), "injector")

    def second(self, number: int, names: dict[str, LoadName], intended: float = 20.0) -> None:
        flight = sum(name.failed for name in names.values()) * 3
        self.at(number + 1.05).tell(
            LoadSecond(second=number, names=names, intended=intended, in_flight=flight, heartbeat=True, cpu_percent=11.0),
            "load",
        )

    def ordered(self) -> list[Event]:
        """By time, as a journal is."""
        ordered = sorted(self.events, key=lambda event: event.mono)
        return [event.model_copy(update={"seq": number}) for number, event in enumerate(ordered, 1)]


def _name(rng: random.Random, attempted: int, *, failed: int = 0, degraded: int = 0, pace: float = 0.08) -> LoadName:
    took, lost = Histogram(), Histogram()
    for _ in range(attempted - failed):
        took.record(pace * rng.lognormvariate(0, 0.35))
    for _ in range(failed):
        lost.record(3.0 + rng.random() * 0.02)
    return LoadName(
        attempted=attempted,
        good=attempted - failed - degraded,
        degraded=degraded,
        failed=failed,
        errors={"timeout": failed} if failed else {},
        latencies=took.counts,
        failures=lost.counts,
    )


def load(recording: Recording, *, first: int = 1002, last: int = 1031, weak: bool = True) -> None:
    """Twenty arrivals a second, eight of them orders; between 1011 and 1023 orders fail (weak) or are taken for later."""
    rng = random.Random(7)
    for second in range(first, last):
        orders, struck = 8 + rng.randint(-2, 2), 1011 <= second < 1023
        harmed = {"failed": orders if second > 1011 else orders - 2} if weak else {"degraded": orders, "pace": 0.45}
        recording.second(
            second,
            {
                "checkout": _name(rng, orders, **(harmed if struck else {})),
                "browse": _name(rng, 12 + rng.randint(-3, 3), pace=0.03),
            },
        )


def play(*, weak: bool = True, dose: bool = True, until: float = 1e9, end: RunEnd | None = None) -> list[Event]:
    """The whole story; `until` cuts the journal there, `end` is its last event."""
    recording = Recording()
    for name, start, stop in (
        ("arm", 1000.2, 1001.9),
        ("warm-up", 1002.0, 1005.0),
        ("baseline", 1005.0, 1011.0),
        ("fault", 1011.0, 1023.1),
        ("recovery", 1023.1, 1031.0),
        ("disarm", 1031.0, 1032.4),
    ):
        recording.phase(name, start, stop)
    recording.fault(1000.3, "intent")
    recording.fault(1001.1, "armed", took=0.81)
    recording.at(1002.2).tell(LoadNote(what="started"), "load")
    load(recording, weak=weak)
    recording.at(1011.0).tell(StepEdge(step="provider-dark", type="fault", edge="start", title="The provider answers nothing"))
    recording.fault(1011.13, "struck", took=0.13)
    seen = "held 12 of 12 and new 12 of 12 readings got no answer within 1 s; control orders stayed healthy"
    recording.at(1013.4).tell(
        DoseResult(
            step="provider-dark",
            fault="vendor-outage",
            proved=dose,
            expected="payments gives no answer on held and new connections",
            seen=seen if dose else "0 of 24 readings showed it",
            reason="" if dose else "dose-missing",
        ),
        "witness",
    )
    recording.at(1013.0).tell(
        StepEdge(step="first-ticket", type="inject", edge="listed", title="to support: I pressed buy and it spins")
    )
    recording.fault(1023.05, "undone", took=0.04)
    recording.at(1023.1).tell(StepEdge(step="provider-dark", type="fault", edge="end"))
    for second in range(1005, 1031):
        recording.at(second + 0.5).tell(
            Sample(probe="storefront-alive", phase="fault", ok=second != 1016, detail="status 503"), "probe"
        )
        ready = 1 if 1014 <= second < 1018 else 2
        recording.at(second + 0.6).tell(
            Observation(ready={"checkout": ready, "storefront": 2}, desired={"checkout": 2}), "probe"
        )
    recording.at(1031.2).tell(TransactionCount(acknowledged=131, stored=131, lost=0, wrong=0))
    recording.fault(1031.6, "disarmed", took=0.5)
    recording.fault(1032.3, "verified")
    events = [event for event in recording.ordered() if event.mono <= until]
    if end is not None:
        last = Recording()
        last.at(max(event.mono for event in events) + 0.1).tell(end)
        events.append(last.events[0].model_copy(update={"seq": len(events) + 1}))
    return events


SERVICE = {
    "format": "service/v1",
    "id": "checkout",
    "title": "Checkout",
    "team": "Payments",
    "owner": "payments-on-call",
    "tolerances": [{"id": "orders-answered", "measure": "availability", "transaction": "checkout", "at_least": "95%"}],
    "dependencies": [{"id": "payments", "kind": "vendor"}],
    "cost_per_hour": {"amount": 18000.0, "currency": "EUR"},
}


def story(**more: Any) -> Story:
    told: dict[str, Any] = {
        "kind": "scenario",
        "id": "payments-dark",
        "title": "The payment provider goes dark on the busiest day",
        "text": "It is the Friday before Christmas. Connections to the card payment provider are accepted, and nothing comes back.",
        "service": Service.model_validate(SERVICE),
        "severity": "SEV-1",
        "severe_because": "No order can be charged in the hour that brings in a tenth of the month's turnover.",
        "plausibility": (
            Plausibility(kind="incident", date=date(2018, 6, 1), ref="Visa's outage in Europe", note="Ten hours, on a Friday."),
            Plausibility(kind="near-miss", date=date(2025, 12, 19), ref="https://status.example.com/INC-0107"),
        ),
        "namespace": "shop",
        "load": Load.model_validate(
            {"target": {"service": "storefront", "port": 8080}, "locustfile": "load/shop.py", "rate": "20/s", "warm_up": "3s"}
        ),
        "entry": "scenarios/payments-dark.yaml",
    }
    return Story(**{**told, **more})


def info(**more: Any) -> RunInfo:
    told: dict[str, Any] = {
        "id": RUN,
        "mode": "demo",
        "scenario": "payments-dark",
        "title": "The payment provider goes dark on the busiest day",
        "revision": "5be1f0c2a9d3e871",
        "environment": Environment(kind="sandbox", name="sandbox", fingerprint="sandbox-1", version="v1.36"),
        "subject": Subject(service="checkout", release="weak", git_sha="a1b2c3d4"),
        "tool_version": "0.1.0",
        "versions": {"locust": "2.47.0", "pydantic": "2.14.3"},
        "seed": 1,
        "operator": "ada",
        "started": "2026-11-23T09:15:00.000+00:00",
    }
    return RunInfo(**{**told, **more})


def plan() -> Plan:
    target = Target(kind="Service", namespace="shop", name="payments", uid="0c9e")
    return Plan(
        scenario="payments-dark",
        title="The payment provider goes dark on the busiest day",
        service="checkout",
        revision="5be1f0c2a9d3e871",
        environment=Environment(kind="sandbox", name="sandbox"),
        seed=1,
        timeline=[
            PlannedStep(step="provider-dark", type="fault", at=0, until=12, title="The provider answers nothing"),
            PlannedStep(step="first-ticket", type="inject", at=2, until=2, title="A ticket", for_people=True),
        ],
        faults=[
            PlannedFault(
                step="provider-dark",
                fault="vendor-outage",
                at=0,
                duration=12,
                dependency="payments",
                targets=[target],
                undo="take the toxic out, and point Service payments at its own pods again",
                privilege="api",
                dose="payments gives no answer on held and new connections",
                permissions=[Permission(verb="patch", resource="services", namespace="shop", use="undo", allowed=True)],
            )
        ],
        caps=[
            Cap(name="workload_share", value="50% of a workload at once"),
            Cap(name="nodes", value="2 nodes at once", raised=True, because="two zones"),
        ],
        phases={"warm-up": 3.0, "baseline": 6.0, "fault": 12.0, "recovery": 8.0},
        load={"rate": "20/s", "target": {"service": "storefront", "port": 8080}, "locustfile": "load/shop.py"},
    )


def _row(id: str, measure: str, outcome: str, value: float | None, limit: float, unit: str, **more: Any) -> Row:
    spec = {"transaction": "checkout", **({"percentile": 95.0} if measure == "latency" else {})}
    told = {
        "window": "whole",
        "start": 1011.0,
        "end": 1031.0,
        "n": 162,
        "spec": spec,
        "margin": 0.5 if outcome == "held" else -6.0,
    }
    return Row(
        **{
            **told,
            "tolerance": id,
            "measure": measure,
            "outcome": outcome,
            "value": value,
            "limit": limit,
            "unit": unit,
            **more,
        }
    )


def rows(outcome: str) -> list[Row]:
    if outcome == "inconclusive":
        return [
            _row(
                "orders-answered", "availability", "inconclusive", None, 0.95, "share", reason="dose-missing", margin=None, n=0
            ),
            _row("orders-fast", "latency", "inconclusive", None, 1.0, "s", reason="dose-missing", margin=None, n=0),
        ]
    if outcome == "held":
        return [
            _row("orders-answered", "availability", "held", 1.0, 0.95, "share", arithmetic="162 of 162 answered", margin=1.0),
            _row(
                "orders-fast",
                "latency",
                "held",
                0.81,
                1.0,
                "s",
                window="fault",
                end=1023.0,
                margin=0.19,
                arithmetic="95 % within 0.81 s",
            ),
            _row("no-order-lost", "lost-transactions", "held", 0.0, 0.0, "count", margin=1.0),
        ]
    return [
        _row(
            "orders-answered",
            "availability",
            "breached",
            0.42,
            0.95,
            "share",
            title="Nineteen of twenty orders are taken",
            arithmetic="68 of 162 answered = 41.98 %, outside at least 95 %",
        ),
        _row(
            "orders-fast",
            "latency",
            "breached",
            3.02,
            1.0,
            "s",
            window="fault",
            end=1023.0,
            arithmetic="95 % within 3.02 s, outside at most 1 s",
        ),
        _row("no-long-outage", "longest-outage", "breached", 11.9, 3.0, "s", arithmetic="from 12.1 s to 24.0 s"),
        _row("back-soon", "time-to-recover", "held", 0.9, 5.0, "s", margin=0.82, arithmetic="good again 0.9 s after the undo"),
        _row(
            "no-order-lost",
            "lost-transactions",
            "held",
            0.0,
            0.0,
            "count",
            margin=1.0,
            arithmetic="131 acknowledged, 131 stored, 0 lost",
        ),
    ]


def verdict(outcome: str, **more: Any) -> Verdict:
    codes = {"held": 0, "breached": 1, "inconclusive": 3}
    impact = {"failed": 94, "attempted": 402, "users": 94, "minutes_outside": 0.2, "lost": 0, "wrong": 0}
    told: dict[str, Any] = {
        "run": RUN,
        "scenario": "payments-dark",
        "service": "checkout",
        "outcome": outcome,
        "reason": "dose-missing" if outcome == "inconclusive" else "",
        "exit_code": codes[outcome],
        "rows": rows(outcome),
        "gates": [{"name": "baseline", "passed": True, "detail": "the service was inside its tolerances", "reason": ""}],
        "impact": impact if outcome == "breached" else {},
    }
    return Verdict(**{**told, **more})


def finding(**more: Any) -> Finding:
    told: dict[str, Any] = {
        "id": "checkout-payments-hangs",
        "kind": "save",
        "title": "Orders hang for as long as the payment provider does",
        "service": "checkout",
        "scenario": "payments-dark",
        "run": RUN,
        "tolerances": ["orders-answered", "orders-fast", "no-long-outage"],
        "dependency": "payments",
        "symptom": "hangs",
        "impact": Impact(
            failed=94, attempted=402, users=94, minutes_outside=0.2, cost="60.00 EUR (12 s outside at 18,000 EUR an hour)"
        ),
        "window": (9.0, 29.0),
        "factors": [
            Factor(text="Requests ended only with the customer's own limit of 3 s", basis="measured"),
            Factor(text="Nobody was told while the provider's status page stayed green", basis="suspected"),
        ],
        "cause": Cause(
            code="no-timeout",
            title="Checkout waits for the payment provider without a timeout",
            evidence=[
                "orders took 3.0 s, the customer's limit, and not less",
                "calls at payments: one an order, so nobody retried",
            ],
            rivals=["retry storm: calls an order stayed at 1.0", "too few pods: 2 of 2 ready throughout"],
            remedy="Give calls to payments a timeout below the tolerance, and take the order to charge it later",
        ),
        "severity_declared": "SEV-1",
        "severity_measured": "SEV-1",
        "severity_rule": "more than half of the orders failed",
        "fingerprint": fingerprint(service="checkout", tolerance="orders-answered", dependency="payments", symptom="hangs"),
        "owner": "payments-on-call",
        "due": "2026-11-30",
        "closed_by": "gameday run scenarios/payments-dark.yaml --on sandbox",
    }
    return Finding(**{**told, **more})


def item(**more: Any) -> RoadmapItem:
    told: dict[str, Any] = {
        "id": "checkout-payments-hangs",
        "title": "Orders hang for as long as the payment provider does",
        "service": "checkout",
        "severity": "SEV-1",
        "observed": Observed(fingerprint="a1", finding={}, state="open", first_seen=RUN, last_seen=RUN),
        "plan": PeoplesPlan(owner="payments-on-call", due="2026-11-30"),
        "acceptance": Acceptance(scenario="payments-dark", tolerances=["orders-answered"], min_environment="sandbox"),
        "remedy": "Give calls to payments a timeout",
    }
    return RoadmapItem(**{**told, **more})


def _endings() -> dict[str, Callable[[], ReportData]]:
    def data(events: list[Event], verdict: Verdict, *, taught: bool = False, **more: Any) -> ReportData:
        told = more.pop("story", story())
        return ReportData.build(
            told, info(), plan(), events, verdict, [finding()] if taught else [], [item()] if taught else []
        )

    crash = RunEnd(
        clean=False, crash="KeyError: 'uid'", left_overs=["provider-dark (vendor-outage): unknown: no answer"], reason="crashed"
    )
    stopped = play(until=1016.0, end=RunEnd(clean=True, stopped=True))
    told = Recording().at(1015.9).tell(Stop(reason="signal", detail="Ctrl-C")).events[0]
    return {
        "breached": lambda: data(play(end=RunEnd(clean=True)), verdict("breached"), taught=True),
        "held": lambda: data(play(weak=False, end=RunEnd(clean=True)), verdict("held")),
        "inconclusive": lambda: data(play(dose=False, end=RunEnd(clean=True)), verdict("inconclusive")),
        "stopped": lambda: data([*stopped[:-1], told, stopped[-1]], verdict("inconclusive", reason="stopped", stopped=True)),
        "crashed": lambda: data(
            play(until=1017.0, end=crash), verdict("inconclusive", reason="crashed", clean=False, exit_code=4)
        ),
        "unfinished": lambda: data(play(until=1017.0), verdict("inconclusive", reason="not-reached", clean=False, exit_code=4)),
        "empty": lambda: data([], verdict("inconclusive", reason="no-data", rows=[])),
        "no-load": lambda: data(
            [event for event in play(end=RunEnd(clean=True)) if event.kind != "load"], verdict("held"), story=story(load=None)
        ),
        "hostile": _hostile,
    }


def _hostile() -> ReportData:
    """Every text that comes from outside is an attack."""
    events = []
    for event in play(end=RunEnd(clean=False, left_overs=[HOSTILE])):
        payload = dict(event.payload)
        if event.kind == "load":
            payload["names"] = {HOSTILE if name == "checkout" else name: counts for name, counts in payload["names"].items()}
        for key in ("step", "fault", "dependency", "undo", "detail", "seen", "expected", "probe", "title", "phase"):
            if isinstance(payload.get(key), str):
                payload[key] = HOSTILE + payload[key]
        events.append(event.model_copy(update={"payload": payload}))
    attacked = [row.model_copy(update={"arithmetic": HOSTILE, "title": HOSTILE}) for row in rows("breached")]
    for row in attacked:
        row.spec["transaction"] = HOSTILE
    service = Service.model_validate({**SERVICE, "title": HOSTILE})
    told = story(title=HOSTILE, text=HOSTILE, severe_because=HOSTILE, service=service)
    cause = Cause(code="x", title=HOSTILE, evidence=[HOSTILE], rivals=[HOSTILE], would_settle=HOSTILE, remedy=HOSTILE)
    taught = finding(
        title=HOSTILE, cause=cause, factors=[Factor(text=HOSTILE, basis="human")], owner=HOSTILE, closed_by=HOSTILE
    )
    return ReportData.build(
        told,
        info(operator=HOSTILE),
        plan(),
        events,
        verdict("breached", rows=attacked, clean=False),
        [taught],
        [item(title=HOSTILE)],
    )


ENDINGS = _endings()


@pytest.fixture
def ending() -> Callable[[str], ReportData]:
    """`ending("breached")`: the data of a run that ended so."""
    return lambda name: ENDINGS[name]()


@pytest.fixture(params=sorted(ENDINGS))
def any_run(request: pytest.FixtureRequest) -> ReportData:
    """Every ending in turn."""
    return ENDINGS[request.param]()


@pytest.fixture
def breached(ending: Callable[[str], ReportData]) -> ReportData:
    return ending("breached")


@pytest.fixture
def breached_events() -> list[Event]:
    return play(end=RunEnd(clean=True))


@pytest.fixture
def planned() -> Plan:
    return plan()


@pytest.fixture
def hostile_name() -> str:
    return HOSTILE
