"""The picture of a run: phases, faults, load, answers, latency and probes over one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from chaos.model.verdict import Row
from chaos.render import words
from chaos.render.lanes import phase_band, strike_lanes
from chaos.render.panels import answered_panel, latency_panel, load_panel, outages, probe_panel, ready_panel
from chaos.render.report_data import ReportData
from chaos.render.series import ALL, Point
from chaos.render.stage import LEFT, RIGHT, WIDTH, Stage
from chaos.render.svg import Drawing, Scale, time_ticks


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One transaction over time, ready for the page."""

    id: str
    name: str  # for people
    svg: Markup
    description: str
    readings: list[list[float | None]] = field(default_factory=list)  # for the read-out, a row a column
    plot: tuple[float, float, float, float]  # left, right (coordinates), low, high (seconds)


def figure(data: ReportData, transaction: str, *, id: str) -> Figure:
    """All panels of one transaction (ALL = all together), one below the other."""
    points = data.points(transaction)
    low = min([0.0, *(point.start for point in points[:1])])
    stage = Stage(Drawing(), Scale(low, max(data.length, low + 1.0), LEFT, WIDTH - RIGHT), id)
    rows = [row for row in data.verdict.rows if (row.spec.get("transaction") or ALL) == transaction]
    phase_band(stage, data)
    strike_lanes(stage, data)
    top = stage.y
    if points:
        load_panel(stage, points, per=data.series.width, meant=transaction == ALL)
        answered_panel(stage, points, _limits(data, rows, "availability"))
        latency_panel(stage, points, _limits(data, rows, "latency"))
    probe_panel(stage, data)
    ready_panel(stage, data)
    _axis(stage)
    stage.drawing.add("rect", class_="cursor", x=LEFT, y=top, width=0, height=stage.y - top)
    name = transaction or ("all requests" if points else "the run")
    description = describe(data, points, name)
    return Figure(
        id=id,
        name=name,
        svg=_wrapped(stage, description, f"{words.initial(name)} over time"),
        description=description,
        readings=[_reading(point) for point in points],
        plot=(LEFT, WIDTH - RIGHT, stage.x.low, stage.x.high),
    )


def _limits(data: ReportData, rows: list[Row], measure: str) -> list[tuple[Row, float, float]]:
    """Tolerance lines: the row, and where it binds."""
    found = []
    for row in rows:
        start, end = data.at(row.start), data.at(row.end)
        if row.measure == measure and start is not None and end is not None and end > start:
            found.append((row, start, end))
    return found


def _axis(stage: Stage) -> None:
    drawing = stage.drawing
    for moment in time_ticks(stage.x.low, stage.x.high):
        x = stage.x(moment)
        drawing.add("text", words.moment(moment).replace(".0", ""), class_="tick", x=x, y=stage.y + 16, text_anchor="middle")
    stage.y += 24
    drawing.add("text", "after the start of load", class_="tick", x=WIDTH - RIGHT, y=stage.y + 8, text_anchor="end")
    stage.y += 14


def _wrapped(stage: Stage, description: str, title: str) -> Markup:
    frame = Drawing()
    frame.open(
        "svg",
        viewBox=f"0 0 {WIDTH} {round(stage.y)}",
        role="img",
        aria_labelledby=f"{stage.id}-t {stage.id}-d",
        id=f"{stage.id}-svg",
    )
    frame.add("title", title, id=f"{stage.id}-t")
    frame.add("desc", description, id=f"{stage.id}-d")
    for kind in ("degraded", "failed"):
        frame.open("defs")
        frame.open(
            "pattern",
            id=f"{stage.id}-{kind}",
            width="6",
            height="6",
            patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        )
        frame.add("rect", class_=f"fill-{kind}", width="6", height="6")
        frame.add("rect", class_=f"hatch-{kind}", width="2.4" if kind == "degraded" else "1", height="6")
        frame.close("pattern")
        frame.close("defs")
    return frame.markup + stage.drawing.markup + Markup("</svg>")


def describe(data: ReportData, points: Sequence[Point], name: str) -> str:
    """The picture in words, for who cannot see it."""
    if not points:
        return "There was no load in this run."
    attempted = sum(point.attempted * (point.end - point.start) for point in points)
    failed = sum(point.failed * (point.end - point.start) for point in points)
    asked, span = words.count(attempted), words.seconds(round(data.length))
    text = f"{words.initial(name)}: {asked} requests in {span}, of which {words.count(failed)} failed."
    for change in data.faults:
        if "struck" in change.at:
            until = f" to {words.moment(change.at['undone'])}" if "undone" in change.at and not change.instant else ""
            text += f" {words.initial(change.fault)} at {change.dependency} from {words.moment(change.at['struck'])}{until}."
    for start, end in outages(points):
        text += f" No answer from about {words.moment(start)} to {words.moment(end)}."
    slowest = max((point.p95 for point in points if point.p95 is not None), default=None)
    return text + (f" The highest 95th percentile was {words.seconds(slowest)}." if slowest is not None else "")


def _reading(point: Point) -> list[float | None]:
    values = (point.start, point.end, point.attempted, point.good, point.degraded, point.failed)
    shares = (point.answered, point.p50, point.p95, point.p99)
    return [
        *(round(value, 1) for value in values),
        *(None if value is None else round(value, 4) for value in shares),
        round(point.in_flight, 1),
    ]
