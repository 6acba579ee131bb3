"""Causes are chosen by evidence: each has a case in which it is named, and a rival under the same fault."""

from dataclasses import replace

import pytest

from chaos.evaluation.findings import find
from chaos.evaluation.judge import judge

TOLERANCES = (
    {"id": "answered", "measure": "availability", "at_least": "95%"},
    {"id": "fast", "measure": "latency", "percentile": 95, "at_most": "600ms", "window": "fault"},
    {"id": "kept", "measure": "lost-transactions", "at_most": 0},
    {"id": "once", "measure": "wrong-transactions", "at_most": 0},
)
HANGING = [
    {
        "route": "payments",
        "connection": "new",
        "before": {"n": 9, "ok": 9, "median_ms": 5},
        "during": {"n": 9, "ok": 0, "median_ms": 2000},
    }
]
SLOW = [
    {
        "route": "payments",
        "connection": "new",
        "before": {"n": 9, "ok": 9, "median_ms": 5},
        "during": {"n": 9, "ok": 9, "median_ms": 1500},
    }
]
COUNTED = {"acknowledged": 100, "stored": 100, "lost": 0, "wrong": 0}


@pytest.fixture
def run(kit):
    """A run under way: two replicas of everything, and a vendor that hangs while it is struck."""
    run = kit.Simulation(readings=HANGING).load()
    run.observe(ready=lambda _: {"storefront": 2, "checkout": 2}, desired=lambda _: {"storefront": 2, "checkout": 2})
    return run


def cause(kit, run, **counted):
    run.tell(kit.over + 0.5, kit.transactions(**(COUNTED | counted)))
    story = kit.story(*TOLERANCES)
    verdict = judge(story, run.events, kit.info())
    saves = [each for each in find(story, run.events, kit.info(), verdict) if each.kind == "save"]
    assert len(saves) == 1, [each.title for each in saves]
    return saves[0].cause


def traffic(kit, service, *, usual, during, key="received"):
    """A counter that rises by `usual` a second, and by `during` while the fault is in effect."""

    def at(moment):
        struck = min(max(moment - kit.strike, 0.0), kit.undo - kit.strike)
        return {service: {key: usual * (moment - kit.warm - struck) + during * struck}}

    return at


def failed(took, reason="503"):
    return lambda each: replace(each, outcome="failed", took=took, reason=reason)


def answered(took, outcome="good"):
    return lambda each: replace(each, outcome=outcome, took=took)


# -- one fault, the vendor hangs: how customers are failed tells which defence is missing --------------------------------


def test_failures_at_the_customers_own_limit_mean_that_nobody_else_gives_up(kit, run):
    found = cause(kit, run.during(failed(3.0, "timeout")))
    assert found.code == "no-timeout"
    assert "100% of 240 failures ended only when the customer gave up after 3 s" in found.evidence[0]


def test_quick_failures_without_a_degraded_answer_mean_that_there_is_no_second_best(kit, run):
    found = cause(kit, run.during(failed(0.05)))
    assert found.code == "no-fallback"
    assert any(words.startswith("no-timeout") for words in found.rivals)


def test_the_callers_own_time_out_paid_again_and_again_means_no_breaker(kit, run):
    found = cause(kit, run.during(answered(0.85, "degraded")))
    assert found.code == "no-circuit-breaker"


def test_many_calls_for_each_order_mean_retries_without_a_budget(kit, run):
    run.observe(traffic=traffic(kit, "payments", usual=1000, during=2200)).during(answered(0.85, "degraded"))
    assert cause(kit, run).code == "no-retry-budget"


def test_very_many_calls_for_each_order_mean_a_storm(kit, run):
    run.observe(traffic=traffic(kit, "payments", usual=1000, during=8000)).during(answered(1.4, "degraded"))
    found = cause(kit, run)
    assert found.code == "retry-storm"
    assert "8.0 times" in found.evidence[0]


def test_some_calls_more_although_a_pause_was_asked_for_mean_a_storm(kit, run):
    run.seen = "new connections of payments: 8 of 8 failed (429)"
    run.observe(traffic=traffic(kit, "payments", usual=1000, during=2500)).during(answered(1.4, "degraded"))
    assert cause(kit, run).code == "retry-storm"


def test_calls_are_counted_by_transaction_where_the_stand_in_knows_them(kit, run):
    def counters(moment):
        struck = min(max(moment - kit.strike, 0.0), 12.0)
        return {"payments": {"calls": 38 * struck, "keys": 20 * struck}}

    found = cause(kit, run.observe(traffic=counters).during(answered(0.85, "degraded")))
    assert found.code == "no-retry-budget"
    assert "different transactions" in found.evidence[0]


def test_a_few_trials_of_a_breaker_are_no_retries(kit, run):
    """17 calls for 11 transactions look like retries, but 240 customers came: the dependency is left alone."""

    def counters(moment):
        struck = min(max(moment - kit.strike, 0.0), 12.0)
        return {"payments": {"calls": 17 / 12 * struck, "keys": 11 / 12 * struck}}

    assert cause(kit, run.observe(traffic=counters).during(failed(0.05))).code == "no-fallback"


def test_as_slow_as_the_dependency_itself_means_no_time_out(kit, run):
    run.readings = SLOW
    assert cause(kit, run.during(answered(1.52))).code == "no-timeout"


def test_slow_but_quicker_than_the_dependency_means_no_breaker(kit, run):
    run.readings = SLOW
    assert cause(kit, run.during(answered(0.75, "degraded"))).code == "no-circuit-breaker"


