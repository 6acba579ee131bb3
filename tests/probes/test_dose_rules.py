"""What readings tell, judged from readings alone."""

import pytest

from chaos.model.dose import Dose, Expectation, Route
from chaos.probes.dose_rules import Look, controls_read, is_back, judge_route, sick_controls, summary

ROUTE = Route(name="payments", host="payments", port=8443)
CONTROL = Route(name="twin", host="twin", port=8443)
STRUCK = 1000.0


def readings(count, *, route="payments", kind="new", at=STRUCK, **seen):
    usual = {"ok": True, "status": 200, "error": "", "seconds": 0.004, "digest": "same", "reconnected": False}
    return [
        {**usual, **seen, "route": route, "connection": kind, "at": at + 0.1 * index, "seq": index + 1}
        for index in range(count)
    ]


def look(*since, before=None):
    usual = readings(20, at=STRUCK - 5) + readings(20, kind="held", at=STRUCK - 5)
    found = Look(STRUCK, usual if before is None else before)
    for each in since:
        found.take(each)
    return found


def failing(**more):
    return Expectation(what="route-fails", route=ROUTE, **more)


REFUSED = {"ok": False, "status": 0, "error": "refused", "digest": ""}


def test_a_failure_shows_when_held_and_new_connections_fail():
    proof = judge_route(failing(), ROUTE, look(readings(3, **REFUSED), readings(3, kind="held", **REFUSED)))
    assert proof.shown
    assert "new connections: 3 of 3 got no answer (refused 3), before 0 of 20" in proof.words


def test_new_connections_alone_are_a_bypass_by_held_ones():
    proof = judge_route(failing(), ROUTE, look(readings(3, **REFUSED), readings(3, kind="held")))
    assert not proof.shown
    assert proof.held_untouched


def test_held_readings_that_are_missing_are_no_bypass():
    proof = judge_route(failing(), ROUTE, look(readings(3, **REFUSED)))
    assert not proof.shown
    assert not proof.held_untouched
    assert proof.unread


def test_two_readings_prove_nothing_before_the_last_chance():
    seen = look(readings(2, **REFUSED), readings(2, kind="held", **REFUSED))
    assert judge_route(failing(), ROUTE, seen).unread
    assert judge_route(failing(), ROUTE, seen, last_chance=True).shown


def test_a_reading_under_way_at_the_strike_does_not_count():
    seen = look(readings(3, at=STRUCK - 0.25, **REFUSED), readings(3, kind="held", **REFUSED))
    assert len(seen.of(ROUTE, "new")) == 0
    assert not judge_route(failing(), ROUTE, seen).shown


def test_the_newest_readings_decide_since_a_fault_takes_a_moment_to_arrive():
    late = readings(5) + readings(3, at=STRUCK + 0.5, **REFUSED)
    assert judge_route(failing(connections=["new"]), ROUTE, look(late)).shown


def test_a_route_that_failed_before_the_strike_proves_nothing():
    before = readings(20, at=STRUCK - 5, **REFUSED)
    proof = judge_route(failing(connections=["new"]), ROUTE, look(readings(5, **REFUSED), before=before))
    assert not proof.shown
    assert "failed before the strike already" in proof.words


def test_without_readings_from_before_nothing_is_proved():
    assert not judge_route(failing(connections=["new"]), ROUTE, look(readings(5, **REFUSED), before=[])).shown


@pytest.mark.parametrize(("status", "shown"), [(503, True), (500, False)])
def test_an_expected_status_must_be_that_status(status, shown):
    expected = failing(connections=["new"], status=503)
    assert judge_route(expected, ROUTE, look(readings(3, status=status))).shown is shown


def test_an_expected_reason_must_be_that_reason():
    expired = {"ok": False, "status": 0, "error": "certificate-expired", "detail": "not after 2026-01-02T03:04:05Z"}
    expected = failing(connections=["new"], error="certificate-expired")
    proof = judge_route(expected, ROUTE, look(readings(3, **expired)))
    assert proof.shown
    assert "3 of 3 failed with certificate-expired (certificate-expired (not after 2026-01-02T03:04:05Z) 3)" in proof.words
    assert not judge_route(expected, ROUTE, look(readings(3, **REFUSED))).shown


def test_an_answer_with_an_error_status_is_still_an_answer():
    assert not judge_route(failing(connections=["new"]), ROUTE, look(readings(5, status=503))).shown


def test_a_share_is_looked_for_among_more_readings():
    mixed = readings(9) + readings(1, at=STRUCK + 1, status=500) + readings(9, at=STRUCK + 2)
    expected = failing(connections=["new"], status=500, share=0.01)
    assert judge_route(expected, ROUTE, look(mixed)).shown
    assert not judge_route(expected, ROUTE, look(readings(19))).shown
    assert not judge_route(failing(connections=["new"], status=500, share=0.3), ROUTE, look(mixed)).shown


def slower(by, **more):
    return Expectation(what="route-slower", route=ROUTE, by=by, connections=["new"], **more)


