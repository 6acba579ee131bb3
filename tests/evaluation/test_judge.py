"""The verdict: gates first, then tolerances, then one word."""

from dataclasses import replace

import pytest

from chaos.evaluation.judge import baseline_problem, judge
from chaos.scenario import CheckStep

AVAILABILITY = {"id": "answered", "measure": "availability", "at_least": "99%"}
LOST = {"id": "kept", "measure": "lost-transactions", "at_most": 0}


def row(verdict, name="answered"):
    return next(each for each in verdict.rows if each.tolerance == name)


def failing(request):
    return replace(request, outcome="failed", took=0.01)


def test_a_run_without_harm_holds(kit, healthy):
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.exit_code, verdict.reason) == ("held", 0, "")
    assert row(verdict).n == 400
    assert row(verdict).value == 1.0
    assert verdict.impact["failed"] == 0


def test_harm_breaches_and_the_arithmetic_can_be_done_again(kit, healthy):
    healthy.during(failing, kit.strike, kit.strike + 2)
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.exit_code) == ("breached", 1)
    assert row(verdict).value == pytest.approx(360 / 400)
    assert row(verdict).arithmetic == "360 of 400 answered = 90.00 %, outside at least 99 %"
    assert row(verdict).margin == pytest.approx(-9.0)
    assert verdict.impact == {
        "failed": 40,
        "attempted": 400,
        "users": 40,
        "minutes_outside": 0.03,
        "lost": 0,
        "wrong": 0,
        "cost": "",
    }


def test_degraded_answers_are_answers(kit, healthy):
    healthy.during(lambda each: replace(each, outcome="degraded"))
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert verdict.outcome == "held"
    assert "240 of them degraded" in row(verdict).arithmetic


def test_a_fault_that_was_not_seen_to_land_is_never_a_pass(kit, healthy):
    healthy.proved = False
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.exit_code, verdict.reason) == ("inconclusive", 3, "dose-missing")


def test_a_breach_without_dose_is_a_breach_but_not_attributed(kit, healthy):
    healthy.proved = False
    healthy.during(failing)
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.exit_code, verdict.reason) == ("breached", 1, "not-attributed")
    assert not verdict.attributed


@pytest.mark.parametrize("reason", ["held-bypass", "control-unhealthy", "dose-missing"])
def test_the_reason_why_the_dose_is_not_proved_is_kept(kit, healthy, reason):
    healthy.dose = kit.dose(step="strike", fault="latency", proved=False, expected="slower", seen="no", reason=reason)
    assert judge(kit.story(), healthy.events, kit.info()).reason == reason


def test_a_story_whose_fault_was_never_struck_is_inconclusive(kit, healthy):
    healthy.strike = None
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "not-reached")


def test_a_fault_that_its_callers_would_not_have_felt_was_not_struck_and_says_why(kit, healthy):
    healthy.strike = None
    healthy.tell(kit.base + 5.9, kit.note(what="held-bypass", detail="strike: nobody has called service/payments"))
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason, verdict.exit_code) == ("inconclusive", "held-bypass", 3)
    gate = next(gate for gate in verdict.gates if gate["name"] == "dose strike")
    assert "nobody has called service/payments" in gate["detail"]


def test_an_unhealthy_baseline_blocks_everything(kit, healthy):
    healthy.during(failing, kit.base, kit.base + 3)
    problem = baseline_problem(kit.story(), healthy.events)
    assert problem.startswith("answered: ")
    assert "requests failed by 503 (" in problem
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason, verdict.exit_code) == ("inconclusive", "baseline-unhealthy", 3)
    assert {each.reason for each in verdict.rows} == {"baseline-unhealthy"}


def test_a_healthy_baseline_is_no_problem(kit, healthy):
    assert baseline_problem(kit.story(), healthy.events) == ""


def test_what_is_in_flight_when_the_fault_strikes_is_no_fault_of_the_baseline(kit, healthy):
    """It was healthy when it was asked, and it still is when the whole journal is judged."""
    healthy.during(lambda each: replace(each, outcome="failed", took=3.0), kit.strike - 0.8, kit.strike + 1)
    early = [event for event in healthy.events() if event.mono <= kit.strike]
    assert baseline_problem(kit.story(), lambda: iter(early)) == ""
    assert judge(kit.story(), healthy.events, kit.info()).reason != "baseline-unhealthy"


def test_slow_answers_that_are_still_under_way_are_not_counted_as_failed(kit, sim):
    sim.load(took=0.45)
    early = [event for event in sim.events() if event.mono <= kit.strike]
    assert baseline_problem(kit.story(), lambda: iter(early)) == ""


