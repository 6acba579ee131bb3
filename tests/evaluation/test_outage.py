"""Known outages, measured as long as they were, however the service failed."""

from dataclasses import replace

import pytest

from chaos.evaluation.judge import judge

OUTAGE = {"id": "outage", "measure": "longest-outage", "at_most": "60s"}
FROM, LENGTH = 1010.0, 7.0


def refusing(request):
    return replace(request, outcome="failed", took=0.001, reason="refused")


def hanging(request):
    return replace(request, outcome="failed", took=3.0, reason="timeout")


def answering_503(request):
    return replace(request, outcome="failed", took=0.01, reason="503")


def slow(request):
    return replace(request, took=1.6)


def wrong(request):
    return replace(request, outcome="failed", took=0.02, reason="wrong: total")


SHAPES = {"refuse": refusing, "hang": hanging, "503": answering_503, "slow": slow, "wrong": wrong}


def measured(kit, run, **more):
    verdict = judge(kit.story(OUTAGE | more), run.events, kit.info())
    return verdict.rows[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [10, 20, 50])
@pytest.mark.parametrize("shift", [0.0, 0.33])
def test_an_outage_of_seven_seconds_is_seven_seconds(kit, sim, shape, rate, shift):
    sim.load(rate=rate).during(SHAPES[shape], FROM + shift, FROM + shift + LENGTH)
    found = measured(kit, sim, **({"good_within": "1s"} if shape == "slow" else {}))
    assert found.value == pytest.approx(LENGTH, abs=0.2)


def test_held_answers_that_come_all_at_once_end_the_outage(kit, sim):
    until = FROM + LENGTH
    sim.load().during(lambda each: replace(each, took=until + 0.01 - each.start), FROM, until)
    assert measured(kit, sim).value == pytest.approx(LENGTH, abs=0.2)


def test_an_outage_that_lasts_to_the_end_is_cut_at_the_end(kit, sim):
    sim.load().during(hanging, kit.over - 4, kit.over)
    assert measured(kit, sim).value == pytest.approx(4.0, abs=0.2)


def test_an_outage_counts_only_inside_its_window(kit, sim):
    sim.load().during(refusing, kit.undo - 3, kit.undo + 4)
    assert measured(kit, sim, window="fault").value == pytest.approx(3.0, abs=0.1)
    assert measured(kit, sim, window="recovery").value == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("rate", [0.5, 1, 4])
def test_long_gaps_between_customers_are_no_outage(kit, sim, rate):
    sim.intended = float(rate)
    sim.load(rate=20, end=kit.strike).load(rate=rate, start=kit.strike)
    assert measured(kit, sim).value <= 0.1


def test_nobody_trying_for_a_while_is_no_outage(kit, sim):
    sim.intended = None
    sim.load(end=kit.strike + 2).load(start=kit.strike + 10)
    assert measured(kit, sim).value <= 0.1


def test_one_request_that_hangs_is_an_outage_when_it_is_the_only_one(kit, sim):
    sim.intended = None
    sim.load(end=kit.strike + 2).load(start=kit.strike + 9)
    sim.requests.append(kit.Request(kit.strike + 3, 3.0, "failed", reason="timeout"))
    assert measured(kit, sim).value == pytest.approx(3.0, abs=0.2)


def test_a_request_that_is_answered_late_is_an_outage_too(kit, sim):
    sim.intended = None
    sim.load(end=kit.strike + 2).load(start=kit.strike + 9)
    sim.requests.append(kit.Request(kit.strike + 3, 2.5))
    assert measured(kit, sim).value == pytest.approx(2.5, abs=0.1)


def test_a_silent_stretch_in_which_arrivals_were_meant_is_an_outage(kit, sim):
    """The generator lives, nothing goes out, nothing comes back: customers were there."""
    sim.load(end=kit.strike + 2).load(start=kit.strike + 7)
    assert measured(kit, sim).value == pytest.approx(5.0, abs=0.2)


def test_a_stretch_without_a_heartbeat_is_no_data(kit, sim):
    sim.load()
    start = int(kit.strike) + 3
    sim.missing = set(range(start, start + 4))
    found = measured(kit, sim)
    assert found.value <= 0.1
    assert "4 s without data" in found.arithmetic
    assert measured(kit, sim, at_most="2s").reason == "no-data"  # it might have been an outage
    assert found.outcome == "held"  # 60 s it cannot have been


def test_an_answer_that_is_too_slow_is_no_good_answer(kit, sim):
    sim.load().during(slow, FROM, FROM + 3)
    assert measured(kit, sim, good_within="1s").value == pytest.approx(3.0, abs=0.2)
    assert measured(kit, sim).value == pytest.approx(1.6, abs=0.2)  # until the first answer came at all


def test_two_outages_are_not_added(kit, sim):
    sim.load().during(refusing, FROM, FROM + 2).during(refusing, FROM + 4, FROM + 7)
    found = measured(kit, sim)
    assert found.value == pytest.approx(3.0, abs=0.1)
    assert "the longest of 2" in found.arithmetic


def test_only_the_named_transaction_counts(kit, sim):
    sim.load().load(name="browse").during(lambda each: refusing(each) if each.name == "browse" else each)
    assert measured(kit, sim, transaction="checkout").value <= 0.1
    assert measured(kit, sim, transaction="browse").value == pytest.approx(12.0, abs=0.1)
    assert measured(kit, sim).value <= 0.1
