"""Quantities carry their unit, and are read back as they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chaos.model.units import Duration, Exact, Percent, Rate, Size, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("800ms", 0.8), ("30s", 30.0), ("1m30s", 90.0), ("2h", 7200.0), ("1.5s", 1.5), ("0s", 0.0)]
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert TypeAdapter(Duration).validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [30, 30.0, "30", "1:30", "s", "", "30 sec", "-5s", True, None, "8d", "30s5"])
def test_a_duration_without_a_proper_unit_is_refused(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(value)


@given(st.integers(min_value=0, max_value=7 * 86_400_000))
def test_every_duration_is_read_back_to_the_millisecond(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=0.0011)


def test_other_quantities_carry_their_unit_too():
    assert TypeAdapter(Percent).validate_python("99.5%") == pytest.approx(0.995)
    assert TypeAdapter(Rate).validate_python("90/m") == pytest.approx(1.5)
    assert TypeAdapter(Size).validate_python("64kB") == 64_000
    for kind, wrong in ((Percent, "101%"), (Percent, 0.5), (Rate, 20), (Rate, "20"), (Size, "64"), (Size, 64)):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(wrong)


def test_code_may_hand_in_numbers_that_are_in_the_base_unit_already():
    assert TypeAdapter(Duration).validate_python(Exact(2.5)) == 2.5