def test_a_service_that_hangs_in_the_baseline_is_ill(kit, sim):
    sim.load(took=9.0, outcome="failed")
    early = [event for event in sim.events() if event.mono <= kit.strike]
    assert "nothing came back" in baseline_problem(kit.story(), lambda: iter(early))


def test_a_probe_read_in_the_last_moment_of_the_baseline_was_read(kit, healthy):
    story = kit.story({"id": "page", "measure": "probe", "probe": "page"})
    healthy.tell(kit.strike - 0.01, kit.sample(probe="page", ok=True))
    assert baseline_problem(story, healthy.events) == ""


def test_a_baseline_of_a_few_requests_proves_nothing(kit, sim):
    sim.load(rate=3)
    assert "only 15 requests" in baseline_problem(kit.story(), sim.events)


def test_a_tolerance_about_a_transaction_that_nobody_makes_is_found_in_the_baseline(kit, healthy):
    problem = baseline_problem(kit.story(AVAILABILITY | {"transaction": "chekout"}), healthy.events)
    assert "transaction chekout" in problem


def test_no_request_at_all_is_no_data(kit, sim):
    verdict = judge(kit.story(), sim.events, kit.info())
    assert verdict.outcome == "inconclusive"


@pytest.mark.parametrize("harm", [False, True])
def test_a_saturated_generator_says_nothing_either_way(kit, healthy, harm):
    healthy.cpu = dict.fromkeys(range(int(kit.strike), int(kit.strike) + 4), 97.0)
    if harm:
        healthy.during(failing)
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "generator-saturated")


def test_one_busy_second_is_no_saturation_unless_arrivals_were_dropped_in_it(kit, healthy):
    second = int(kit.strike) + 2
    healthy.cpu = {second: 97.0}
    assert judge(kit.story(), healthy.events, kit.info()).outcome == "held"
    healthy.dropped = {second: 3}
    assert judge(kit.story(), healthy.events, kit.info()).reason == "generator-saturated"


def test_a_generator_that_fell_silent_is_lost(kit, healthy):
    healthy.requests = [each for each in healthy.requests if each.start < kit.undo]
    healthy.missing = set(range(int(kit.undo), int(kit.over)))
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "generator-lost")


def test_a_crashed_generator_is_named(kit, healthy):
    healthy.tell(kit.undo, kit.note(what="crashed", detail="ImportError", exit_code=1))
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert verdict.reason == "generator-lost"
    assert "ImportError" in next(gate["detail"] for gate in verdict.gates if gate["name"] == "generator-alive")


def test_a_second_without_data_makes_a_tight_pass_inconclusive_and_leaves_a_wide_one(kit, healthy):
    healthy.missing = {int(kit.strike) + 3}
    tight = judge(kit.story(AVAILABILITY), healthy.events, kit.info())
    assert (tight.outcome, row(tight).reason) == ("inconclusive", "no-data")
    wide = judge(kit.story(AVAILABILITY | {"at_least": "90%"}), healthy.events, kit.info())
    assert wide.outcome == "held"
    assert "1 s without data (about 20 requests)" in row(wide).arithmetic


def test_what_was_not_put_back_outranks_everything(kit, healthy):
    healthy.finish = kit.end(clean=False, left_overs=["x"])
    assert judge(kit.story(), healthy.events, kit.info()).exit_code == 4


def test_our_own_crash_never_reads_as_a_verdict(kit, healthy):
    healthy.during(failing)
    healthy.finish = kit.end(clean=True, crash="ValueError: x")
    assert judge(kit.story(), healthy.events, kit.info()).exit_code == 70


def test_a_journal_without_an_end_is_never_a_pass(kit, healthy):
    healthy.finish = None
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "crashed")
    assert verdict.clean  # every intent was verified


def test_a_journal_cut_off_during_the_fault_is_unclean(kit, healthy):
    cut = [event for event in healthy.events() if event.mono < kit.strike + 5]
    verdict = judge(kit.story(), lambda: iter(cut), kit.info())
    assert (verdict.clean, verdict.exit_code) == (False, 4)


@pytest.mark.parametrize(("harm", "outcome", "code"), [(False, "inconclusive", 3), (True, "breached", 1)])
def test_a_stopped_run_is_breached_when_a_tolerance_was_broken_already(kit, healthy, harm, outcome, code):
    if harm:
        healthy.during(failing)
    healthy.stop = kit.stop(reason="stop-condition", detail="too much", condition="c")
    verdict = judge(kit.story(), healthy.events, kit.info())
    assert (verdict.outcome, verdict.exit_code, verdict.stopped) == (outcome, code, True)


