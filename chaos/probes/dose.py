"""Dose: is the fault really in effect, as seen from outside the injector? Judged from readings, never from what we wrote."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.clients.world import Cluster, Obj
from chaos.clock import Clock, wait_until
from chaos.errors import NotFound, NotReady
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.events import DoseResult
from chaos.model.selector import selects
from chaos.probes import dose_of_pods
from chaos.probes.dose_rules import Look, Proof, Reading, controls_read, is_back, judge_route, sick_controls, summary
from chaos.probes.witness import Witness

_EVERY = 0.1
_LONGEST_WAIT = 10.0  # seconds that one reading may take at most
_LASTING = ("pods-gone", "refused-eviction", "evicted", "new-pods")
"""What shows of pods and stays so when the fault is over."""


def routes_of(doses: Iterable[Dose]) -> list[Route]:
    """Every route that the doses need readings of, once each, with enough patience to see the slowness they promise."""
    found: dict[str, Route] = {}
    for dose in doses:
        wanted = [(each.route, each.by) for each in dose.expect if each.route]
        for route, by in [*wanted, *((route, 0.0) for route in dose.control)]:
            known = found.get(route.name, route)
            patience = max(known.timeout, route.timeout, min(_LONGEST_WAIT, 2 * by + 0.5) if by else 0.0)
            found[route.name] = known.model_copy(update={"timeout": patience})
    return list(found.values())


def prove(  # noqa: PLR0913 - all by name
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
    """Right after the strike: looks until all that is expected shows, `dose.within` has passed, or the run stops."""
    look = Look(clock.now(), before, newest=before[-1]["seq"] if before else 0)
    deadline = look.struck + dose.within
    proofs: list[Proof] = []

    def all_shown() -> bool:
        nonlocal proofs
        if witness is not None:
            look.take(witness.readings(look.newest))
        last_chance = clock.now() >= deadline or stop.is_set()
        proofs = [_judge(each, look, cluster, last_chance) for each in dose.expect]
        shown = bool(proofs) and all(proof.shown for proof in proofs)
        return shown and (witness is None or last_chance or controls_read(dose, look))

    proved = wait_until(all_shown, clock=clock, within=dose.within, every=_EVERY, stop=stop)
    sick = sick_controls(dose, look)
    return DoseResult(
        step=step,
        fault=fault,
        proved=proved and not sick,
        expected=dose.words,
        seen="; ".join([proof.words for proof in proofs] + sick + _trouble(witness)) or "nothing",
        readings=summary(look),
        reason="" if proved and not sick else "control-unhealthy" if proved else _reason(dose, proofs, witness),
    )


def _trouble(witness: Witness | None) -> list[str]:
    return [witness.trouble] if witness is not None and witness.trouble else []


def _reason(dose: Dose, proofs: Sequence[Proof], witness: Witness | None) -> str:
    blind = [proof for each, proof in zip(dose.expect, proofs, strict=True) if each.route and proof.unread]
    if blind and (witness is None or witness.trouble):
        return "no-witness"
    return "held-bypass" if any(proof.held_untouched for proof in proofs) else "dose-missing"


@dataclass(frozen=True)
class Cleared:
    """Whether what the dose showed is over. Not the proof that the undo worked (that is `verify`'s), but that it is felt."""

    clean: bool
    seen: str


def cleared(  # noqa: PLR0913 - all by name
    dose: Dose,
    *,
    cluster: Cluster,
    witness: Witness | None,
    before: list[Reading],
    clock: Clock,
    stop: threading.Event,
    within: float = 10.0,
) -> Cleared:
    """After the undo: looks until every route reads as before the strike, and nothing expected of objects shows.

    Pods that are gone stay gone; whether their workload is whole again is reported by `verify`.
    """
    look = Look(clock.now(), before)
    asked = [each for each in dose.expect if each.what not in _LASTING and not each.route_ends]
    proofs: list[Proof] = []

    def all_back() -> bool:
        nonlocal proofs
        if witness is not None:
            look.take(witness.readings(look.newest))
        proofs = [_back(each, look, cluster) for each in asked]
        return all(proof.shown for proof in proofs)

    clean = wait_until(all_back, clock=clock, within=within, every=_EVERY, stop=stop)
    return Cleared(clean, "; ".join([proof.words for proof in proofs] + _trouble(witness)) or "nothing to look at")


def _back(expected: Expectation, look: Look, cluster: Cluster) -> Proof:
    if expected.route is not None:
        return is_back(expected, expected.route, look)
    try:
        proof = _FROM_THE_CLUSTER[expected.what](expected, cluster)
    except NotReady as error:
        return Proof(False, f"unknown: {error}")
    return Proof(not proof.shown, proof.words)


# -- what the API server shows ---------------------------------------------------------------------------------------


def _judge(expected: Expectation, look: Look, cluster: Cluster, last_chance: bool) -> Proof:
    if expected.route is not None:
        return judge_route(expected, expected.route, look, last_chance=last_chance)
    try:
        return _FROM_THE_CLUSTER[expected.what](expected, cluster)
    except NotReady as error:
        return Proof(False, f"unknown: {error}", unread=True)


def _alive(expected: Expectation, cluster: Cluster) -> list[Obj]:
    return [
        pod
        for pod in cluster.find("Pod", expected.namespace)
        if pod["metadata"]["uid"] in expected.uids and not pod["metadata"].get("deletionTimestamp")
    ]


def _pods_gone(expected: Expectation, cluster: Cluster) -> Proof:
    alive = _alive(expected, cluster)
    gone = len(expected.uids) - len(alive)
    return Proof(not alive, f"{gone} of {len(expected.uids)} pods are gone by UID")


@dataclass(frozen=True)
class _Stayed:
    """Pods that were asked to leave and did not, and the disruption budgets that allow no disruption of them now."""

    pods: list[Obj]
    behind: int  # of these pods, how many such a budget guards
    words: str


def _stayed(expected: Expectation, cluster: Cluster) -> _Stayed:
    alive = _alive(expected, cluster)
    budgets = cluster.find("PodDisruptionBudget", expected.namespace) if alive else []
    closed = [each for each in budgets if not each.get("status", {}).get("disruptionsAllowed")]
    guarding = [each for each in closed if any(_guards(each, pod) for pod in alive)]
    behind = sum(any(_guards(each, pod) for each in guarding) for pod in alive)
    names = ", ".join(each["metadata"]["name"] for each in guarding) or "none"
    words = f"{len(alive)} of {len(expected.uids)} pods stayed"
    return _Stayed(alive, behind, words + (f"; budgets that allow no disruption now: {names}" if alive else ""))


def _refused(expected: Expectation, cluster: Cluster) -> Proof:
    """Pods are still there although they were asked to leave, and a budget allows no disruption of them."""
    stayed = _stayed(expected, cluster)
    return Proof(stayed.behind > 0, stayed.words)


def _evicted(expected: Expectation, cluster: Cluster) -> Proof:
    """Every pod is gone, or stays because its budget allows no disruption of it; or did not, when it had let others go."""
    stayed = _stayed(expected, cluster)
    gone = len(expected.uids) - len(stayed.pods)
    if stayed.behind < len(stayed.pods) and gone and expected.name:
        return Proof(True, f"{stayed.words}; budget {expected.name} had let {gone} go and kept the others when they were asked")
    return Proof(stayed.behind == len(stayed.pods), stayed.words)


def _guards(budget: Obj, pod: Obj) -> bool:
    return selects(budget["spec"].get("selector"), pod["metadata"].get("labels"))


def ready_endpoints(cluster: Cluster, namespace: str, service: str) -> int:
    """How many endpoints of a Service take traffic."""
    slices = cluster.find("EndpointSlice", namespace, labels={"kubernetes.io/service-name": service})
    return sum(1 for each in slices for end in each.get("endpoints") or [] if end.get("conditions", {}).get("ready"))


def _endpoints(expected: Expectation, cluster: Cluster) -> Proof:
    ready = ready_endpoints(cluster, expected.namespace, expected.service)
    return Proof(
        ready <= expected.at_most, f"{expected.service} has {ready} ready endpoints, expected at most {expected.at_most}"
    )


def _object(expected: Expectation, cluster: Cluster) -> Proof:
    try:
        value: Any = cluster.get(expected.kind, expected.name, expected.namespace)
    except NotFound:
        value = None
    for key in expected.field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    seen = None if value is None else _as_written(value)
    return Proof(seen == expected.value, f"{expected.kind.lower()}/{expected.name} {expected.field} is {seen or 'not set'}")


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FROM_THE_CLUSTER = {
    "pods-gone": _pods_gone,
    "refused-eviction": _refused,
    "evicted": _evicted,
    "endpoints": _endpoints,
    "object": _object,
    "new-pods": dose_of_pods.new_pods,
    "pods-resized": dose_of_pods.pods_resized,
    "pod-refused": dose_of_pods.pod_refused,
}
