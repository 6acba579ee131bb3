"""What disruption budgets keep is knowledge: all of it, for as long as the fault lasts, is a save; a part of it a strength."""

from dataclasses import replace

import pytest

from chaos.evaluation.findings import find
from chaos.evaluation.judge import judge
from chaos.model.events import Evictions


@pytest.fixture
def evicted(kit):
    """A run in which two storefront pods were asked to leave, and nothing else happened."""
    return kit.Simulation(fault="eviction", dependency="storefront", seen="0 of 2 pods stayed").load()


def told(kit, run, *lines, **more):
    """What was seen of the budget right after the strike, and at the step's end."""
    common = {"step": "strike", "fault": "eviction", "namespace": "shop", "asked": 2, "budget": "storefront"}
    common |= {"workloads": ["deployment/storefront"], **more}
    for moment, line in zip((kit.strike + 1, kit.undo + 0.1), lines, strict=False):
        run.tell(moment, Evictions(**common | line))
    return run


KEPT = {"stayed": 2, "refused": True}
NEVER = {"healthy": 2, "needed": 2, "expected": 2}


def findings(kit, run, info=None):
    story, info = kit.story(), info or kit.info()
    return find(story, run.events, info, judge(story, run.events, info))


def test_a_budget_that_declines_from_the_strike_to_the_end_is_a_save(kit, evicted):
    (found,) = findings(kit, told(kit, evicted, KEPT, KEPT, **NEVER))
    assert (found.kind, found.severity_measured, found.dependency) == ("save", "SEV-3", "storefront")
    assert found.title == "Checkout: disruption budget storefront declined every eviction of deployment/storefront"
    assert found.factors[0].text == (
        "each of 2 pods of deployment/storefront was asked to leave and stayed: "
        "disruption budget storefront in shop declined at the strike, and still did after 12 s"
    )
    assert found.cause.code == "pdb-allows-none"
    assert "insists on 2 healthy pods of 2" in found.cause.evidence[0]
    assert "maxUnavailable: 1" in found.cause.remedy
    assert found.tolerances == ["answered", "fast"]  # a re-test must move the pods, and hold all of these


def test_too_few_healthy_pods_are_told_from_a_budget_that_spares_none(kit, evicted):
    (found,) = findings(kit, told(kit, evicted, KEPT, KEPT, healthy=1, needed=1, expected=2))
    assert found.cause.code == "pdb-short-of-pods"
    assert "unhealthyPodEvictionPolicy" in found.cause.remedy
    assert any("pdb-allows-none: with all 2 pods healthy" in words for words in found.cause.rivals)


def test_without_the_budgets_counts_the_cause_is_unknown(kit, evicted):
    (found,) = findings(kit, told(kit, evicted, KEPT, KEPT))
    assert (found.kind, found.cause.code) == ("save", "unknown")
    assert "budget's status" in found.cause.would_settle


@pytest.mark.parametrize(
    "lines",
    [
        [KEPT],  # the run was stopped before the step's time was over
        [KEPT, {"stayed": 2, "refused": False}],  # it would let go now
        [{"stayed": 1, "refused": True}, {"stayed": 1, "refused": True}],  # one has left
        [{"stayed": 2, "refused": False}, KEPT],
    ],
)
def test_anything_less_is_no_save(kit, evicted, lines):
    assert [each.kind for each in findings(kit, told(kit, evicted, *lines, **NEVER))] == ["strength"]


def test_where_nothing_left_nothing_was_defended(kit, evicted):
    told(kit, evicted, KEPT, KEPT, **NEVER)
    assert "strength" not in [each.kind for each in findings(kit, evicted)]
    other = {"budget": "", "workloads": ["deployment/cart"]}
    told(kit, evicted, {"stayed": 0, **other}, {"stayed": 0, **other})
    assert sorted(each.kind for each in findings(kit, evicted)) == ["save", "strength"]


def test_a_budget_that_lets_them_go_a_few_at_a_time_is_a_strength(kit, evicted):
    (found,) = findings(kit, told(kit, evicted, {"stayed": 1, "refused": True}, {"stayed": 0}))
    assert found.kind == "strength"
    assert "its disruption budget let pods leave a few at a time" in found.title
    assert "let 1 of 2 pods of deployment/storefront leave at once and kept the others" in found.factors[0].text


def test_it_is_the_same_hole_however_the_pods_were_asked(kit, evicted):
    drained = kit.Simulation(fault="node-drain", dependency="").load()
    one, other = (findings(kit, told(kit, run, KEPT, KEPT, **NEVER))[0] for run in (evicted, drained))
    assert one.fingerprint == other.fingerprint
    renamed = findings(kit, told(kit, kit.Simulation().load(), KEPT, KEPT, workloads=["deployment/cart"]))[0]
    assert renamed.fingerprint != one.fingerprint


def test_a_breach_that_the_kept_pods_did_not_make_does_not_raise_their_severity(kit, evicted):
    evicted.during(lambda each: replace(each, outcome="failed", took=0.01))
    found = {each.symptom: each.severity_measured for each in findings(kit, told(kit, evicted, KEPT, KEPT, **NEVER))}
    assert sorted(found.values()) == ["SEV-1", "SEV-3"]


# -- no disruption budget at all ---------------------------------------------------------------------------------------


def all_gone(kit, run):
    """No ready endpoint for three seconds after the strike, and nobody answered."""
    ready = {True: 0, False: 2}
    run.observe(ready=lambda at: {"storefront": ready[kit.strike < at < kit.strike + 3]}, desired=lambda _: {"storefront": 2})
    return run.during(lambda each: replace(each, outcome="failed", took=3.0), kit.strike, kit.strike + 3)


def cause(kit, run):
    return next(each.cause for each in findings(kit, run) if each.kind == "save")


def test_what_the_budgets_said_is_evidence_for_there_being_none(kit, evicted):
    all_gone(kit, told(kit, evicted, {"stayed": 0}, {"stayed": 0}, budget=""))
    found = cause(kit, evicted)
    assert found.code == "no-pdb"
    assert found.evidence[0].endswith("were evicted at the same time, and no disruption budget guards them")


def test_a_budget_that_kept_none_is_named(kit, evicted):
    found = cause(kit, all_gone(kit, told(kit, evicted, {"stayed": 0}, {"stayed": 0})))
    assert (found.code, "disruption budget storefront kept none of them" in found.evidence[0]) == ("no-pdb", True)


def test_where_nobody_looked_nothing_is_said_of_budgets(kit, evicted):
    assert "budget" not in cause(kit, all_gone(kit, evicted)).evidence[0]


def test_a_budget_that_kept_some_speaks_against_there_being_none(kit, evicted):
    found = cause(kit, all_gone(kit, told(kit, evicted, {"stayed": 1, "refused": True}, {"stayed": 1})))
    assert found.code != "no-pdb"
    assert any("no-pdb: disruption budget storefront kept 1 of 2 pods" in words for words in [*found.rivals, *found.evidence])


def test_a_drain_hits_the_workloads_whose_pods_left(kit):
    drained = kit.Simulation(fault="node-drain", dependency="", seen="0 of 2 pods stayed").load()
    assert cause(kit, all_gone(kit, told(kit, drained, {"stayed": 0}, {"stayed": 0}, budget=""))).code == "no-pdb"
