"""What no single model can see: ids that must be unique or known, limits that only tighten, steps that fit together.

Each rule yields problems at the place in the file; none stops at its first one.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from chaos.errors import Problem
from chaos.injectors.base import FaultSpec
from chaos.model.service import Service
from chaos.model.tolerance import Latency, LostTransactions, ProbeHolds, Tolerance, WrongTransactions, is_looser, limit_of
from chaos.model.units import format_duration
from chaos.probes.base import ProbeSpec
from chaos.probes.pods_ready import PodsReady
from chaos.scenario import CheckStep, FaultStep, InjectStep, LoadStep, Scenario
from chaos.source import Document, nearest

Problems = Iterator[Problem]
Loc = tuple[str | int, ...]


def scenario_problems(document: Document, scenario: Scenario) -> Problems:
    """Everything that can be wrong inside one scenario file although each of its parts is right."""
    yield from unique(document, ("steps",), [step.id for step in scenario.steps])
    yield from unique(document, ("tolerances",), [each.id for each in scenario.tolerances])
    yield from unique(document, ("stop_conditions",), [each.id for each in scenario.stop_conditions])
    yield from probes_problems(document, scenario)
    yield from _place(document, scenario)
    yield from _order(document, scenario)
    yield from _roles(document, scenario)
    for index, step in enumerate(scenario.steps):
        if isinstance(step, FaultStep) and step.fault is not None:
            yield from fault_problems(document, ("steps", index, "fault"), step.fault)
        if isinstance(step, LoadStep):
            yield from _same_load(document, index, step, scenario)
    for index, condition in enumerate(scenario.stop_conditions):
        if condition.probe is not None:
            known = [probe.id for probe in scenario.probes]
            yield from _known(document, ("stop_conditions", index, "probe"), condition.probe, known, "probe of this scenario")


def probes_problems(document: Document, scenario: Scenario) -> Problems:
    """Probes of the list and of check steps share one name space: samples are found by it."""
    yield from unique(document, ("probes",), [probe.id for probe in scenario.probes])
    listed = {probe.id for probe in scenario.probes}
    for index, step in enumerate(scenario.steps):
        if isinstance(step, CheckStep):
            if step.check.probe.id in listed:
                yield document.problem(
                    ("steps", index, "check", "probe", "id"), f"id: {step.check.probe.id} names another probe already"
                )
            listed.add(step.check.probe.id)


def _place(document: Document, scenario: Scenario) -> Problems:
    """Only a story of load and http checks can do without a namespace and a target in it."""
    for loc, what in _needing_a_cluster(scenario):
        if scenario.namespace is None:
            yield document.problem(loc, f"{what} needs a namespace, and the scenario has none", "for example namespace: shop")
        if scenario.load.target is None:
            yield document.problem(loc, f"{what} needs load.target: where in the cluster do customers enter?")


def _needing_a_cluster(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    for index, step in enumerate(scenario.steps):
        if isinstance(step, FaultStep):
            yield ("steps", index), f"step {step.id}"
        elif isinstance(step, CheckStep) and _in_namespace(step.check.probe):
            yield ("steps", index, "check", "probe"), f"probe {step.check.probe.id}"
    for index, probe in enumerate(scenario.probes):
        if _in_namespace(probe):
            yield ("probes", index), f"probe {probe.id}"
    if scenario.observe:
        yield ("observe",), "observe"
    if scenario.load.workers:
        yield ("load", "workers"), "load.workers"


def _in_namespace(probe: ProbeSpec) -> bool:
    """Whether a probe looks at pods of the scenario's own namespace."""
    return isinstance(probe, PodsReady) and not probe.namespace


def fault_problems(document: Document, loc: Loc, fault: FaultSpec) -> Problems:
    """Every fault lasts for some time; those that can say how long by themselves have a default."""
    if not fault.duration:
        yield document.problem(
            (*loc, "duration"), f"duration: is missing or nothing; how long does {fault.kind} hold?", "for example 20s"
        )


def tolerance_problems(document: Document, scenario: Scenario, service: Service) -> Problems:
    """A scenario may tighten its service's tolerances and add to them; a looser one would be grading oneself."""
    own = {each.id: each for each in service.tolerances}
    for index, tolerance in enumerate(scenario.tolerances):
        base = own.get(tolerance.id)
        if base is not None and is_looser(tolerance, base):
            yield document.problem(
                ("tolerances", index, *_limit_key(document, index)),
                f"{tolerance.id}: looser than, or other than, what service {service.id} promises ({_words(base)})",
                "a scenario may only tighten; give another promise another id",
            )


def merged(scenario: Scenario, service: Service) -> tuple[Tolerance, ...]:
    """The service's tolerances, those of the scenario in place of the same ids, and the scenario's own after them."""
    tightened = {each.id: each for each in scenario.tolerances}
    base = [tightened.pop(each.id, each) for each in service.tolerances]
    return (*base, *tightened.values())


