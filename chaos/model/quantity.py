"""Quantities of CPU and memory as Kubernetes writes them: `250m`, `1`, `64Mi`. Pure; exact, for an undo compares them."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_WRITTEN = re.compile(r"^(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T"), 1)}
_UNITS |= {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)}


def amount(written: str) -> Decimal:
    """How much that is, in cores or bytes; ValueError for what is no quantity."""
    match = _WRITTEN.match(written)
    if match is None:
        raise ValueError(f"{written!r} is no quantity; write it as 250m or 64Mi")
    return Decimal(match["number"]) * _UNITS[match["unit"] or ""]


def _known(written: str) -> str:
    amount(written)
    return written


Quantity = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_known)]
"""CPU or memory in a file."""
