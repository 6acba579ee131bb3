"""While the run goes on: a healthy baseline, stop conditions, and how soon they are seen."""

from dataclasses import replace

import pytest

from chaos.evaluation.live import Live
from chaos.scenario import StopCondition

BELOW = {"id": "too-much", "measure": "availability", "below": "50%", "over": "3s"}
ABOVE = {"id": "too-slow", "measure": "latency", "above": "1s", "percentile": 90, "over": "3s"}
GONE = {"id": "gone", "measure": "probe", "probe": "page", "over": "3s"}


def live(kit, *conditions):
    story = kit.story()
    return Live(replace(story, stop_conditions=tuple(StopCondition.model_validate(each) for each in conditions)))


def first_broken(judges, run):
    """When, and with which words, the first condition was broken; asked after every event."""
    for event in run.events():
        judges.feed(event)
        if words := judges.broken_condition(event.mono):
            return event.mono, words
    return None, ""


def failing(request):
    return replace(request, outcome="failed", took=0.01)


def test_the_baseline_is_judged_from_what_was_fed(kit, healthy):
    judges = live(kit)
    for event in healthy.events():
        if event.mono <= kit.strike:
            judges.feed(event)
    assert judges.baseline_problem() == ""


def test_an_ill_baseline_says_what_is_wrong(kit, healthy):
    judges = live(kit)
    for event in healthy.during(failing, kit.base, kit.base + 2).events():
        if event.mono <= kit.strike:
            judges.feed(event)
    assert "answered: " in judges.baseline_problem()


def test_availability_over_a_stretch_breaks_as_soon_as_it_is_decided(kit, healthy):
    moment, words = first_broken(live(kit, BELOW), healthy.during(failing))
    assert words.startswith("too-much: ")
    assert kit.strike + 1 < moment <= kit.strike + 3.1  # half of a stretch of three seconds, told second by second


def test_harm_below_the_limit_never_breaks(kit, healthy):
    healthy.during(lambda each: failing(each) if each.start % 1 < 0.4 else each)
    assert first_broken(live(kit, BELOW), healthy) == (None, "")


def test_a_service_that_hangs_breaks_before_its_requests_have_failed(kit, healthy):
    healthy.during(lambda each: replace(each, outcome="failed", took=10.0))
    moment, words = first_broken(live(kit, BELOW), healthy)
    assert words
    assert moment < kit.strike + 7


def test_latency_breaks(kit, healthy):
    healthy.during(lambda each: replace(each, took=2.0))
    moment, words = first_broken(live(kit, ABOVE), healthy)
    assert words.startswith("too-slow: ")
    assert moment < kit.strike + 6


def test_another_transaction_does_not_break_it(kit, healthy):
    healthy.load(rate=60, name="browse").during(lambda each: failing(each) if each.name == "browse" else each)
    assert first_broken(live(kit, BELOW | {"transaction": "checkout"}), healthy) == (None, "")
    assert first_broken(live(kit, BELOW), healthy)[1]


@pytest.mark.parametrize(("good", "broken"), [((), True), ((5,), True), ((2, 5, 8, 11), False)])
def test_a_probe_breaks_when_every_reading_of_a_stretch_failed(kit, healthy, good, broken):
    for second in range(12):
        healthy.tell(kit.strike + second + 0.5, kit.sample(probe="page", ok=second in good))
    moment, words = first_broken(live(kit, GONE), healthy)
    assert bool(words) is broken
    assert moment is None or moment >= kit.strike + 3


def test_nothing_is_broken_before_anything_is_struck(kit, healthy):
    healthy.during(failing, kit.warm, kit.strike)
    moment, _ = first_broken(live(kit, BELOW), healthy)
    assert moment is None or moment >= kit.strike
