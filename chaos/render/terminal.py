"""The last thing a terminal shows of a run, and a plan before it: styled on a terminal, plain lines elsewhere.

Names are hostile: they never become markup, nor reach the terminal as control characters.
"""

from rich.console import Console
from rich.text import Text

from chaos.model.finding import Finding, RoadmapItem
from chaos.model.run import Plan, PlannedFault
from chaos.model.verdict import Row
from chaos.render import facts, words
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner

SIGNS = {"held": "✓", "inconclusive": "?", "breached": "✗"}
STYLES = {"held": "green", "inconclusive": "yellow", "breached": "red"}
_KINDS = {"save": "bold magenta", "near-miss": "yellow", "strength": "green", "gap": "magenta"}


class Page:
    """Writes indented, wrapped lines to a console that it was handed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, 110) if console.is_terminal else 110

    def line(self, *pieces: str | tuple[str, str], indent: int = 0, hang: int | None = None) -> None:
        """One paragraph; a piece is text, or text with a style. Further lines are indented by `hang`."""
        text = Text()
        for piece in pieces:
            said, style = piece if isinstance(piece, tuple) else (piece, "")
            text.append(words.printable(said), style)
        follow = indent if hang is None else hang
        for number, wrapped in enumerate(text.wrap(self._console, max(30, self._width - max(indent, follow)))):
            wrapped.rstrip()
            self._console.print(Text(" " * (follow if number else indent)) + wrapped, soft_wrap=True, highlight=False)

    def head(self, title: str) -> None:
        self.line()
        self.line((title, "bold"))

    def fact(self, label: str, value: str, *, indent: int = 2, width: int = 10, style: str = "") -> None:
        """A label and its value, the value's further lines under its first."""
        if value:
            self.line((label.ljust(width), "dim"), (value, style), indent=indent, hang=indent + width)


def summary(data: ReportData, console: Console) -> None:
    """Verdict, arithmetic, findings, what was put back."""
    page, top = Page(console), banner(data)
    page.line()
    page.line((f"{SIGNS[top.outcome]} {top.word.upper()}", f"bold {STYLES[top.outcome]}"), "  ", (data.story.title, "bold"))
    page.line(top.sentence, indent=2)
    page.line(
        (f"{'✓' if top.put_back_ok else '!'} {top.put_back}", "green" if top.put_back_ok else "bold red"), indent=2, hang=4
    )
    for command in top.commands:
        page.line((command, "bold"), indent=4)
    if data.verdict.rows:
        page.head("Tolerances")
        for row in data.verdict.rows:
            _row(page, row)
    _faults(page, data)
    if data.findings:
        page.head("What this run taught")
        for finding in data.findings:
            _finding(page, finding)
    if data.items:
        page.head("Roadmap")
        for item in data.items:
            _item(page, item)
    page.line()
    page.line((_colophon(data), "dim"))


def _row(page: Page, row: Row) -> None:
    value = f"{words.quantity(row.value, row.unit)}, {words.limit(row)}"
    page.line(
        (f"{SIGNS[row.outcome]} {row.tolerance}", STYLES[row.outcome]),
        f"  {value}",
        (f"  {words.margin(row)}", "bold"),
        indent=2,
        hang=4,
    )
    why = f"{words.reason(row.reason)}. " if row.reason else ""
    if why or row.arithmetic:
        page.line((why + row.arithmetic, "dim"), indent=4)


def _faults(page: Page, data: ReportData) -> None:
    if not data.faults:
        return
    page.head("Faults")
    for change in data.faults:
        page.line(
            (f"{change.fault} at {change.dependency or change.step}", "bold"), f"  {facts.targets(change)}", indent=2, hang=4
        )
        if dose := facts.dose_of(data, change.step):
            page.fact("dose", f"{'proved' if dose.proved else f'NOT proved ({dose.reason})'}: {dose.seen}", indent=4)
        else:
            page.fact("dose", "not looked for", indent=4)
        page.fact("undo", facts.fate(change), indent=4)
        for note in facts.notes(data, change.step):
            page.fact("note", note, indent=4)


