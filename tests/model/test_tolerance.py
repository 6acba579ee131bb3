"""A scenario may only tighten what its service promises."""

import pytest
from pydantic import TypeAdapter

from chaos.model.tolerance import Tolerance, holds, is_looser

READ = TypeAdapter(Tolerance).validate_python


def availability(**changed):
    return READ({"id": "a", "measure": "availability", "at_least": "99%"} | changed)


def outage(**changed):
    return READ({"id": "o", "measure": "longest-outage", "at_most": "5s"} | changed)


@pytest.mark.parametrize(
    ("tolerance", "value", "inside"),
    [(availability(), 0.99, True), (availability(), 0.98999, False), (outage(), 5.0, True), (outage(), 5.001, False)],
)
def test_the_limit_itself_is_inside(tolerance, value, inside):
    assert holds(tolerance, value) is inside


@pytest.mark.parametrize(
    ("candidate", "promise", "looser"),
    [
        (availability(at_least="99.5%"), availability(), False),
        (availability(at_least="98%"), availability(), True),
        (outage(at_most="4s"), outage(), False),
        (outage(at_most="6s"), outage(), True),
        (outage(good_within="1s"), outage(), False),
        (outage(), outage(good_within="1s"), True),
        (availability(window="fault"), availability(), True),
        (availability(after="5s"), availability(), True),
        (availability(transaction="checkout"), availability(), True),
    ],
)
def test_whatever_lets_more_pass_is_looser(candidate, promise, looser):
    assert is_looser(candidate, promise) is looser
