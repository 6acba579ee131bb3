"""Rival explanations of a breach, one function each: what speaks for it, what against it, with the numbers.

None of them asks which fault was struck. Each looks at how customers were failed, and at what reached whom; so one fault on two
weaknesses gives two causes, and they hold for services that nobody here has seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.evaluation.evidence import Amplification, Evidence, share_between

_AT_LIMIT = 0.6  # share of failures at our own limit that makes a plateau
_RETRIED = 1.5  # calls for each arrival from which on somebody calls again
_STORM = 4.0
_STAMPEDE = 2.0
_TIGHT = 0.45  # share of requests that a plateau holds, at least
_SLOW_DEPENDENCY = 0.5  # seconds; below this nobody can tell who waits for whom


@dataclass
class Case:
    """One hypothesis with its evidence. `score` is 0..1; above 0.5 it explains what was seen."""

    code: str
    score: float = 0.0
    evidence: list[str] = field(default_factory=list)
    against: list[str] = field(default_factory=list)

    def speaks(self, weight: float, words: str) -> None:
        self.score = min(1.0, self.score + weight)
        self.evidence.append(words)

    def objects(self, weight: float, words: str) -> None:
        self.score = max(0.0, self.score - weight)
        self.against.append(words)


Hypothesis = Callable[[Evidence], Case]


def no_timeout(seen: Evidence) -> Case:
    """The caller waits as long as the dependency does, or as long as the customer does."""
    case = Case("no-timeout")
    at_limit, limit, delay = seen.failures_at_our_limit(), seen.limit, seen.dependency_delay()
    if at_limit is not None and limit is not None and at_limit >= _AT_LIMIT and seen.failed_share > 0.02:
        n = seen.during.failures.n
        case.speaks(
            0.9, f"{at_limit:.0%} of {n} failures ended only when the customer gave up after {limit:g} s: nobody else did"
        )
    elif at_limit is not None and at_limit < 0.3 and seen.failed_share > 0.1:
        case.objects(0.4, f"{1 - at_limit:.0%} of the failures came sooner than the customer's limit: somebody gives up")
    slow, usual = seen.during.took.percentile(0.75), seen.before.answers.percentile(0.5)
    if delay is not None and delay != float("inf") and delay >= _SLOW_DEPENDENCY and slow and usual:
        if slow >= 0.85 * delay and usual < 0.3 * delay:
            words = f"customers waited {slow:.2f} s (75th percentile), the dependency took {delay:.2f} s: nothing cut it short"
            case.speaks(0.8, words)
        elif slow < 0.7 * delay:
            case.objects(0.5, f"customers waited {slow:.2f} s where the dependency took {delay:.2f} s: something cut it short")
    _mind_retries(case, seen, 0.4)
    _mind_missing_pods(case, seen)
    return case


def no_circuit_breaker(seen: Evidence) -> Case:
    """Every call pays the caller's own time-out, until the very end of the fault."""
    case = Case("no-circuit-breaker")
    late, usual, delay = seen.late.took, seen.before.answers.percentile(0.5), seen.dependency_delay()
    at_limit = seen.failures_at_our_limit() or 0.0
    plateau = late.percentile(0.5)
    if not plateau or not usual or late.n < 10:
        return case
    if plateau < max(0.15, 5 * usual) or (seen.limit is not None and plateau > 0.9 * seen.limit):
        case.against.append(f"in the second half of the fault half of the requests took at most {plateau:.2f} s")
        return case
    spread = share_between(late, plateau / 1.5, plateau * 1.5)
    if spread < _TIGHT:
        case.against.append(f"late in the fault requests took anything around {plateau:.2f} s: no time-out looks like that")
        return case
    case.speaks(
        0.45,
        f"late in the fault requests still took about {plateau:.2f} s ({spread:.0%} of them), {usual:.2f} s before",
    )
    if delay is not None and plateau < 0.8 * delay:
        it = "gave no answer while we looked" if delay == float("inf") else f"took {delay:.2f} s"
        case.speaks(0.4, f"the dependency {it}, so the caller gave up by itself, but tried again with every request")
    elif delay is not None and delay >= _SLOW_DEPENDENCY:
        case.objects(0.4, f"the dependency itself took {delay:.2f} s: the caller waited to the end")
    if at_limit >= _AT_LIMIT:
        case.objects(0.5, f"{at_limit:.0%} of the failures ended only at the customer's own limit")
    _mind_retries(case, seen, 0.5)
    return case