def _finding(page: Page, finding: Finding) -> None:
    severity = "" if finding.kind == "strength" else f"{finding.severity_measured}  "
    page.line(
        (f"{finding.kind.upper()}  ", _KINDS.get(finding.kind, "bold")), severity, (finding.title, "bold"), indent=2, hang=4
    )
    if cause := finding.cause:
        page.fact("cause", cause.title, indent=4)
        for evidence in cause.evidence[:4]:
            page.fact("evidence", evidence, indent=4)
        page.fact("settle", cause.would_settle, indent=4)
        page.fact("remedy", cause.remedy, indent=4)
    if finding.kind != "strength":
        page.fact("owner", finding.owner + (f", due {finding.due}" if finding.due else ""), indent=4)
        page.fact("closed by", finding.closed_by, indent=4)


def _item(page: Page, item: RoadmapItem) -> None:
    page.line((item.id, "bold"), f"  {item.title}", indent=2, hang=4)
    plan = f"{item.plan.owner}, due {item.plan.due}"
    page.line(f"{facts.work_state(item)}, {item.severity}, {plan}; {facts.closing(item)}", indent=4)


def roadmap_text(items: list[RoadmapItem]) -> str:
    """Roadmap items as plain lines."""
    console = Console(width=110, color_system=None, force_terminal=False)
    with console.capture() as captured:
        page = Page(console)
        for item in items:
            _item(page, item)
    return captured.get()


def _colophon(data: ReportData) -> str:
    info = data.info
    release = [f"release {info.subject.release}"] if info.subject.release else []
    return " · ".join(
        [
            f"on {words.place(info.environment)}",
            *release,
            f"run {info.id}",
            f"seed {info.seed}",
            facts.load_words(data),
        ]
    )


# -- a plan ------------------------------------------------------------------------------------------------------------


def plan(planned: Plan, console: Console) -> None:
    """What a run would do: phases, timeline, targets, undo, rights, caps."""
    page = Page(console)
    page.line((planned.title or planned.scenario, "bold"))
    page.fact("on", words.place(planned.environment))
    page.fact("service", planned.service)
    page.fact("seed", f"{planned.seed}; scenario revision {planned.revision}")
    whole = sum(planned.phases.values())
    page.fact(
        "phases",
        " → ".join(f"{name} {words.seconds(length)}" for name, length in planned.phases.items())
        + f"  ({words.seconds(whole)} in all)",
    )
    if load := planned.load:
        page.fact("load", f"{load.get('rate') or load.get('users')} on {_entrance(planned)} by {load.get('locustfile', '')}")
    if planned.timeline:
        page.head("Timeline, from the end of the baseline")
    for step in planned.timeline:
        span = words.seconds(step.at) + ("" if step.for_people or step.until <= step.at else f" to {words.seconds(step.until)}")
        people = "  (for people)" if step.for_people else ""
        page.line(
            (span.ljust(16), "dim"), f"{step.type.ljust(7)} {step.step}", (f"  {step.title}{people}", "dim"), indent=2, hang=18
        )
    if planned.faults:
        page.head("What will be touched, and how it is put back")
    for fault in planned.faults:
        _planned_fault(page, fault)
    page.head("Caps")
    for cap in planned.caps:
        page.line(cap.value + (f", raised because: {cap.because}" if cap.raised else ""), indent=2, hang=4)
    for note in planned.notes:
        page.line(("note: " + note, "yellow"), indent=2, hang=4)
    page.line()
    page.line(("Nothing was changed.", "dim"))


def plan_text(planned: Plan) -> str:
    """The plan as plain lines."""
    console = Console(width=110, color_system=None, force_terminal=False)
    with console.capture() as captured:
        plan(planned, console)
    return captured.get()


def _entrance(planned: Plan) -> str:
    target = planned.load.get("target") or {}
    return f"{target.get('service', '?')}:{target.get('port', '?')}"


def _planned_fault(page: Page, fault: PlannedFault) -> None:
    page.line((fault.step, "bold"), f"  {fault.fault}{' at ' + fault.dependency if fault.dependency else ''}", indent=2, hang=4)
    page.fact("targets", words.listing([str(target) for target in fault.targets], most=12), indent=4)
    page.fact("dose", fault.dose, indent=4)
    page.fact("undo", fault.undo, indent=4)
    page.fact("if we die", fault.ttl, indent=4)
    page.fact("needs", fault.privilege + _rights(fault), indent=4)
    for note in fault.notes:
        page.fact("note", note, indent=4)


def _rights(fault: PlannedFault) -> str:
    rights = [
        f"{p.verb} {p.resource}{'/' + p.subresource if p.subresource else ''}{' DENIED' if p.allowed is False else ''}"
        for p in fault.permissions
    ]
    return f": {', '.join(dict.fromkeys(rights))}" if rights else ""