def test_lost_transactions_are_counted_and_an_unreadable_ledger_is_no_pass(kit, healthy):
    healthy.tell(kit.over + 0.5, kit.transactions(acknowledged=50, stored=48, lost=2, wrong=0))
    verdict = judge(kit.story(LOST), healthy.events, kit.info())
    assert (verdict.outcome, row(verdict, "kept").value) == ("breached", 2.0)
    assert verdict.impact["lost"] == 2
    unread = (
        kit.Simulation()
        .load()
        .tell(kit.over + 0.5, kit.transactions(acknowledged=50, stored=0, lost=0, wrong=0, unreadable="503"))
    )
    assert judge(kit.story(LOST), unread.events, kit.info()).reason == "ledger-unreadable"


def test_transactions_nobody_read_are_no_pass(kit, healthy):
    assert judge(kit.story(LOST), healthy.events, kit.info()).reason == "no-data"


def test_a_surge_needs_its_arrivals(kit):
    steps = (kit.load_step(rate="40/s", duration="12s"),)
    story = kit.story(steps=steps)
    for rate, outcome in ((40, "held"), (25, "inconclusive")):
        run = kit.Simulation(strike=None)
        run.load(end=kit.strike).load(rate=rate, start=kit.strike, end=kit.undo).load(start=kit.undo)
        run.tell(kit.strike, kit.step_edge(step="surge", type="load", edge="start"))
        run.tell(kit.undo, kit.step_edge(step="surge", type="load", edge="end"))
        verdict = judge(story, run.events, kit.info())
        assert (verdict.outcome, row(verdict).start) == (outcome, kit.strike)


def check_step(**more):
    probe = {"id": "page", "kind": "http", "url": "/"}
    return CheckStep.model_validate({"id": "look", "check": {"probe": probe}, **more})


@pytest.mark.parametrize(("readings", "outcome"), [([True], "held"), ([False], "breached"), ([], "inconclusive")])
def test_a_check_is_a_row(kit, healthy, readings, outcome):
    for ok in readings:
        healthy.tell(kit.strike + 2, kit.sample(probe="page", step="look", ok=ok, detail="status 503"))
    story = kit.story()
    verdict = judge(replace(story, steps=(*story.steps, check_step())), healthy.events, kit.info())
    assert row(verdict, "look").outcome == outcome


def test_a_probe_counts_its_readings_in_its_window(kit, healthy):
    tolerance = {"id": "alive", "measure": "probe", "probe": "page", "at_least": "90%", "window": "fault"}
    for second in range(int(kit.base), int(kit.over)):
        healthy.tell(second + 0.5, kit.sample(probe="page", ok=second != int(kit.strike) + 4))
    verdict = judge(kit.story(tolerance), healthy.events, kit.info())
    assert (row(verdict, "alive").n, row(verdict, "alive").value) == (12, pytest.approx(11 / 12, abs=1e-5))


def test_a_probe_that_we_could_not_take_tells_nothing_of_the_service(kit, healthy):
    tolerance = {"id": "alive", "measure": "probe", "probe": "page", "window": "fault"}
    story = kit.story(tolerance)
    lost = {"probe": "page", "ok": False, "unread": True, "detail": "the API server is away"}
    for second in range(int(kit.base), int(kit.strike)):
        healthy.tell(second + 0.5, kit.sample(probe="page", ok=True))
    for second in range(int(kit.strike), int(kit.undo)):
        healthy.tell(second + 0.5, kit.sample(**lost))
    found = row(judge(story, healthy.events, kit.info()), "alive")
    assert (found.outcome, found.reason) == ("inconclusive", "no-data")
    assert "12 times in vain: the API server is away" in found.arithmetic
    for second in range(int(kit.strike), int(kit.undo), 2):
        healthy.tell(second + 0.7, kit.sample(probe="page", ok=True))
    found = row(judge(story, healthy.events, kit.info()), "alive")
    assert (found.outcome, found.n) == ("held", 6)
    assert "6 of 6 readings as expected = 100.00 % (12 more could not be taken)" in found.arithmetic


def test_a_check_that_we_could_not_take_is_no_breach(kit, healthy):
    healthy.tell(kit.strike + 2, kit.sample(probe="page", step="look", ok=False, unread=True, detail="away"))
    story = kit.story()
    found = row(judge(replace(story, steps=(*story.steps, check_step())), healthy.events, kit.info()), "look")
    assert (found.outcome, found.reason) == ("inconclusive", "no-data")


def test_a_run_with_probes_alone_needs_no_load(kit, sim):
    tolerance = {"id": "alive", "measure": "probe", "probe": "page"}
    for second in range(int(kit.base), int(kit.over)):
        sim.tell(second + 0.5, kit.sample(probe="page", ok=True))
    assert judge(kit.story(tolerance, load=False), sim.events, kit.info()).outcome == "held"


def test_judging_twice_gives_the_same(kit, healthy):
    healthy.during(failing)
    assert judge(kit.story(), healthy.events, kit.info()) == judge(kit.story(), healthy.events, kit.info())
