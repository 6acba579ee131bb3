"""Latencies read back from log buckets are never too low and at most 2 % too high."""

import math

from hypothesis import given
from hypothesis import strategies as st

from chaos.model.histogram import GAMMA, Histogram, bucket_of, buckets_of, upper_bound

SECONDS = st.floats(min_value=2e-5, max_value=3600, allow_nan=False)


@given(SECONDS)
def test_a_bucket_holds_its_latency(seconds):
    bound = upper_bound(bucket_of(seconds))
    assert seconds <= bound * (1 + 1e-9)
    assert bound <= seconds * GAMMA * (1 + 1e-9)


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(min_value=0.01, max_value=1.0))
def test_a_percentile_is_within_two_percent_of_the_exact_one(samples, share):
    histogram = Histogram()
    for sample in samples:
        histogram.record(sample)
    exact = sorted(samples)[max(1, math.ceil(share * len(samples))) - 1]
    value = histogram.percentile(share)
    assert exact <= value * (1 + 1e-9)
    assert value <= exact * GAMMA * (1 + 1e-9)


def test_merging_is_the_same_as_recording_together():
    one, two, both = Histogram(), Histogram(), Histogram()
    for index in range(1, 100):
        (one if index % 2 else two).record(index / 100)
        both.record(index / 100)
    one.merge(two.counts)
    assert one.counts == both.counts


def test_nothing_recorded_has_no_percentile():
    assert Histogram().percentile(0.99) is None


@given(st.lists(st.floats(min_value=0.0, max_value=100.0, allow_nan=False)))
def test_many_at_once_get_the_same_buckets(samples):
    assert buckets_of(samples) == [bucket_of(sample) for sample in samples]
