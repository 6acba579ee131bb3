"""Quantities are exact, and written as an API server writes them back."""

from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from chaos.model.quantity import Quantity, amount, as_stored, half


@pytest.mark.parametrize(
    ("written", "stored", "halved"),
    [
        ("1000m", "1", "500m"),
        ("0.25", "250m", "125m"),
        ("1.5", "1500m", "750m"),
        ("25m", "25m", "12m"),
        ("1024Mi", "1Gi", "512Mi"),
        ("0.5Gi", "512Mi", "256Mi"),
        ("65536Ki", "64Mi", "32Mi"),
        ("128M", "128M", "64M"),
        ("1500", "1500", "750"),
    ],
)
def test_as_stored_and_half(written, stored, halved):
    assert (as_stored(written), half(written)) == (stored, halved)
    assert amount(stored) == amount(written)


def test_amounts_are_exact():
    assert amount("0.1") + amount("0.2") == amount("300m") == Decimal("0.3")
    assert amount("1Ki") == 1024


@pytest.mark.parametrize("wrong", ["", "m", "1 Mi", "-1", "0", "1mb", "1e3", "five"])
def test_what_is_no_quantity_is_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(wrong)
