"""A simulated run: requests one by one, from which the journal is made as the load generator would write it."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest

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
    Slots,
    StepEdge,
    Stop,
    TransactionCount,
)
from chaos.model.histogram import bucket_of
from chaos.model.run import Environment, RunInfo, Subject
from chaos.model.service import Service
from chaos.scenario import FaultStep, Load, LoadStep
from chaos.story import Story

ZERO = 1000.0
WARM, BASE, STRIKE, UNDO, END = ZERO, ZERO + 3, ZERO + 9, ZERO + 21, ZERO + 29


@dataclass(frozen=True)
class Request:
    start: float
    took: float
    outcome: str = "good"  # good, degraded, failed
    name: str = "checkout"
    reason: str = "503"

    @property
    def end(self) -> float:
        return self.start + self.took


@dataclass
class Simulation:
    """Everything that happened; `events()` is the journal of it."""

    requests: list[Request] = field(default_factory=list)
    more: list[tuple[float, object]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)  # seconds in which the generator was not heard
    cpu: dict[int, float] = field(default_factory=dict)
    dropped: dict[int, int] = field(default_factory=dict)
    intended: float | None = 20.0
    in_flight: bool = True
    fault: str = "vendor-outage"
    dependency: str = "payments"
    strike: float | None = STRIKE
    undo: float = UNDO
    end: float = END
    dose: DoseResult | None = None
    proved: bool = True
    readings: list = field(default_factory=list)
    seen: str = "new connections: 8 of 8 failed"
    finish: RunEnd | None = field(default_factory=lambda: RunEnd(clean=True))
    stop: Stop | None = None
    late: float = 0.0  # by how much records of load come later than they might

    def load(self, rate=20.0, start=WARM, end=None, *, took=0.02, outcome="good", name="checkout", reason="503"):
        """Requests at a steady rate."""
        end = self.end if end is None else end
        count = round((end - start) * rate)
        self.requests += [Request(start + (i + 0.5) / rate, took, outcome, name, reason) for i in range(count)]
        return self

    def during(self, change, start=STRIKE, end=UNDO):
        """Change every request that starts in this stretch."""
        self.requests = [change(each) if start <= each.start < end else each for each in self.requests]
        return self

    def tell(self, mono, payload):
        self.more.append((mono, payload))
        return self

    def observe(self, *, ready=None, desired=None, traffic=None, restarts=None):
        """Look at the cluster twice a second; each argument is a function of the moment."""
        moment = WARM
        while moment < self.end:
            values = {
                key: call(moment)
                for key, call in (("ready", ready), ("desired", desired), ("traffic", traffic), ("restarts", restarts))
                if call
            }
            self.tell(moment, Observation(**values))
            moment += 0.5
        return self

    # -- the journal -------------------------------------------------------------------------------------------------

    def events(self):
        entries = [*self._edges(), *self._load(), *self.more]
        if self.stop:
            entries.append((self.end + 1, self.stop))
        if self.finish:
            entries.append((self.end + 1.5, self.finish))
        entries.sort(key=lambda entry: entry[0])
        for seq, (mono, payload) in enumerate(entries):
            yield Event(seq=seq, mono=mono, wall="", source="test", kind=KIND_OF[type(payload)], payload=payload.as_json())

    def _edges(self):
        yield WARM, PhaseEdge(phase="warm-up", edge="start")
        yield BASE, PhaseEdge(phase="warm-up", edge="end")
        yield BASE, PhaseEdge(phase="baseline", edge="start")
        yield STRIKE, PhaseEdge(phase="baseline", edge="end")
        yield STRIKE, PhaseEdge(phase="fault", edge="start")
        if self.strike is not None:
            fault = {"step": "strike", "entry": "e1", "fault": self.fault, "dependency": self.dependency}
            yield self.strike, FaultEdge(**fault, edge="intent")
            yield self.strike + 0.05, FaultEdge(**fault, edge="struck", took=0.05)
            dose = self.dose or DoseResult(
                step="strike",
                fault=self.fault,
                proved=self.proved,
                expected="it does not answer",
                seen=self.seen,
                readings=self.readings,
                reason="" if self.proved else "dose-missing",
            )
            yield self.strike + 1, dose
            yield self.undo, FaultEdge(**fault, edge="undone", took=0.01)
            yield self.end + 1, FaultEdge(**fault, edge="verified")
        yield max(self.undo, UNDO), PhaseEdge(phase="fault", edge="end")
        yield max(self.undo, UNDO), PhaseEdge(phase="recovery", edge="start")
        yield self.end, PhaseEdge(phase="recovery", edge="end")

    def _load(self):
        """Each second is told when it is over; what becomes known later is a late addition to the second of its start."""
        records = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))  # told at -> second -> name -> counts
        for request in self.requests:
            begun, done = int(request.start), int(request.end)
            if begun in self.missing:
                continue
            _count(records[begun][begun], request, begun, "attempted", int((request.start % 1) * 20))
            told = max(begun, done)
            cell = records[told][begun][request.name]
            if request.outcome == "failed":
                _count(records[told][begun], request, begun, "bad", int((request.start % 1) * 20))
                _add(cell, "failures", bucket_of(request.took))
                _add(cell, "errors", request.reason)
                cell["failed"] = cell.get("failed", 0) + 1
            else:
                cell[request.outcome] = cell.get(request.outcome, 0) + 1
                _add(cell, "latencies", bucket_of(request.took))
                _count(records[told][done], request, done, "good", int((request.end % 1) * 20))
        for told in range(int(WARM), int(self.end) + 1):
            if told not in self.missing and told < self.end:
                records[told][told].setdefault("", None)
        for told in sorted(records):
            for second, names in sorted(records[told].items()):
                cells = {name: LoadName(**_cell(cell)) for name, cell in names.items() if name}
                yield told + 1.01 + self.late, self._record(told, second, cells)

    def _record(self, told, second, cells):
        if second != told or second in self.missing or second >= self.end:
            return LoadSecond(second=second, names=cells)
        open_now = sum(1 for each in self.requests if each.start < second + 1 <= each.end) if self.in_flight else 0
        return LoadSecond(
            second=second,
            names=cells,
            heartbeat=True,
            intended=self.intended,
            in_flight=open_now,
            cpu_percent=self.cpu.get(second, 20.0),
            dropped=self.dropped.get(second, 0),
            users=5,
        )


def _count(names, request, second, key, slot):
    cell = names[request.name]
    slots = cell.setdefault("slots", {"attempted": [0] * 20, "bad": [0] * 20, "good": [0] * 20, "fastest": [0.0] * 20})
    slots[key][slot] += 1
    if key == "attempted":
        cell["attempted"] = cell.get("attempted", 0) + 1
    if key == "good" and (not slots["fastest"][slot] or request.took < slots["fastest"][slot]):
        slots["fastest"][slot] = request.took


def _add(cell, key, value):
    counts = cell.setdefault(key, {})
    counts[value] = counts.get(value, 0) + 1


def _cell(cell):
    return {**cell, "slots": Slots(**cell["slots"])} if cell.get("slots") else dict(cell)


TOLERANCES = (
    {"id": "answered", "measure": "availability", "at_least": "99%"},
    {"id": "fast", "measure": "latency", "percentile": 95, "at_most": "500ms"},
)


def make_service(tolerances=TOLERANCES, **more):
    return Service.model_validate(
        {
            "format": "service/v1",
            "id": "checkout",
            "title": "Checkout",
            "team": "Payments",
            "owner": "payments-on-call",
            "tolerances": list(tolerances),
            "dependencies": [{"id": "pay-vendor", "kind": "vendor", "service": "payments"}],
            **more,
        }
    )


FAULT = {"kind": "pod-kill", "selector": {"app": "x"}, "count": 1}


def make_story(*tolerances, load=True, steps=None, severity="SEV-1", service=None, **more):
    service = service or make_service(tolerances or TOLERANCES)
    values = {
        "target": {"service": "storefront", "port": 8080},
        "locustfile": "load/shop.py",
        "rate": "20/s",
        "request_timeout": "3s",
        "warm_up": "3s",
        "baseline": "6s",
        "recovery": "8s",
    }
    if steps is None:
        steps = (FaultStep.model_validate({"id": "strike", "fault": FAULT}),)
    return Story(
        kind="scenario",
        id="provider-dark",
        title="The provider goes dark",
        text="A story.",
        service=service,
        severity=severity,
        namespace="shop",
        load=Load.model_validate(values | (load if isinstance(load, dict) else {})) if load else None,
        steps=steps,
        tolerances=tuple(service.tolerances),
        **more,
    )


def make_info(
    run="20260105T090000Z-provider-dark-0001", *, environment="sandbox", release="", started="2026-01-05T09:00:00+00:00"
):
    return RunInfo(
        id=run,
        scenario="provider-dark",
        environment=Environment(kind=environment, name=environment),
        subject=Subject(service="checkout", release=release),
        tool_version="0",
        seed=1,
        started=started,
    )


@pytest.fixture
def sim():
    """A fresh simulation without any load."""
    return Simulation()


@pytest.fixture
def healthy():
    """A run in which nothing goes wrong."""
    return Simulation().load()


@pytest.fixture
def kit():
    """The builder's parts, for tests that need more than one of each."""

    class Kit:
        Simulation = Simulation
        Request = Request
        story = staticmethod(make_story)
        service = staticmethod(make_service)
        info = staticmethod(make_info)
        fault = FAULT
        load_step = staticmethod(lambda **load: LoadStep.model_validate({"id": "surge", "load": load}))
        note = LoadNote
        sample = Sample
        step_edge = StepEdge
        transactions = TransactionCount
        dose = DoseResult
        end = RunEnd
        stop = Stop
        warm, base, strike, undo, over = WARM, BASE, STRIKE, UNDO, END

    return Kit
