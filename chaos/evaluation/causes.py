"""The cause of a finding: the hypothesis that the evidence supports best, if it leads clearly; else "unknown"."""

from chaos.evaluation.evidence import Evidence
from chaos.evaluation.hypotheses import Case, Hypothesis
from chaos.model.finding import Cause

CLEAR = 0.5
"""What is supported less than this explains nothing."""
LEAD = 0.15
"""By how much the best must lead over the next."""

_TEXTS: dict[str, tuple[str, str]] = {
    "no-timeout": (
        "A caller waits without a limit of its own",
        "Give every call to a dependency a time-out well below the customer's patience, then answer without it or say no.",
    ),
    "no-retry-budget": (
        "Every failure is tried again, however many fail",
        "Pay retries from a budget (a fifth of the calls at most), so that one in trouble is not called more than before.",
    ),
    "retry-storm": (
        "Retries multiply the load on a dependency that is out of room",
        "Heed Retry-After, back off with jitter, retry in one layer only, and stop calling while refusals go on.",
    ),
    "no-circuit-breaker": (
        "Every request finds out again that the dependency is not there",
        "Put a circuit breaker around the call: after a few failures in a row answer at once without it.",
    ),
    "single-replica": (
        "One replica is all there is",
        "Run at least two replicas, spread over nodes and zones, and large enough that one can carry the load.",
    ),
    "no-readiness-probe": (
        "Traffic is sent to pods that cannot serve it yet",
        "Add a readiness probe that is true only once the pod can answer customers, and a minimum ready time for roll-outs.",
    ),
    "no-pdb": (
        "Nothing limits how many pods may be taken at once",
        "Add a PodDisruptionBudget that keeps enough replicas during drains and upgrades.",
    ),
    "pdb-allows-none": (
        "A disruption budget never lets any pod leave",
        "Let the budget spare at least one pod (maxUnavailable: 1, or minAvailable below the number of replicas), and run at "
        "least two replicas; otherwise no node under them is ever drained, patched or scaled away.",
    ),
    "pdb-short-of-pods": (
        "Too few pods are healthy for a disruption budget to let one leave",
        "Find out why these pods are not ready; unhealthyPodEvictionPolicy: AlwaysAllow lets broken pods leave during a drain.",
    ),
    "cache-stampede": (
        "Without its cache everybody asks the origin at the same time",
        "Let one request fetch for all, serve an older copy meanwhile, and limit how many may ask the origin at once.",
    ),
    "no-fallback": (
        "There is no second best when a dependency is not there",
        "Decide what the customer gets without it (an older value, a default, do it later), and say that it is degraded.",
    ),
    "ack-before-stored": (
        "Customers are told yes before it is stored",
        "Store durably first, acknowledge afterwards; or keep the promise in a queue that survives the death of the pod.",
    ),
    "no-idempotency-key": (
        "A call whose answer was lost is made a second time",
        "Send an idempotency key that stays the same over all retries, and have the other side honour it.",
    ),
}
CODES = tuple(_TEXTS)

_SETTLES = {
    "no-timeout": "a reading of how long the dependency itself took, beside how long customers waited",
    "no-circuit-breaker": "a longer fault: with a breaker the second half is fast",
    "retry-storm": "counting the calls that reach the dependency (`observe:` it)",
    "no-retry-budget": "counting the calls that reach the dependency (`observe:` it)",
    "cache-stampede": "counting the calls that reach the origin behind the cache (`observe:` it)",
    "single-replica": "how many endpoints were ready while requests failed",
    "no-readiness-probe": "how many endpoints were ready while requests failed",
    "no-pdb": "how many evictions the API server refused",
    "pdb-allows-none": "the counts that the disruption budget's status gives",
    "pdb-short-of-pods": "the counts that the disruption budget's status gives",
    "no-fallback": "marking degraded answers (`degraded_when:`), and the time that failures took",
    "ack-before-stored": "the ledger of the business service, read after recovery",
    "no-idempotency-key": "the ledger of the business service, read after recovery",
}


def choose(seen: Evidence, hypotheses: tuple[Hypothesis, ...]) -> Cause:
    """The best-supported hypothesis, or unknown; the rivals and why they lost are kept either way."""
    return best_of([hypothesis(seen) for hypothesis in hypotheses])


def best_of(cases: list[Case]) -> Cause:
    """The same for cases that have been made already."""
    cases = sorted(cases, key=lambda case: -case.score)
    best, rivals = cases[0], cases[1:]
    second = rivals[0].score if rivals else 0.0
    if best.score < CLEAR or best.score - second < LEAD:
        return _unknown(cases)
    title, remedy = _TEXTS[best.code]
    return Cause(
        code=best.code,
        title=title,
        evidence=[*best.evidence, *(f"against it: {words}" for words in best.against)],
        rivals=[words for case in rivals if (words := _lost(case))],
        remedy=remedy,
    )


def _lost(case: Case) -> str:
    """Why a rival lost; "" when nothing at all spoke for or against it."""
    if case.against:
        return f"{case.code}: {'; '.join(case.against)}"
    if case.evidence:
        return f"{case.code}: {'; '.join(case.evidence)}, but that is explained better"
    return ""


def _unknown(cases: list[Case]) -> Cause:
    near = [case for case in cases if case.score > 0][:3]
    settle = list(dict.fromkeys(_SETTLES[case.code] for case in near or cases[:3]))
    return Cause(
        code="unknown",
        title="Cause unknown",
        evidence=[f"{case.code}: {'; '.join(case.evidence)}" for case in near if case.evidence],
        rivals=[words for case in cases if case not in near and (words := _lost(case))],
        would_settle="; or ".join(settle),
        remedy="Find out first which of these it is; the evidence of this run does not tell.",
    )