def test_slower_compares_medians_with_before():
    assert judge_route(slower(0.4), ROUTE, look(readings(3, seconds=0.41))).shown
    proof = judge_route(slower(0.4), ROUTE, look(readings(3, seconds=0.39)))
    assert not proof.shown
    assert "390 ms, before 4.0 ms" in proof.words


def test_silence_counts_as_slow_but_refusal_does_not():
    silent = {"ok": False, "status": 0, "error": "timeout", "seconds": 1.0}
    assert judge_route(slower(0.4), ROUTE, look(readings(3, **silent))).shown
    refused = judge_route(slower(0.4), ROUTE, look(readings(3, seconds=2.0, **REFUSED)))
    assert not refused.shown
    assert "only 0 of 3 were answered" in refused.words


def test_slower_by_an_unknown_amount_must_still_be_clear():
    assert not judge_route(slower(0.0), ROUTE, look(readings(3, seconds=0.0045))).shown
    assert judge_route(slower(0.0), ROUTE, look(readings(3, seconds=0.02))).shown


def differing():
    return Expectation(what="route-differs", route=ROUTE, connections=["new"])


def test_another_answer_is_told_by_its_digest():
    assert judge_route(differing(), ROUTE, look(readings(3, digest="other"))).shown
    assert not judge_route(differing(), ROUTE, look(readings(3))).shown
    assert not judge_route(differing(), ROUTE, look(readings(3, **REFUSED))).shown


def test_answers_that_always_differ_prove_nothing():
    before = [{**each, "digest": str(index)} for index, each in enumerate(readings(20, at=STRUCK - 5))]
    proof = judge_route(differing(), ROUTE, look(readings(3, digest="other"), before=before))
    assert not proof.shown
    assert "differed from call to call" in proof.words


# -- control routes --------------------------------------------------------------------------------------------------


def dose(*expect):
    return Dose(expect=list(expect), control=[CONTROL], words="")


def with_control(**seen):
    before = readings(20, route="twin", at=STRUCK - 5)
    return look(readings(5, route="twin", **seen), before=before)


def test_a_healthy_control_says_nothing():
    assert sick_controls(dose(failing()), with_control()) == []


def test_a_failing_control_is_told_with_numbers():
    (words,) = sick_controls(dose(failing()), with_control(**REFUSED))
    assert "control route twin is not healthy: 0 of 5 readings good (refused 5)" in words


def test_a_new_error_status_makes_a_control_sick_but_an_old_one_does_not():
    assert sick_controls(dose(failing()), with_control(status=503))
    old = look(readings(5, route="twin", status=404), before=readings(20, route="twin", at=STRUCK - 5, status=404))
    assert sick_controls(dose(failing()), old) == []


def test_a_control_that_slows_down_too_takes_the_proof_away():
    assert "slower too" in sick_controls(dose(slower(0.4)), with_control(seconds=0.3))[0]
    assert sick_controls(dose(slower(0.4)), with_control(seconds=0.05)) == []


def test_controls_need_a_few_readings():
    assert controls_read(dose(), with_control())
    assert not controls_read(dose(), look(readings(2, route="twin")))


# -- afterwards ------------------------------------------------------------------------------------------------------


def test_a_route_is_back_when_its_newest_readings_are_good_and_fast():
    seen = look(readings(4, **REFUSED) + readings(3, at=STRUCK + 1))
    assert is_back(failing(connections=["new"]), ROUTE, seen).shown
    assert not is_back(failing(connections=["new"]), ROUTE, look(readings(4, **REFUSED))).shown
    assert not is_back(slower(0.4), ROUTE, look(readings(4, seconds=0.3))).shown


def test_the_summary_has_figures_before_and_during():
    (line,) = summary(look(readings(2) + readings(2, at=STRUCK + 1, **REFUSED)))
    assert line["before"] == {"n": 20, "ok": 20, "median_ms": 4.0, "outcomes": "200 20"}
    assert line["during"] == {"n": 4, "ok": 2, "median_ms": 4.0, "outcomes": "200 2, refused 2"}


CHANGES = Expectation(what="route-changes", route=ROUTE, connections=["new"])


@pytest.mark.parametrize(
    ("after", "shown"),
    [({"digest": "other"}, True), ({"status": 404}, True), (REFUSED, True), ({}, False)],
)
def test_any_other_answer_is_a_change_where_answers_were_steady(after, shown):
    assert judge_route(CHANGES, ROUTE, look(readings(3, **after))).shown is shown


@pytest.mark.parametrize(("after", "shown"), [({"digest": "third"}, False), ({"status": 500}, True), (REFUSED, True)])
def test_where_bodies_differ_from_call_to_call_their_statuses_tell(after, shown):
    before = readings(10, at=STRUCK - 5, digest="one") + readings(10, at=STRUCK - 4, digest="two")
    assert judge_route(CHANGES, ROUTE, look(readings(3, **after), before=before)).shown is shown


def test_a_route_that_failed_before_tells_no_change():
    before = readings(10, at=STRUCK - 5) + readings(1, at=STRUCK - 4, **REFUSED)
    assert not judge_route(CHANGES, ROUTE, look(readings(3, status=500), before=before)).shown
