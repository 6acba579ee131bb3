from itertools import pairwise

import pytest

from chaos.load.child.schedule import Schedule


def arrivals(schedule: Schedule, until: float) -> list[float]:
    return list(schedule.due(until))


@pytest.mark.parametrize("rate", [0.5, 7, 40, 333])
def test_every_second_gets_its_arrivals_whenever_one_asks(rate):
    asked_once = arrivals(Schedule(rate, 1000.0), 1100.0)
    often = Schedule(rate, 1000.0)
    asked_often = [at for step in range(1, 10001) for at in often.due(1000 + step / 100)]
    assert asked_once == asked_often
    assert abs(len(asked_once) - rate * 100) <= 1


def test_arrivals_are_evenly_spaced_without_drift():
    times = arrivals(Schedule(30, 5000.0), 5000.0 + 3600)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) - min(gaps) < 1e-6
    assert abs(times[-1] - 8600) < 1 / 30 + 1e-6


def test_generators_share_the_arrivals_without_talking():
    alone = arrivals(Schedule(50, 1000.0), 1010.0)
    shares = [arrivals(Schedule(50, 1000.0 + index * 0.001, index=index, count=3), 1010.0) for index in range(3)]
    together = sorted(at for share in shares for at in share)
    assert [at for at in together if at > 1000.1] == [at for at in alone if at > 1000.1]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_new_rate_holds_from_its_moment_on():
    schedule = Schedule(10, 1000.0)
    before = arrivals(schedule, 1002.0)
    schedule.set_rate(50, 1002.0)
    after = arrivals(schedule, 1004.0)
    assert abs(len(before) - 20) <= 1
    assert abs(len(after) - 100) <= 1
    assert min(after) >= 1002.0


def test_nobody_comes_at_rate_zero_and_everybody_again_afterwards():
    schedule = Schedule(10, 1000.0)
    schedule.set_rate(0, 1000.0)
    assert arrivals(schedule, 2000.0) == []
    schedule.set_rate(10, 2000.0)
    assert abs(len(arrivals(schedule, 2001.0)) - 10) <= 1


def test_random_gaps_repeat_with_their_seed_and_keep_the_rate():
    one, again, other = (arrivals(Schedule(50, 0.0, seed=seed), 100.0) for seed in (7, 7, 8))
    assert one == again != other
    assert 4700 < len(one) < 5300
    gaps = [later - earlier for earlier, later in pairwise(one)]
    assert max(gaps) > 4 / 50 > min(gaps)
