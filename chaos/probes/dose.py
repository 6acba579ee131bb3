"""Dose: is the fault really in effect, as seen from outside the injector? Judged from readings, never from what we wrote."""

import statistics
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.clients.world import Cluster
from chaos.clock import Clock, wait_until
from chaos.errors import NotFound, NotReady
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.events import DoseResult
from chaos.probes.witness import Witness

Reading = dict[str, Any]
_ENOUGH = 3  # readings of each kind of connection before anything is said
_HEALTHY = 0.8  # share of good readings that a control route needs
_EVERY = 0.1


def routes_of(doses: Iterable[Dose]) -> list[Route]:
    """Every route that the doses need readings of, once each."""
    found: dict[str, Route] = {}
    for dose in doses:
        for route in [*[each.route for each in dose.expect if each.route], *dose.control]:
            found[route.name] = route
    return list(found.values())


@dataclass
class _Proof:
    """What is seen of one expectation."""

    shown: bool
    words: str
    held_untouched: bool = False  # new connections feel it, held ones do not


@dataclass
class _Look:
    """The readings before and since the strike."""

    before: Sequence[Reading]
    since: list[Reading] = field(default_factory=list)

    def of(self, route: Route, kind: str) -> list[Reading]:
        return [each for each in self.since if each["route"] == route.name and each["connection"] == kind]

    def before_of(self, route: Route, kind: str) -> list[Reading]:
        return [each for each in self.before if each["route"] == route.name and each["connection"] == kind]


def prove(
    dose: Dose,
    *,
    step: str,
    fault: str,
    cluster: Cluster,
    witness: Witness | None,
    before: list[Reading],
    clock: Clock,
    stop: threading.Event,
) -> DoseResult:
    """Look until every expectation shows, or `dose.within` seconds have passed, or the run is stopped."""
    look = _Look(before)
    struck = before[-1]["seq"] if before else 0
    proofs: list[_Proof] = []

    def all_shown() -> bool:
        nonlocal proofs
        if witness is not None:
            seen = look.since[-1]["seq"] if look.since else struck
            look.since += witness.readings(seen)
        proofs = [_judge(each, look, cluster) for each in dose.expect]
        return bool(proofs) and all(proof.shown for proof in proofs)

    proved = wait_until(all_shown, clock=clock, within=dose.within, every=_EVERY, stop=stop)
    control = _sick_controls(dose, look)
    reason = "" if proved else _reason(dose, proofs, witness)
    if proved and control:
        proved, reason = False, "control-unhealthy"
    return DoseResult(
        step=step,
        fault=fault,
        proved=proved,
        expected=dose.words,
        seen="; ".join([proof.words for proof in proofs] + control) or "nothing",
        readings=_summary(look),
        reason=reason,
    )


def _reason(dose: Dose, proofs: Sequence[_Proof], witness: Witness | None) -> str:
    if any(each.route for each in dose.expect) and (witness is None or witness.trouble):
        return "no-witness"
    return "held-bypass" if any(proof.held_untouched for proof in proofs) else "dose-missing"


def _judge(expected: Expectation, look: _Look, cluster: Cluster) -> _Proof:
    if expected.route is not None:
        return _judge_route(expected, expected.route, look)
    try:
        return _FROM_THE_CLUSTER[expected.what](expected, cluster)
    except NotReady as error:
        return _Proof(False, str(error))


def _judge_route(expected: Expectation, route: Route, look: _Look) -> _Proof:
    """The latest readings of each kind of connection must show it."""
    shown: dict[str, bool] = {}
    words: list[str] = []
    for kind in expected.connections:
        readings = look.of(route, kind)[-10:]
        if len(readings) < _ENOUGH:
            shown[kind] = False
            words.append(f"{kind}: {len(readings)} readings so far")
            continue
        # right after the strike a window still holds readings from before it took effect; the newest ones decide
        latest = readings[-_ENOUGH:]
        shown[kind], said = _ROUTE_RULES[expected.what](expected, latest, look.before_of(route, kind))
        words.append(f"{kind} connections of {route.name}: {said}")
    untouched = shown.get("new", False) and shown.get("held") is False
    return _Proof(all(shown.values()), ", ".join(words), held_untouched=untouched)


