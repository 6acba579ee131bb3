"""The head of the picture: phases in a row, and below them a lane for each fault and each surge."""

from chaos.render import facts, words
from chaos.render.happenings import Change, DoseShown, StepShown
from chaos.render.report_data import ReportData
from chaos.render.stage import LEFT, RIGHT, WIDTH, Stage
from chaos.render.svg import number

_BAND = 20.0
_LANE = 24.0
_MOST_LANES = 8
_LETTER = 6.6  # mean width of a letter of a label, to know what fits


def phase_band(stage: Stage, data: ReportData) -> None:
    drawing, top = stage.drawing, stage.y
    for index, phase in enumerate(phase for phase in data.phases if phase.name not in ("preflight", "arm", "disarm")):
        end = data.length if phase.end is None else phase.end
        left, right = stage.x(phase.start), stage.x(end)
        name = phase.name if phase.end is not None else f"{phase.name} (cut off)"
        told = f"{name}: {words.moment(phase.start)} to {words.moment(end)}"
        drawing.add("rect", class_=f"phase phase-{index % 2}", x=left, y=top, width=right - left, height=_BAND, title=told)
        if right - left > len(name) * _LETTER:
            drawing.add("text", name, class_="phase-name", x=(left + right) / 2, y=top + 14, text_anchor="middle")
    stage.y = top + _BAND


def strike_lanes(stage: Stage, data: ReportData) -> None:
    """A bar from strike to undo, its label, and a diamond where the dose was proved."""
    struck = [change for change in data.faults if "struck" in change.at]
    surges = [step for step in data.steps if step.type == "load" and step.start is not None]
    for change in struck:
        if change.instant:
            stage.strikes.append(change.at["struck"])
        else:
            stage.shades.append((change.at["struck"], change.at.get("undone", data.length)))
    for change in struck[:_MOST_LANES]:
        _strike(stage, data, change)
    for step in surges[: max(0, _MOST_LANES - len(struck))]:
        _surge(stage, data, step)
    if (more := len(struck) + len(surges) - _MOST_LANES) > 0:
        stage.y += 18
        stage.drawing.add("text", f"and {more} more, listed below", class_="tick", x=LEFT, y=stage.y)
    if data.stopped_at is not None:
        stage.strikes.append(data.stopped_at)
        stage.y += 18
        place = stage.x(data.stopped_at)
        anchor = "end" if place > WIDTH - RIGHT - 40 else "middle"  # the words must not run out of the picture
        stage.drawing.add("text", "stopped here", class_="lane-name", x=place, y=stage.y, text_anchor=anchor)


def _strike(stage: Stage, data: ReportData, change: Change) -> None:
    drawing, top = stage.drawing, stage.y + 8
    start, end = change.at["struck"], change.at.get("undone", data.length)
    name = f"{change.fault} · {change.dependency or change.step}"
    left, right = stage.x(start), stage.x(end)
    told = f"{name}: struck at {words.moment(start)}" + ("" if change.instant else f", undone at {words.moment(end)}")
    if change.instant:
        drawing.add("path", class_="strike-mark", d=f"M{left - 6} {top + 3}h12l-6 11z", title=told)
        right = left + 8
    else:
        drawing.add("rect", class_="strike-bar", x=left, y=top, width=max(2.0, right - left), height=17, rx=3, title=told)
    dose = facts.dose_of(data, change.step)
    mark = (
        None
        if dose is None
        else stage.x(dose.at)
        if change.instant
        else min(max(stage.x(dose.at), left + 9), max(right - 9, left + 9))
    )
    _label(stage, name, (left, right), top, inside=not change.instant, mark=mark)
    if dose is not None and mark is not None:
        _dose(stage, dose, mark, top)
    stage.y += _LANE


def _dose(stage: Stage, dose: DoseShown, x: float, top: float) -> None:
    """A diamond for a proof, a cross for a missing one."""
    told = f"dose {'proved' if dose.proved else 'NOT proved'} at {words.moment(dose.at)}: {dose.seen}"
    shape = f"M{number(x)} {top + 2.5}l6 6l-6 6l-6 -6z" if dose.proved else f"M{number(x - 5)} {top + 4}l10 9m0 -9l-10 9"
    stage.drawing.add("path", class_="dose" if dose.proved else "dose-missing", d=shape, title=told)


def _surge(stage: Stage, data: ReportData, step: StepShown) -> None:
    start, end, top = step.start or 0.0, data.length if step.end is None else step.end, stage.y + 8
    left, right = stage.x(start), stage.x(end)
    told = f"load step {step.step}: {words.moment(start)} to {words.moment(end)}"
    stage.drawing.add("rect", class_="surge-bar", x=left, y=top, width=max(2.0, right - left), height=17, rx=3, title=told)
    _label(stage, f"load · {step.title or step.step}", (left, right), top, inside=True)
    stage.y += _LANE


def _label(stage: Stage, name: str, bar: tuple[float, float], top: float, *, inside: bool, mark: float | None = None) -> None:
    """Inside its bar, clear of the mark, where it fits; else after it, else before it."""
    name = name if len(name) <= 60 else name[:59] + "…"
    (left, right), wide, y = bar, len(name) * _LETTER, top + 12.5
    starts = [left + 10] if mark is None else [max(mark + 14, (left + right - wide) / 2), left + 10]
    fits = [x for x in starts if x + wide < right - 6 and (mark is None or not x - 12 < mark < x + wide + 12)]
    after = max(right, mark or 0.0) + 18
    if inside and fits:
        stage.drawing.add("text", name, class_="lane-name on-bar", x=fits[0], y=y)
    elif after + wide < stage.x.end:
        stage.drawing.add("text", name, class_="lane-name", x=after, y=y)
    else:
        stage.drawing.add("text", name, class_="lane-name", x=left - 10, y=y, text_anchor="end")