def _amplified(seen: Evidence, *, struck: bool) -> Amplification | None:
    """The service whose calls grew most; among those that were hit, or among the others."""
    hit = seen.struck
    found = [seen.amplification(service) for service in seen.observed() if (service in hit) is struck]
    return max((each for each in found if each), key=lambda each: each.factor, default=None)


def _asked_to_pause(seen: Evidence) -> str:
    """Why those who were called had no room: they said so, or more customers came than they grant."""
    if seen.timeline.surges:
        return "more customers came than usual"
    said = " ".join(result.seen for results in seen.timeline.doses.values() for result in results if result.proved)
    return "it answered 429, asking for a pause" if "429" in said else ""


def retry_storm(seen: Evidence) -> Case:
    """The more a dependency refuses, the more it is called."""
    case = Case("retry-storm")
    most = _amplified(seen, struck=True) or (_amplified(seen, struck=False) if seen.timeline.surges else None)
    if most is None or most.factor < _RETRIED:
        return case
    pause = _asked_to_pause(seen)
    if most.factor >= _STORM:
        case.speaks(0.9, f"{most.words}: {most.factor:.1f} times")
    elif pause:
        case.speaks(0.8, f"{most.words}: {most.factor:.1f} times, although {pause}")
    tail = seen.after.counts
    if case.score and tail.attempted and tail.failed > 0.1 * tail.attempted:
        case.speaks(0.05, f"{tail.failed} of {tail.attempted} requests still failed after everything was put back")
    return case


def no_retry_budget(seen: Evidence) -> Case:
    """Each failure is tried again, however many of them fail."""
    case = Case("no-retry-budget")
    most = _amplified(seen, struck=True)
    if most is None or most.factor < _RETRIED:
        return case
    case.speaks(0.8, f"{most.words}: {most.factor:.1f} times; a budget of a fifth would make it 1.2 at most")
    if most.factor >= _STORM:
        case.objects(0.4, f"{most.factor:.1f} times is more than a few retries")
    elif pause := _asked_to_pause(seen):
        case.objects(0.3, f"it was called again although {pause}")
    return case


def cache_stampede(seen: Evidence) -> Case:
    """What was hit is one service; what drowns is the one behind it."""
    case = Case("cache-stampede")
    most = _amplified(seen, struck=False)
    if most is None or seen.timeline.surges or not seen.struck:
        return case
    if most.factor >= _STAMPEDE:
        case.speaks(0.9, f"{most.words}: {most.factor:.1f} times, while {', '.join(seen.struck)} was away")
    else:
        case.against.append(f"{most.words}: not more than usual")
    return case


def single_replica(seen: Evidence) -> Case:
    """There was one, and it was gone."""
    case = Case("single-replica")
    for service in _with_endpoints(seen):
        lowest = seen.lowest_ready(service)
        if lowest == (0, 1):
            case.speaks(0.95, f"{service} had no ready endpoint; one replica is all that was asked for")
            return case
        if lowest and lowest[1] > 1:
            case.against.append(f"{service} kept {lowest[0]} of {lowest[1]} replicas ready")
    return case


def no_pdb(seen: Evidence) -> Case:
    """Pods were asked to leave, politely and all at once, and nothing objected."""
    case = Case("no-pdb")
    evicted = [strike for strike in seen.timeline.strikes if "evict" in strike.fault or "drain" in strike.fault]
    for service in _with_endpoints(seen) if evicted else []:
        lowest = seen.lowest_ready(service)
        if lowest and lowest[1] > 1 and lowest[0] == 0:
            case.speaks(0.9, f"all {lowest[1]} replicas of {service} were evicted at the same time{_unguarded(seen, service)}")
            break
    for asked in seen.asked_to_leave:
        if asked.first.stayed and asked.first.budget:
            kept = f"kept {asked.first.stayed} of {asked.first.asked} pods of {asked.whose}"
            case.objects(0.6, f"disruption budget {asked.first.budget} {kept}")
    return case


def _unguarded(seen: Evidence, service: str) -> str:
    """What their budgets said, as far as somebody looked."""
    asked = [each.first for each in seen.asked_to_leave if service in each.services]
    if not asked:
        return ""
    budgets = ", ".join(each.budget for each in asked if each.budget)
    return f", and disruption budget {budgets} kept none of them" if budgets else ", and no disruption budget guards them"