def _fails(expected: Expectation, readings: Sequence[Reading], _before: Sequence[Reading]) -> tuple[bool, str]:
    def failed(reading: Reading) -> bool:
        return reading["status"] == expected.status if expected.status else not reading["ok"]

    bad = [each for each in readings if failed(each)]
    how = sorted({each["error"] or str(each["status"]) for each in readings})
    return len(bad) >= expected.share * len(readings), f"{len(bad)} of {len(readings)} failed ({', '.join(how)})"


def _slower(expected: Expectation, readings: Sequence[Reading], before: Sequence[Reading]) -> tuple[bool, str]:
    then = statistics.median([each["seconds"] for each in before if each["ok"]] or [0.0])
    now = statistics.median([each["seconds"] for each in readings])
    return now - then >= expected.by, f"{now * 1000:.0f} ms, before {then * 1000:.0f} ms"


def _differs(expected: Expectation, readings: Sequence[Reading], before: Sequence[Reading]) -> tuple[bool, str]:
    known = {each["digest"] for each in before if each["ok"]}
    other = [each for each in readings if not each["ok"] or each["digest"] not in known]
    return len(other) >= expected.share * len(readings), f"{len(other)} of {len(readings)} answers differ from those before"


_ROUTE_RULES = {"route-fails": _fails, "route-slower": _slower, "route-differs": _differs}


def _pods_gone(expected: Expectation, cluster: Cluster) -> _Proof:
    alive = [
        pod["metadata"]["name"]
        for pod in cluster.find("Pod", expected.namespace)
        if pod["metadata"]["uid"] in expected.uids and not pod["metadata"].get("deletionTimestamp")
    ]
    gone = len(expected.uids) - len(alive)
    return _Proof(not alive, f"{gone} of {len(expected.uids)} pods are gone by UID")


def ready_endpoints(cluster: Cluster, namespace: str, service: str) -> int:
    """How many endpoints of a Service take traffic."""
    slices = cluster.find("EndpointSlice", namespace, labels={"kubernetes.io/service-name": service})
    return sum(1 for each in slices for end in each.get("endpoints") or [] if end.get("conditions", {}).get("ready"))


def _endpoints(expected: Expectation, cluster: Cluster) -> _Proof:
    ready = ready_endpoints(cluster, expected.namespace, expected.service)
    return _Proof(ready <= expected.at_most, f"{expected.service} has {ready} ready endpoints")


def _object(expected: Expectation, cluster: Cluster) -> _Proof:
    try:
        value: Any = cluster.get(expected.kind, expected.name, expected.namespace)
    except NotFound:
        value = None
    for key in expected.field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    seen = None if value is None else str(value)
    return _Proof(seen == expected.value, f"{expected.kind.lower()}/{expected.name} {expected.field} is {seen}")


_FROM_THE_CLUSTER = {"pods-gone": _pods_gone, "endpoints": _endpoints, "object": _object}


def _sick_controls(dose: Dose, look: _Look) -> list[str]:
    """Control routes that did not stay healthy: then the fault hit more than it was meant to, or something else did."""
    sick: list[str] = []
    for route in dose.control:
        readings = [each for kind in ("held", "new") for each in look.of(route, kind)]
        good = sum(each["ok"] and each["status"] < 500 for each in readings)
        if readings and good < _HEALTHY * len(readings):
            sick.append(f"control route {route.name} is not healthy: {good} of {len(readings)} readings good")
    return sick


def _summary(look: _Look) -> list[dict[str, Any]]:
    """One line a route and kind of connection, for the report."""
    keys = sorted({(each["route"], each["connection"]) for each in look.since})
    lines = []
    for route, kind in keys:
        since = [each for each in look.since if (each["route"], each["connection"]) == (route, kind)]
        before = [each for each in look.before if (each["route"], each["connection"]) == (route, kind)]
        lines.append({"route": route, "connection": kind, "before": _figures(before), "during": _figures(since)})
    return lines


def _figures(readings: Sequence[Reading]) -> dict[str, Any]:
    if not readings:
        return {"n": 0}
    return {
        "n": len(readings),
        "ok": sum(each["ok"] and each["status"] < 400 for each in readings),
        "median_ms": round(statistics.median(each["seconds"] for each in readings) * 1000, 1),
    }
