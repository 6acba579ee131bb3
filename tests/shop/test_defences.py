import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.shop.defences import Breaker, Budget, Stale, Unavailable


class Time:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def open_breaker(time):
    breaker = Breaker(threshold=3, background_after=1.5, customer_after=3.0, now=time)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_a_breaker_opens_after_failures_in_a_row_only(time):
    breaker = Breaker(threshold=3, now=time)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(2):
        breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()


def test_a_background_job_is_the_first_to_try_an_open_breaker(time, open_breaker):
    time.at += 1.6
    assert not open_breaker.allows()
    assert open_breaker.allows(background=True)


def test_one_trial_at_a_time_and_its_success_closes_the_breaker(time, open_breaker):
    time.at += 3.1
    assert open_breaker.allows()
    assert not open_breaker.allows()
    open_breaker.succeeded()
    assert open_breaker.allows()
    assert open_breaker.allows()


def test_a_trial_that_never_comes_back_does_not_block_the_next_one(time, open_breaker):
    time.at += 3.1
    assert open_breaker.allows()
    time.at += 3.1
    assert open_breaker.allows()


def test_who_asked_for_a_pause_is_not_called_meanwhile(time):
    breaker = Breaker(now=time)
    breaker.failed(hold=5.0)
    time.at += 4.9
    assert not breaker.allows(background=True)
    time.at += 0.2
    assert breaker.allows()


def test_retries_are_a_fifth_of_the_calls():
    budget = Budget(share=0.2, most=3.0)
    granted = 0
    for _ in range(100):
        budget.called()
        granted += budget.take()
    assert 20 <= granted <= 23


def test_many_callers_are_one_flight():
    began, release, fetches = threading.Event(), threading.Event(), []

    def fetch():
        fetches.append(1)
        began.set()
        release.wait(5)
        return "catalogue"

    stale = Stale(fetch, fresh_for=60.0)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(stale.get) for _ in range(8)]
        began.wait(5)
        release.set()
        assert {answer.result()[0] for answer in answers} == {"catalogue"}
    assert len(fetches) == 1


def test_an_old_value_is_served_while_nothing_newer_can_be_had():
    tried, values = threading.Event(), ["old"]

    def fetch():
        if values:
            return values.pop()
        tried.set()
        raise Unavailable("timeout")

    stale = Stale(fetch, fresh_for=0.0)
    assert stale.get()[0] == "old"
    assert stale.get()[0] == "old"
    assert tried.wait(5), "a newer value must be asked for in the background"
    assert stale.get()[0] == "old"


def test_the_first_caller_learns_that_there_is_nothing():
    def fetch():
        raise Unavailable("refused")

    with pytest.raises(Unavailable, match="refused"):
        Stale(fetch, fresh_for=1.0).get()