def no_readiness_probe(seen: Evidence) -> Case:
    """Requests fail at pods that are said to be ready."""
    case = Case("no-readiness-probe")
    replaced = any(result.proved and "gone" in result.seen for results in seen.timeline.doses.values() for result in results)
    for service in _with_endpoints(seen) if replaced or seen.restarts else []:
        found = seen.failed_while_ready(service)
        if not found or not found[1]:
            continue
        while_ready, failures = found
        lowest = seen.lowest_ready(service)
        if while_ready >= 0.6 * failures and failures >= 5:
            case.speaks(
                0.85, f"{while_ready} of {failures} failures came while every replica of {service} was said to be ready"
            )
            _mind_missing_pods(case, seen)  # it takes a while until somebody says that a pod is gone
            return case
        if lowest:
            case.against.append(f"{service} showed {lowest[0]} of {lowest[1]} ready, so somebody looks")
    return case


def no_fallback(seen: Evidence) -> Case:
    """The caller knows at once that the dependency is not there, and has nothing else to offer."""
    case = Case("no-fallback")
    counts, failures = seen.during.counts, seen.during.failures
    elsewhere = [service for service in seen.struck if service != seen.entry]
    if not elsewhere or failures.n < 5 or seen.failed_share < 0.02:
        return case
    fast = min(0.5, 0.5 * seen.limit) if seen.limit else 0.5
    quick = share_between(failures, 0.0, fast)
    if quick >= 0.6:
        words = (
            f"{quick:.0%} of {failures.n} failures came within {fast:g} s: it is known that {', '.join(elsewhere)} is not there"
        )
        case.speaks(0.5, words)
    if counts.degraded <= 0.1 * (counts.degraded + counts.failed):
        case.speaks(0.25, f"{counts.degraded} degraded answers for {counts.failed} failed ones: there is no second best")
    else:
        case.objects(0.4, f"{counts.degraded} degraded answers were given")
    _mind_retries(case, seen, 0.3)
    _mind_stampede(case, seen)
    _mind_missing_pods(case, seen)
    if case.score and (unready := no_readiness_probe(seen)).score:
        case.objects(0.4, unready.evidence[0])
    return case


def ack_before_stored(seen: Evidence) -> Case:
    """Customers were told yes, and it is not there."""
    case = Case("ack-before-stored")
    counted = seen.transactions
    if counted and counted.lost:
        case.speaks(0.9, f"{counted.lost} of {counted.acknowledged} acknowledged transactions are not in the ledger")
    return case


def no_idempotency_key(seen: Evidence) -> Case:
    """The same transaction was made twice."""
    case = Case("no-idempotency-key")
    counted = seen.transactions
    if counted and counted.duplicated:
        case.speaks(0.9, f"{counted.duplicated} of {counted.stored} transactions are in the ledger more than once")
    return case


SERVING: tuple[Hypothesis, ...] = (
    no_timeout,
    no_circuit_breaker,
    retry_storm,
    no_retry_budget,
    cache_stampede,
    single_replica,
    no_pdb,
    no_readiness_probe,
    no_fallback,
)
"""Why customers are not answered, or not in time."""
LOST: tuple[Hypothesis, ...] = (ack_before_stored,)
WRONG: tuple[Hypothesis, ...] = (no_idempotency_key,)


def _with_endpoints(seen: Evidence) -> list[str]:
    """What was hit, as far as it is a Service with endpoints."""
    return [service for service in seen.struck if service in seen.ready]


def _mind_retries(case: Case, seen: Evidence, weight: float) -> None:
    most = _amplified(seen, struck=True)
    if case.score and most and most.factor >= _RETRIED:
        case.objects(weight, f"{most.words}: retries explain the wait as well")


def _mind_stampede(case: Case, seen: Evidence) -> None:
    most = _amplified(seen, struck=False)
    if case.score and most and most.factor >= _STAMPEDE:
        case.objects(0.3, f"{most.words}: what failed is not only what was hit")


def _mind_missing_pods(case: Case, seen: Evidence) -> None:
    """Where nobody was left to answer, waiting and failing need no other reason; asked for none, none is missing."""
    lowest = {service: seen.lowest_ready(service) for service in _with_endpoints(seen)}
    gone = {service: found[1] for service, found in lowest.items() if found and found[0] == 0 and found[1] > 0}
    if case.score and gone:
        which = [f"the only replica of {each}" if wanted == 1 else f"every replica of {each}" for each, wanted in gone.items()]
        case.objects(0.4, f"{' and '.join(which)} was gone")
