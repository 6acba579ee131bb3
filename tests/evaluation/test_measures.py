"""Each measure against runs whose answer is known."""

from dataclasses import replace

import pytest

from chaos.evaluation.judge import judge


def failing(request):
    return replace(request, outcome="failed", took=0.01)


def first(kit, run, tolerance, **more):
    return judge(kit.story(tolerance, **more), run.events, kit.info()).rows[0]


LATENCY = {"id": "fast", "measure": "latency", "percentile": 95, "at_most": "500ms", "window": "fault"}
BACK = {"id": "back", "measure": "time-to-recover", "at_most": "5s"}
KEPT = {"id": "kept", "measure": "throughput-kept", "at_least": "80%", "window": "fault"}
GRACE = {"id": "grace", "measure": "graceful-degradation", "at_least": "90%", "window": "fault"}
ANSWERED = {"id": "answered", "measure": "availability", "at_least": "99%"}


def test_a_percentile_is_never_below_the_truth_and_at_most_two_percent_above(kit, sim):
    sim.load().during(lambda each: replace(each, took=0.3 + (each.start - kit.strike) / 100))
    found = first(kit, sim, LATENCY)
    truth = sorted(each.took for each in sim.requests if kit.strike <= each.start < kit.undo)[227]
    assert truth <= found.value <= truth * 1.02


def test_failures_count_with_the_time_they_took(kit, sim):
    sim.load().during(lambda each: replace(each, outcome="failed", took=3.0) if each.start % 1 < 0.1 else each)
    found = first(kit, sim, LATENCY)
    assert (found.outcome, found.value) == ("breached", pytest.approx(3.0, rel=0.02))


def test_what_never_came_back_is_slower_than_anything(kit, sim):
    sim.load()
    events = list(sim.events())
    for event in events:  # the answers of the fault phase were never recorded
        if event.kind == "load" and kit.strike <= event.payload["second"] < kit.undo:
            for name in event.payload["names"].values():
                name.pop("latencies", None)
                name["good"] = 0
    found = judge(kit.story(LATENCY), lambda: iter(events), kit.info()).rows[0]
    assert found.outcome == "breached"
    assert "never came back" in found.arithmetic


@pytest.mark.parametrize(("bad_for", "outcome"), [(0.0, "held"), (3.0, "held"), (7.0, "breached")])
def test_time_to_recover_counts_from_the_undo(kit, healthy, bad_for, outcome):
    healthy.during(failing, kit.strike, kit.undo + bad_for)
    found = first(kit, healthy, BACK)
    assert (found.outcome, found.value) == (outcome, pytest.approx(bad_for, abs=1.0))


def test_a_relapse_is_no_recovery(kit, healthy):
    healthy.during(failing, kit.undo + 5.0, kit.undo + 6.0)
    assert first(kit, healthy, BACK).value == pytest.approx(6.0)


def test_not_recovered_by_the_end_is_breached_only_when_the_limit_has_passed(kit, healthy):
    healthy.during(failing, kit.strike, kit.over)
    assert first(kit, healthy, BACK).outcome == "breached"
    late = first(kit, healthy, BACK | {"at_most": "30s"})
    assert (late.outcome, late.reason) == ("inconclusive", "not-reached")


def test_slow_answers_are_no_recovery_where_it_says_so(kit, healthy):
    healthy.during(lambda each: replace(each, took=0.9), kit.undo, kit.undo + 4)
    assert first(kit, healthy, BACK).value == 0
    assert first(kit, healthy, BACK | {"good_within": "500ms"}).value == pytest.approx(4.0)


def test_time_to_recover_may_count_from_the_strike_or_the_first_harm(kit, healthy):
    healthy.during(failing, kit.strike + 3, kit.strike + 8)
    assert first(kit, healthy, BACK | {"from": "strike"}).value == pytest.approx(8.0, abs=0.1)
    assert first(kit, healthy, BACK | {"from": "first-harm"}).value == pytest.approx(5.0, abs=0.1)


def test_inside_limits_some_time_after_the_strike(kit, healthy):
    healthy.during(failing, kit.strike, kit.strike + 4)
    assert first(kit, healthy, ANSWERED | {"from": "strike", "after": "5s"}).outcome == "held"
    assert first(kit, healthy, ANSWERED | {"from": "strike", "after": "2s"}).outcome == "breached"
    assert first(kit, healthy, ANSWERED | {"from": "strike", "after": "60s"}).reason == "not-reached"


def test_throughput_is_kept_against_the_baseline(kit, sim):
    sim.load().during(lambda each: failing(each) if each.start % 1 < 0.25 else each)
    found = first(kit, sim, KEPT)
    assert (found.outcome, found.value) == ("breached", pytest.approx(0.75))


def test_throughput_under_a_surge_is_corrected_by_the_arrivals_meant(kit, sim):
    sim.load(end=kit.strike).load(rate=40, start=kit.strike, end=kit.undo).load(start=kit.undo)
    events = list(sim.events())
    for event in events:
        if event.kind == "load" and kit.strike <= event.payload["second"] < kit.undo and "intended" in event.payload:
            event.payload["intended"] = 40.0
    found = judge(kit.story(KEPT), lambda: iter(events), kit.info()).rows[0]
    assert found.value == pytest.approx(1.0)
    assert "2.00 times the arrivals" in found.arithmetic


def test_degradation_is_the_share_of_what_could_not_be_answered_in_full(kit, healthy):
    healthy.during(lambda each: replace(each, outcome="degraded" if each.start % 1 < 0.8 else "failed"))
    found = first(kit, healthy, GRACE)
    assert (found.n, found.value) == (240, pytest.approx(0.8))
    assert first(kit, kit.Simulation().load(), GRACE).outcome == "held"  # nothing to degrade


def test_the_first_and_the_last_second_go_to_the_side_where_most_of_them_lies(kit, sim):
    sim.strike = kit.strike + 0.3
    sim.load().during(failing, kit.strike, kit.strike + 1)
    assert first(kit, sim, ANSWERED | {"window": "fault"}).value == pytest.approx(220 / 240)


def test_the_limit_itself_is_inside(kit, healthy):
    healthy.during(failing, kit.strike, kit.strike + 1)
    assert first(kit, healthy, ANSWERED | {"at_least": "95%"}).outcome == "held"


def test_impact_is_told_in_customers_and_money(kit, sim):
    sim.load().during(failing, kit.strike, kit.strike + 6)
    service = kit.service(cost_per_hour={"amount": 36000, "currency": "EUR"})
    impact = judge(kit.story(service=service), sim.events, kit.info()).impact
    assert (impact["failed"], impact["users"], impact["minutes_outside"]) == (120, 120, 0.1)
    assert impact["cost"].startswith("60.00 EUR")


def test_with_users_there_are_never_more_customers_than_users(kit, sim):
    sim.load().during(failing)
    story = kit.story(load={"rate": None, "users": 5})
    assert judge(story, sim.events, kit.info()).impact["users"] == 5
