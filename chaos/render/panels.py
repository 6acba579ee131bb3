"""The panels of the picture: load, share answered, latency, probes, ready endpoints. Each says how to read it in its title."""

from collections.abc import Callable, Sequence

from chaos.model.verdict import Row
from chaos.render import words
from chaos.render.report_data import ReportData
from chaos.render.series import Point
from chaos.render.stage import Stage
from chaos.render.svg import Scale, bars_path, log_bounds, log_ticks, nice_top, step_path

_MOST_PROBES = 6

Limits = Sequence[tuple[Row, float, float]]

_STACK: dict[str, Callable[[Point], tuple[float, float]]] = {
    "good": lambda p: (0.0, p.good),
    "degraded": lambda p: (p.good, p.good + p.degraded),
    "failed": lambda p: (p.good + p.degraded, p.good + p.degraded + p.failed),
}


def load_panel(stage: Stage, points: Sequence[Point], *, per: int, meant: bool) -> None:
    """Requests a second by the second in which they started: good, degraded and failed, one upon the other."""
    wanted = [point.intended for point in points if meant and point.intended is not None]
    top = nice_top(max([*wanted, *(point.attempted for point in points)], default=1.0))
    ticks = [(top * share, words.count(top * share) if top >= 4 else f"{top * share:g}") for share in (0.0, 0.5, 1.0)]
    title = "Requests a second" + ("" if per == 1 else f", in columns of {words.seconds(float(per))}")
    upper, lower = stage.panel(title, 130, Scale(0, top, 0, 1), ticks)
    _legend(stage, upper, meant=bool(wanted))
    y = Scale(0, top, lower, upper)
    for kind, stacked in _STACK.items():
        spans = [(_column(stage, point), stacked(point)) for point in points]
        bars = [(left, right, y(above), y(below)) for (left, right), (below, above) in spans if above > below]
        stage.drawing.add("path", class_=f"area {kind}", d=bars_path(bars), fill=_fill(stage, kind))
    line = step_path((stage.x(point.start), stage.x(point.end), y(point.attempted)) for point in points)
    stage.drawing.add("path", class_="line attempted", d=line)
    if wanted:
        steps = ((stage.x(p.start), stage.x(p.end), None if p.intended is None else y(p.intended)) for p in points)
        stage.drawing.add("path", class_="line meant", d=step_path(steps))


def _column(stage: Stage, point: Point) -> tuple[float, float]:
    """Left and right of a bar; a gap between bars where they are wide enough to bear one."""
    left, right = stage.x(point.start), stage.x(point.end)
    gap = 1.0 if right - left > 8 else 0.0
    return left + gap, right - gap


def _fill(stage: Stage, kind: str) -> str | None:
    """A hatch, so that kinds differ in more than colour."""
    return None if kind == "good" else f"url(#{stage.id}-{kind})"


def _legend(stage: Stage, upper: float, *, meant: bool) -> None:
    x = stage.x.end
    lines = (("meant", 40.0), ("attempted", 62.0)) if meant else (("attempted", 62.0),)
    for name, letters in (*lines, ("failed", 40.0), ("degraded", 60.0), ("good", 34.0)):
        x -= letters
        stage.drawing.add("text", name, class_="legend", x=x, y=upper - 10)
        x -= 16
        if name in ("attempted", "meant"):
            stage.drawing.add("path", class_=f"line {name}", d=f"M{x} {upper - 14}h12")
        else:
            stage.drawing.add("rect", class_=f"area {name}", x=x, y=upper - 20, width=12, height=11, fill=_fill(stage, name))
        x -= 14


def answered_panel(stage: Stage, points: Sequence[Point], limits: Limits) -> None:
    """The share of requests that were answered, and every stretch without any answer."""
    ticks = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]
    upper, lower = stage.panel("Answered, in full or degraded", 84, Scale(0, 1, 0, 1), ticks)
    y = Scale(0, 1, lower, upper)
    line = step_path((stage.x(p.start), stage.x(p.end), None if p.answered is None else y(p.answered)) for p in points)
    stage.drawing.add("path", class_="line answered", d=line)
    for start, end in outages(points):
        left, right = stage.x(start), stage.x(end)
        told = f"no answer for about {words.seconds(round(end - start, 1))}"
        stage.drawing.add("rect", class_="outage", x=left, y=lower - 5, width=right - left, height=5, title=told)
        if right - left > 150:
            stage.drawing.add("text", told, class_="outage-name", x=(left + right) / 2, y=lower - 11, text_anchor="middle")
    for row, start, end in limits:
        _limit(stage, (start, end), y(row.limit), f"tolerance {words.limit(row)}", below=True)


