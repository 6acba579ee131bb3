"""Findings: few, in customers' words, and the same hole keeps the same fingerprint."""

from dataclasses import replace

from chaos.evaluation.findings import find
from chaos.evaluation.judge import judge

TOLERANCES = (
    {"id": "answered", "measure": "availability", "at_least": "95%"},
    {"id": "fast", "measure": "latency", "percentile": 95, "at_most": "600ms", "window": "fault"},
    {"id": "outage", "measure": "longest-outage", "at_most": "5s"},
    {"id": "kept", "measure": "lost-transactions", "at_most": 0},
)
COUNTED = {"acknowledged": 100, "stored": 100, "lost": 0, "wrong": 0}
SLOW = [{"route": "payments", "connection": "new", "during": {"n": 9, "ok": 9, "median_ms": 3000}}]


def findings(kit, run, info=None, counted=COUNTED):
    run.tell(kit.over + 0.5, kit.transactions(**counted))
    story, info = kit.story(*TOLERANCES), info or kit.info()
    return find(story, run.events, info, judge(story, run.events, info))


def failing(request):
    return replace(request, outcome="failed", took=3.0, reason="timeout")


def test_the_re_test_of_a_story_without_a_cluster_says_where_customers_enter(kit, healthy):
    info = kit.info(environment="none").model_copy(update={"url": "http://127.0.0.1:80"})
    (found,) = findings(kit, healthy.during(failing), info)
    assert found.closed_by == "gameday run scenarios/provider-dark.yaml --on none --url http://127.0.0.1:80"


def test_tolerances_broken_by_the_same_thing_are_one_save(kit, healthy):
    (found,) = findings(kit, healthy.during(failing))
    assert (found.kind, found.tolerances) == ("save", ["answered", "fast", "outage"])
    assert found.title == "Checkout: 240 of 400 requests failed while pay-vendor was hit (vendor outage)"
    assert (found.dependency, found.owner, found.severity_measured) == ("pay-vendor", "payments-on-call", "SEV-1")
    assert found.due == "2026-01-12"
    assert found.closed_by == "gameday run scenarios/provider-dark.yaml --on sandbox"
    assert found.window == (9.0, 29.0)
    assert {factor.basis for factor in found.factors} == {"measured"}


def test_the_fingerprint_is_the_hole_not_the_cause_nor_the_release(kit):
    hanging = findings(kit, kit.Simulation().load().during(failing))[0]
    quick = kit.Simulation().load().during(lambda each: replace(each, outcome="failed", took=0.01))
    other = findings(kit, quick, kit.info("20260106T090000Z-provider-dark-0002", release="2.0"))[0]
    assert hanging.cause.code != other.cause.code
    assert hanging.fingerprint == other.fingerprint
    assert findings(kit, kit.Simulation(dependency="inventory").load().during(failing))[0].fingerprint != hanging.fingerprint


def test_without_proof_of_the_dose_no_cause_is_named(kit, healthy):
    healthy.proved = False
    (found,) = findings(kit, healthy.during(failing))
    assert found.cause is None
    assert any("not proved" in factor.text for factor in found.factors)


def test_lost_transactions_are_a_finding_of_their_own(kit, healthy):
    found = findings(kit, healthy.during(failing), counted=COUNTED | {"stored": 97, "lost": 3})
    assert {each.tolerances[0] for each in found} == {"kept", "answered"}
    assert {each.cause.code for each in found} == {"ack-before-stored", "no-timeout"}


def test_held_with_little_to_spare_is_a_near_miss(kit, healthy):
    healthy.during(lambda each: replace(each, outcome="failed", took=0.01), kit.strike, kit.strike + 0.9)
    found = findings(kit, healthy)
    assert [each.kind for each in found] == ["near-miss", "strength"]
    assert found[0].tolerances == ["answered"]
    assert "10 % of a limit to spare" in found[0].title


def test_a_defence_that_held_is_named_from_what_was_seen(kit):
    run = kit.Simulation(readings=SLOW).load().during(lambda each: replace(each, outcome="degraded", took=0.05))
    (found,) = findings(kit, run)
    assert found.kind == "strength"
    assert "a degraded answer instead of an error" in found.title
    assert "the dependency took 3.00 s; 19 of 20 customers had their answer in 0.05 s" in found.factors[1].text


def test_replicas_that_took_over_are_named(kit):
    run = kit.Simulation(fault="pod-kill", dependency="checkout").load()
    ready = {True: 1, False: 2}
    run.observe(ready=lambda at: {"checkout": ready[kit.strike < at < kit.strike + 3]}, desired=lambda _: {"checkout": 2})
    (found,) = findings(kit, run)
    assert "the other replicas took over" in found.title


def test_an_inconclusive_run_teaches_no_strength(kit, healthy):
    healthy.proved = False
    assert findings(kit, healthy) == []


def test_small_harm_is_a_small_severity(kit, healthy):
    (found,) = [each for each in findings(kit, healthy.during(failing, kit.strike, kit.strike + 1.05)) if each.kind == "save"]
    assert (found.severity_declared, found.severity_measured) == ("SEV-1", "SEV-2")
    assert found.due == "2026-02-04"
