"""A run as it goes on: a live view on a terminal, plain lines elsewhere. Both take journal events, nothing else."""

import io
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaos.model.events import Event
from chaos.render import words
from chaos.render.happenings import Change
from chaos.render.plain import PlainView
from chaos.render.progress import PHASES, Beat, Progress, lengths_of
from chaos.story import Story

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SPARK = 40
_DRAWN_EVERY = 0.25
_TIME = 11  # width of a line's time


class View(Protocol):
    """What `view_for` hands out: a context manager that is told every event, by `on_event` or by calling it."""

    def on_event(self, event: Event) -> None: ...

    def __call__(self, event: Event) -> None: ...

    def __enter__(self) -> "View": ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def view_for(stream: TextIO, story: Story | None = None) -> View:
    """The live view where `stream` is a terminal, plain lines elsewhere. With the story there is a countdown."""
    console = Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveView(console, lengths_of(story) if story else None)
    return PlainView(stream)


class LiveView:
    """Redraws four times a second; what happened stays above it as plain lines."""

    def __init__(
        self, console: Console, lengths: Mapping[str, float] | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = Progress(lengths or {})
        self._console = console
        self._now = now
        self._lock = threading.Lock()
        self._lines = io.StringIO()
        self._plain = PlainView(self._lines)
        self._live = Live(console=console, refresh_per_second=1 / _DRAWN_EVERY, get_renderable=self.draw, transient=True)

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self.on_event(event)

    def on_event(self, event: Event) -> None:
        with self._lock:
            self._progress.feed(event)
            self._plain.on_event(event)
            said = self._lines.getvalue()
            self._lines.seek(0)
            self._lines.truncate()
        if said:
            for line in said.splitlines():
                self._console.print(_hung(line, self._console))

    def draw(self) -> RenderableType:
        """The view as it is now."""
        with self._lock:
            progress = self._progress
            now = max(self._now(), progress.now) if progress.now else 0.0
            parts = [
                Text(),
                _phases(progress, now),
                *_load(progress),
                *[_fault(change, progress, now) for change in progress.faults],
            ]
        return Group(*parts)


def _hung(line: str, console: Console) -> Table:
    """A line whose wrapped rest stands under its text, not under its time."""
    grid = Table.grid(padding=0)
    grid.add_column(width=_TIME, no_wrap=True)
    grid.add_column(max_width=max(20, console.width - _TIME))
    grid.add_row(Text(line[:_TIME], "dim"), Text(line[_TIME:]))
    return grid


def _phases(progress: Progress, now: float) -> Text:
    """The phases in a row: done, under way with a bar, to come."""
    line = Text("  ")
    current = progress.phase
    for phase in PHASES[1:]:
        share = progress.share_of(phase, now)
        if phase == current:
            line.append(f"{phase} ", "bold")
            line.append(_bar(share), "cyan")
        else:
            line.append(phase, "dim" if share == 0.0 else "green")
        line.append("  ")
    left = progress.left(now)
    if left is not None and current not in ("disarm",):
        line.append(f"{words.seconds(float(round(left)))} left", "dim")
    return line


def _bar(share: float | None, width: int = 12) -> str:
    if share is None:
        return "…"
    full = int(share * width)
    return "━" * full + "╌" * (width - full)


def sparkline(values: list[float], top: float = 0.0) -> str:
    """
    >>> sparkline([0, 1, 4, 8])
    ' ▁▄█'
    """
    highest = max([top, *values], default=0.0)
    if highest <= 0:
        return " " * len(values)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[max(1, round(value / highest * steps)) if value > 0 else 0] for value in values)


def _load(progress: Progress) -> list[RenderableType]:
    """Rates of the last complete second with their history, and the latency of the last seconds."""
    if not progress.beats:
        return []
    last = max(progress.beats)
    beats = [progress.beats.get(second, Beat()) for second in range(last - _SPARK + 1, last + 1)]
    top = float(max(beat.attempted for beat in beats))
    table = Table.grid(padding=(0, 2))
    for title, style, pick in _ROWS:
        values = [float(pick(beat)) for beat in beats]
        table.add_row(Text(f"  {title}", "dim"), Text(f"{values[-1]:>5.0f}/s", "bold"), Text(sparkline(values, top), style))
    p95 = progress.recent.percentile(0.95)
    table.add_row(Text("  in flight", "dim"), Text(f"{beats[-1].in_flight:>5}  ", "bold"), _latency(p95))
    return [Text(), table, Text()]


_ROWS: list[tuple[str, str, Callable[[Beat], int]]] = [
    ("attempted", "cyan", lambda beat: beat.attempted),
    ("good", "green", lambda beat: beat.good),
    ("degraded", "yellow", lambda beat: beat.degraded),
    ("failed", "red", lambda beat: beat.failed),
]


def _latency(p95: float | None) -> Text:
    return Text(f"p95 {words.seconds(p95)} over the last 5 s" if p95 is not None else "", "dim")


def _fault(change: Change, progress: Progress, now: float) -> Text:
    """One fault: in force for how long, proved or not, undone, verified."""
    line = Text("  ")
    state, style = "in force", "bold red"
    if change.verified:
        state, style = "put back and read back", "green"
    elif change.state == "left-over":
        state, style = f"NOT put back: {change.trouble}", "bold red"
    elif "undone" in change.at:
        state, style = "undone, not read back yet", "yellow"
    elif "struck" in change.at:
        state = f"in force for {now - change.at['struck']:.0f} s"
    elif change.trouble:
        state, style = f"not struck: {change.trouble}", "yellow"
    line.append(words.printable(f"{change.fault} at {change.dependency or change.step}: "), "bold")
    line.append(words.printable(state), style)
    doses = [dose for dose in progress.seen.doses if dose.step == change.step]
    if doses:
        line.append("  dose proved" if any(dose.proved for dose in doses) else "  dose NOT proved", "dim")
    return line


__all__ = ["LiveView", "PlainView", "View", "sparkline", "view_for"]