def latency_panel(stage: Stage, points: Sequence[Point], limits: Limits) -> None:
    """How long requests took, answered or failed, on a logarithmic axis."""
    values = [value for point in points for value in (point.p50, point.p95, point.p99) if value is not None]
    low, high = log_bounds([*values, *(row.limit for row, _, _ in limits if row.limit > 0)])
    ticks = [(tick, words.seconds(tick)) for tick in log_ticks(low, high)]
    title = "How long requests took, answered or failed (logarithmic)"
    upper, lower = stage.panel(title, 130, Scale(low, high, 0, 1, log=True), ticks)
    y = Scale(low, high, lower, upper, log=True)
    _latency_legend(stage, upper)
    for kind in ("p99", "p95", "p50"):
        steps = ((stage.x(p.start), stage.x(p.end), getattr(p, kind)) for p in points)
        line = step_path((left, right, None if value is None else y(value)) for left, right, value in steps)
        stage.drawing.add("path", class_=f"line {kind}", d=line)
    for row, start, end in limits:
        if low <= row.limit <= high:
            told = f"tolerance: {row.spec.get('percentile', 95):g} of 100 within {words.quantity(row.limit, 's')}"
            _limit(stage, (start, end), y(row.limit), told, below=False)


def _latency_legend(stage: Stage, upper: float) -> None:
    x = stage.x.end
    for name, told, letters in (("p99", "99th", 28.0), ("p95", "95th", 28.0), ("p50", "median", 44.0)):
        x -= letters
        stage.drawing.add("text", told, class_="legend", x=x, y=upper - 10)
        x -= 22
        stage.drawing.add("path", class_=f"line {name}", d=f"M{x} {upper - 14}h18")
        x -= 14


def _limit(stage: Stage, span: tuple[float, float], y: float, told: str, *, below: bool) -> None:
    """A tolerance line over the window in which it binds."""
    left, right = stage.x(span[0]), stage.x(span[1])
    stage.drawing.add("line", class_="limit", x1=left, x2=right, y1=y, y2=y, title=told)
    wide = len(told) * 6.6
    if right - left > wide + 12:
        anchor, x = "start", left + 6
    elif right + wide + 6 < stage.x.end:
        anchor, x = "start", right + 6
    else:
        anchor, x = "end", right - 4
    stage.drawing.add("text", told, class_="limit-name halo", x=x, y=y + (13 if below else -5), text_anchor=anchor)


def outages(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Stretches of columns in which requests were attempted and none was answered."""
    found: list[tuple[float, float]] = []
    for point in points:
        if point.attempted > 0 and not point.answered:
            if found and abs(found[-1][1] - point.start) < 1e-6:
                found[-1] = (found[-1][0], point.end)
            else:
                found.append((point.start, point.end))
    return found


def probe_panel(stage: Stage, data: ReportData) -> None:
    """A strip a probe: as expected, or not."""
    for line in data.probes[:_MOST_PROBES]:
        title = f"Probe {line.probe}: {line.good:,} of {line.n:,} readings as expected"
        upper, _ = stage.panel(title, 14, Scale(0, 1, 0, 1), [])
        for start, end, ok in line.stretches:
            left, right = stage.x(start), max(stage.x(end), stage.x(start) + 2)
            told = f"{'as expected' if ok else 'not as expected'}, {words.moment(start)} to {words.moment(end)}"
            top, height = (upper + 4, 6) if ok else (upper, 14)
            kind = "probe-good" if ok else "probe-bad"
            stage.drawing.add("rect", class_=kind, x=left, y=top, width=right - left, height=height, title=told)


def ready_panel(stage: Stage, data: ReportData) -> None:
    """Ready endpoints of Services, where they changed."""
    for line in data.ready[:4]:
        most = max([line.desired, *(ready for _, ready in line.steps)])
        ticks = [(0.0, "0"), (float(most), f"{most}")]
        upper, lower = stage.panel(f"Ready endpoints of {line.service}", 34, Scale(0, most, 0, 1), ticks)
        y = Scale(0, most, lower, upper)
        ends = [*(at for at, _ in line.steps[1:]), stage.x.high]
        path = step_path((stage.x(at), stage.x(end), y(ready)) for (at, ready), end in zip(line.steps, ends, strict=True))
        stage.drawing.add("path", class_="line ready", d=path)
