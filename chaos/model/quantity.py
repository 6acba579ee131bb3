"""Quantities of CPU and memory as Kubernetes writes them: `250m`, `1`, `64Mi`. Pure; exact, for an undo compares them."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_WRITTEN = re.compile(r"^(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>n|u|m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_BINARY = {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)}
_DECIMAL = {unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T"), -3)}
_UNITS = _BINARY | _DECIMAL


def amount(written: str) -> Decimal:
    """How much that is, in cores or bytes; ValueError for what is no quantity."""
    match = _WRITTEN.match(written)
    if match is None:
        raise ValueError(f"{written!r} is no quantity; write it as 250m or 64Mi")
    return Decimal(match["number"]) * _UNITS[match["unit"] or ""]


def as_stored(written: str) -> str:
    """As an API server writes it back: a whole number with the largest unit that leaves one, of the same family."""
    units = {**_BINARY, "": Decimal(1)} if written.endswith("i") else _DECIMAL
    return _largest(amount(written), units)


def half(written: str) -> str:
    """About half of it, as an API server writes it; exactly where that is a whole number of millicores or bytes."""
    step = Decimal(1) if written.endswith("i") else Decimal("0.001")
    units = {**_BINARY, "": Decimal(1)} if written.endswith("i") else _DECIMAL
    return _largest(amount(written) / 2 // step * step, units)


def _largest(value: Decimal, units: dict[str, Decimal]) -> str:
    fitting = [(size, unit) for unit, size in units.items() if value % size == 0]
    size, unit = max(fitting)
    return f"{int(value / size)}{unit}"


def _known(written: str) -> str:
    if amount(written) <= 0:
        raise ValueError(f"{written!r} is nothing at all")
    return written


Quantity = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_known)]
"""CPU or memory in a file."""
