"""SVG by hand: scales, ticks, paths. Every text and attribute is escaped; colours and fonts are the page's style sheet's."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

Number = float | int


class Drawing:
    """Elements in order; `markup` is what goes into the page."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, tag: str, text: str | None = None, *, title: str = "", **attributes: object) -> None:
        """One element; `class_` is class, underscores are dashes. `title` is what a pointer resting on it shows."""
        shown = "".join(f' {_attribute(name)}="{_value(value)}"' for name, value in attributes.items() if value is not None)
        inside = (f"<title>{escape(title)}</title>" if title else "") + (str(escape(text)) if text is not None else "")
        self._parts.append(f"<{tag}{shown}>{inside}</{tag}>" if inside else f"<{tag}{shown}/>")

    def open(self, tag: str, **attributes: object) -> None:
        self._parts.append(
            f"<{tag}" + "".join(f' {_attribute(name)}="{_value(value)}"' for name, value in attributes.items()) + ">"
        )

    def close(self, tag: str) -> None:
        self._parts.append(f"</{tag}>")

    @property
    def markup(self) -> Markup:
        return Markup("".join(self._parts))  # noqa: S704 - each part was escaped when it was added


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-") if name not in ("viewBox", "preserveAspectRatio") else name


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else str(escape(value))


def number(value: float) -> str:
    """
    >>> number(12.0), number(12.345), number(-0.001)
    ('12', '12.3', '0')
    """
    short = f"{value:.1f}"
    return short.removesuffix(".0").replace("-0", "0") if short in ("-0.0",) else short.removesuffix(".0")


@dataclass(frozen=True)
class Scale:
    """From a value to a coordinate; values outside are held at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


def time_ticks(low: float, high: float, most: int = 12) -> list[float]:
    """Round moments between two others.

    >>> time_ticks(0, 29)
    [0, 5, 10, 15, 20, 25]
    """
    span = max(1.0, high - low)
    step = next((step for step in _STEPS if span / step <= most), _STEPS[-1] * math.ceil(span / _STEPS[-1] / most))
    return [moment * step for moment in range(math.ceil(low / step), math.floor(high / step) + 1)]


def nice_top(value: float) -> float:
    """
    >>> nice_top(17), nice_top(22), nice_top(0), nice_top(81)
    (20.0, 30.0, 1.0, 100.0)
    """
    if value <= 0:
        return 1.0
    power: float = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * power >= value)


def log_bounds(values: Sequence[float]) -> tuple[float, float]:
    """Round bounds, at least a decade apart, that hold all values.

    >>> [round(bound, 4) for bound in log_bounds([0.034, 3.1])]
    [0.02, 5.0]
    """
    low, high = min(values, default=0.01), max(values, default=1.0)
    low, high = _round_log(max(low, 1e-5), up=False), _round_log(high * 1.02, up=True)
    return low, max(high, low * 10)


def _round_log(value: float, *, up: bool) -> float:
    power: float = 10 ** math.floor(math.log10(value) + 1e-9)
    steps = [step * power for step in (1.0, 2.0, 5.0, 10.0)]
    return (
        next(step for step in steps if step >= value * (1 - 1e-9))
        if up
        else max(step for step in steps if step <= value * (1 + 1e-9))
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Decades, and 2 and 5 of each where there are few."""
    decades = range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9) + 1)
    steps = (1.0, 2.0, 5.0) if high / low <= 60 else (1.0,)
    ticks = [step * 10.0**power for power in decades for step in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


@dataclass
class Line:
    """A line that is lifted where there is no value."""

    d: list[str] = field(default_factory=list)
    _down: bool = False

    def to(self, x: float, y: float | None) -> None:
        if y is not None:
            self.d.append(f"{'L' if self._down else 'M'}{number(x)} {number(y)}")
        self._down = y is not None


def step_path(points: Iterable[tuple[float, float, float | None]]) -> str:
    """(start x, end x, y) -> a line in steps, lifted where y is None."""
    line = Line()
    for start, end, y in points:
        line.to(start, y)
        line.to(end, y)
    return "".join(line.d)


def bars_path(bars: Iterable[tuple[float, float, float, float]]) -> str:
    """(left, right, top, bottom) -> filled bars, as one path."""
    return "".join(
        f"M{number(left)} {number(bottom)}V{number(top)}H{number(right)}V{number(bottom)}Z"
        for left, right, top, bottom in bars
        if bottom > top
    )
