"""Quantities carry their unit: "30s", "99.5%", "20/s". A bare number is refused, since nobody remembers which unit it meant."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 7 * 86400.0
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s?%")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB|GiB)")
_BYTE_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_duration(text: object) -> float:
    """Seconds of a duration such as "800ms", "30s" or "1m30s"; ValueError for all else, and for more than 7 days."""
    if isinstance(text, str):
        parts = _DURATION_PARTS.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text.strip():
            seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
            if seconds <= _LONGEST:
                return seconds
            raise ValueError("longer than 7 days")
    raise ValueError("write a number with a unit (ms, s, m, h, d), for example 30s")


def format_duration(seconds: float) -> str:
    """The shortest exact writing of a duration; the inverse of `parse_duration` to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    if milliseconds % 1000:
        return f"{milliseconds}ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.3f}".rstrip("0") + "s"
    whole = milliseconds // 1000
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def parse_percent(text: object) -> float:
    """The share 0..1 of a percentage such as "99.5%"; ValueError for all else."""
    if isinstance(text, str) and (match := _PERCENT.fullmatch(text.strip())):
        share = float(match[1]) / 100
        if share <= 1:
            return share
        raise ValueError("more than 100%")
    raise ValueError("write a percentage with its sign, for example 99.5%")


def format_percent(share: float) -> str:
    return f"{round(share * 100, 6):g}%"


def parse_rate(text: object) -> float:
    """Events a second of a rate such as "20/s" or "90/m"; ValueError for all else."""
    if isinstance(text, str) and (match := _RATE.fullmatch(text.strip())):
        return float(match[1]) / _SECONDS[match[2]]
    raise ValueError("write a rate with its unit, for example 20/s or 90/m")


def format_rate(per_second: float) -> str:
    return f"{round(per_second, 6):g}/s"


def parse_bytes(text: object) -> int:
    """Bytes of a size such as "64kB" or "1MiB"; ValueError for all else."""
    if isinstance(text, str) and (match := _BYTES.fullmatch(text.strip())):
        return math.ceil(float(match[1]) * _BYTE_UNITS[match[2]])
    raise ValueError("write a size with its unit, for example 64kB or 1MiB")


def format_bytes(size: int) -> str:
    for unit in ("GB", "MB", "kB"):
        if size >= _BYTE_UNITS[unit] and size % _BYTE_UNITS[unit] == 0:
            return f"{size // _BYTE_UNITS[unit]}{unit}"
    return f"{size}B"


def _already(parse: object, number: type) -> BeforeValidator:
    """Let our own numbers through unchanged when a model is built in code, and parse what a file says."""

    def validate(value: object) -> object:
        if isinstance(value, Exact):
            return number(value)
        return parse(value)  # type: ignore[operator]

    return BeforeValidator(validate)


class Exact(float):
    """A number that is already in the base unit (seconds, share, per second, bytes); only code can make one."""


def _schema(pattern: str, example: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example], "description": description})


Duration = Annotated[
    float,
    _already(parse_duration, float),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _schema(r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "30s", "a duration with its unit"),
]
"""Seconds; written "800ms", "30s", "1m30s"."""

Percent = Annotated[
    float,
    _already(parse_percent, float),
    PlainSerializer(format_percent, return_type=str, when_used="json"),
    _schema(r"^\d+(\.\d+)?\s?%$", "99.5%", "a percentage with its sign"),
]
"""A share 0..1; written "99.5%"."""

Rate = Annotated[
    float,
    _already(parse_rate, float),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _schema(r"^\d+(\.\d+)?/(s|m|h)$", "20/s", "a rate with its unit"),
]
"""Events a second; written "20/s" or "90/m"."""

Size = Annotated[
    int,
    _already(parse_bytes, int),
    PlainSerializer(format_bytes, return_type=str, when_used="json"),
    _schema(r"^\d+(\.\d+)?(B|kB|MB|GB|KiB|MiB|GiB)$", "64kB", "a size with its unit"),
]
"""Bytes; written "64kB"."""