def test_slow_without_a_reading_of_the_dependency_is_unknown_and_says_what_would_tell(kit, run):
    run.readings = []
    found = cause(kit, run.during(answered(1.5)))
    assert found.code == "unknown"
    assert found.would_settle


# -- one fault, pods are killed ---------------------------------------------------------------------------------------


@pytest.fixture
def killed(kit):
    return kit.Simulation(
        fault="pod-kill", dependency="checkout", undo=kit.strike + 0.2, seen="1 of 1 pods are gone by UID"
    ).load()


def dip(kit, service, normal, low, until=3.0):
    return lambda moment: {service: low if kit.strike <= moment < kit.strike + until else normal}


def test_one_replica_that_was_gone(kit, killed):
    killed.observe(ready=dip(kit, "checkout", 1, 0), desired=lambda _: {"checkout": 1})
    found = cause(kit, killed.during(failed(0.01), kit.strike, kit.strike + 3))
    assert found.code == "single-replica"


def test_one_replica_on_a_node_that_was_gone_before_anybody_knew(kit, killed):
    killed.seen = "zone zone-a is gone"
    killed.observe(
        ready=lambda moment: {"checkout": 0 if 9 <= moment - kit.strike < 11 else 1}, desired=lambda _: {"checkout": 1}
    )
    found = cause(kit, killed.during(failed(0.01), kit.strike, kit.strike + 11))
    assert found.code == "single-replica"
    assert any("was said to be ready" in words for words in found.rivals)


def test_pods_that_fail_while_they_are_said_to_be_ready(kit, killed):
    killed.observe(ready=dip(kit, "checkout", 2, 2), desired=lambda _: {"checkout": 2})
    found = cause(
        kit, killed.during(lambda each: failed(0.01)(each) if int(each.start * 20) % 2 else each, kit.strike, kit.strike + 3)
    )
    assert found.code == "no-readiness-probe"


def test_failures_while_a_replica_is_known_to_be_missing_are_no_lack_of_a_readiness_probe(kit, killed):
    killed.observe(ready=dip(kit, "checkout", 2, 1), desired=lambda _: {"checkout": 2})
    found = cause(
        kit, killed.during(lambda each: failed(0.9)(each) if int(each.start * 20) % 2 else each, kit.strike, kit.strike + 3)
    )
    assert found.code == "unknown"


def test_customers_who_hang_at_a_service_that_is_gone_are_no_lack_of_a_time_out(kit):
    evicted = kit.Simulation(fault="eviction", dependency="storefront", undo=kit.strike + 0.2, seen="0 of 2 pods stayed").load()
    evicted.observe(ready=dip(kit, "storefront", 2, 0), desired=lambda _: {"storefront": 2})
    found = cause(kit, evicted.during(failed(3.0), kit.strike, kit.strike + 3))
    assert found.code == "no-pdb"
    assert any("every replica of storefront was gone" in words for words in found.rivals)


def test_all_replicas_evicted_at_once(kit, killed):
    killed.fault = "pod-eviction"
    killed.observe(ready=dip(kit, "checkout", 2, 0), desired=lambda _: {"checkout": 2})
    assert cause(kit, killed.during(failed(0.01), kit.strike, kit.strike + 3)).code == "no-pdb"


def test_acknowledged_and_not_there(kit, killed):
    found = cause(kit, killed, lost=9, stored=91)
    assert (found.code, found.evidence) == ("ack-before-stored", ["9 of 100 acknowledged transactions are not in the ledger"])


# -- one fault, the cache is away -------------------------------------------------------------------------------------


@pytest.fixture
def cold(kit):
    run = kit.Simulation(fault="scale-to-zero", dependency="sessions", seen="sessions has 0 ready endpoints").load()
    away = dip(kit, "sessions", 1, 0, 12.0)
    return run.observe(ready=away, desired=away)


def test_everybody_asks_the_origin(kit, cold):
    cold.observe(traffic=traffic(kit, "inventory", usual=50, during=900)).during(failed(0.1))
    found = cause(kit, cold)
    assert found.code == "cache-stampede"
    assert "while sessions was away" in found.evidence[0]


def test_nobody_asks_the_origin_more_than_usual_and_yet_it_fails(kit, cold):
    cold.observe(traffic=traffic(kit, "inventory", usual=50, during=50)).during(failed(0.1))
    assert cause(kit, cold).code == "no-fallback"


def test_charged_twice(kit, run):
    found = cause(kit, run, wrong=4, duplicated=4)
    assert found.code == "no-idempotency-key"


def test_kept_wrongly_but_not_twice_is_unknown(kit, run):
    assert cause(kit, run, wrong=4).code == "unknown"


def test_a_surge_that_is_answered_with_more_calls_is_a_storm(kit):
    run = kit.Simulation(strike=None, intended=45.0)
    run.load(end=kit.strike).load(rate=45, start=kit.strike, end=kit.undo).load(start=kit.undo)
    run.tell(kit.strike, kit.step_edge(step="surge", type="load", edge="start"))
    run.tell(kit.undo, kit.step_edge(step="surge", type="load", edge="end"))
    run.observe(traffic=traffic(kit, "payments", usual=1000, during=6000)).during(answered(1.4, "degraded"))
    story = kit.story(*TOLERANCES[:2], steps=(kit.load_step(rate="45/s", duration="12s"),))
    verdict = judge(story, run.events, kit.info())
    assert verdict.outcome == "breached"
    assert find(story, run.events, kit.info(), verdict)[0].cause.code == "retry-storm"