def merged_problems(document: Document, scenario: Scenario, tolerances: Sequence[Tolerance]) -> Problems:
    """What the tolerances need from the scenario, and whether they contradict each other."""
    places: dict[str, Loc] = {each.id: ("tolerances", index) for index, each in enumerate(scenario.tolerances)}
    probes = [probe.id for probe in scenario.probes]
    for each in tolerances:
        if isinstance(each, ProbeHolds):
            loc = (*places[each.id], "probe") if each.id in places else ("service",)
            yield from _known(document, loc, each.probe, probes, f"probe of this scenario, but tolerance {each.id} reads it")
        if isinstance(each, LostTransactions | WrongTransactions) and scenario.load.ledger is None:
            yield document.problem(
                places.get(each.id, ("load",)),
                f"{each.id}: {each.measure} cannot be counted without load.ledger",
                "say where the service tells what it has kept: ledger: {url: /orders, ids: id}",
            )
        if each.window == "recovery" and each.after >= scenario.load.recovery:
            yield document.problem(
                places.get(each.id, ("load", "recovery")),
                f"{each.id}: never binds: it begins {format_duration(each.after)} into a recovery of "
                f"{format_duration(scenario.load.recovery)}",
            )
    yield from _contradictions(document, places, tolerances)


def _contradictions(document: Document, places: dict[str, Loc], tolerances: Sequence[Tolerance]) -> Problems:
    """The same question with two limits, or a lower percentile that may be slower than a higher one of the same requests."""
    asked: dict[tuple[Any, ...], list[Tolerance]] = {}
    for tolerance in tolerances:
        asked.setdefault(_question(tolerance), []).append(tolerance)
    for one, other in (pair for same in asked.values() for pair in combinations(same, 2)):
        if one.id == other.id:
            continue
        loc = places.get(other.id) or places.get(one.id) or ("service",)
        low, high = sorted((one, other), key=_percentile)
        if _percentile(low) == _percentile(high) and limit_of(low) != limit_of(high):
            yield document.problem(loc, f"{other.id}: contradicts {one.id}: the same measure with another limit")
        if _percentile(low) < _percentile(high) and limit_of(low) > limit_of(high):
            why = f"p{_percentile(low):g} may be slower than p{_percentile(high):g}, which it can never be"
            yield document.problem(loc, f"{low.id}: contradicts {high.id}: {why}")


_QUESTION = ("measure", "transaction", "window", "start", "after", "probe", "good_within", "good_share")


def _question(tolerance: Tolerance) -> tuple[Any, ...]:
    return tuple(map(vars(tolerance).get, _QUESTION))  # a missing attribute of a model is slow to miss


def _percentile(tolerance: Tolerance) -> float:
    return tolerance.percentile if isinstance(tolerance, Latency) else 0.0


def _limit_key(document: Document, index: int) -> tuple[str, ...]:
    return next(((key,) for key in ("at_least", "at_most") if ("tolerances", index, key) in document.places), ())


def _words(tolerance: Tolerance) -> str:
    values = tolerance.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"id", "title"})
    return ", ".join(f"{key} {value}" for key, value in values.items())


def unique(document: Document, loc: tuple[str, ...], names: Sequence[str]) -> Problems:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            line, _ = document.where((*loc, seen[name], "id"))
            yield document.problem((*loc, index, "id"), f"id: {name} is taken", f"first in line {line}")
        seen.setdefault(name, index)


def _known(document: Document, loc: Loc, name: str, known: Sequence[str], what: str) -> Problems:
    if name not in known:
        yield document.problem(loc, f"{name}: is no {what}", nearest(name, known) or "known: " + (", ".join(known) or "none"))


def _order(document: Document, scenario: Scenario) -> Problems:
    """`after` looks back only, so that no circle can be written."""
    names = [step.id for step in scenario.steps]
    for index, step in enumerate(scenario.steps):
        if step.after is None or step.after in names[:index]:
            continue
        loc = ("steps", index, "after")
        if step.after in names:
            yield document.problem(loc, f"after: {step.after} comes later; a step can only follow an earlier one")
        else:
            yield from _known(document, loc, step.after, names[:index], "step before this one")


def _roles(document: Document, scenario: Scenario) -> Problems:
    known = sorted(scenario.roles)
    for index, step in enumerate(scenario.steps):
        for place, role in enumerate(step.audience):
            yield from _known(document, ("steps", index, "audience", place), role, known, "role of this scenario")
        if isinstance(step, InjectStep):
            yield from _known(document, ("steps", index, "inject", "to"), step.inject.to, known, "role of this scenario")


def _same_load(document: Document, index: int, step: LoadStep, scenario: Scenario) -> Problems:
    model = "rate" if scenario.load.rate is not None else "users"
    if getattr(step.load, model) is None:
        yield document.problem(("steps", index, "load"), f"load: give {model}, as the scenario's load does")
