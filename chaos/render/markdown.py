"""`summary.md`: the report for a pull request, a chat or a CI job's summary page. Names are hostile and stay text."""

import re

from chaos.model.finding import Finding
from chaos.model.verdict import Row
from chaos.render import facts, words
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner

_SIGNS = {"held": "✅", "inconclusive": "❔", "breached": "❌"}
_MARKED = re.compile(r"([\\`*\[\]|~])")


def render(data: ReportData) -> str:
    """Ends with a line feed; one blank line between parts."""
    parts = [_top(data), _tolerances(data), _findings(data), _roadmap(data), _faults(data), _changes(data), _again(data)]
    return "\n\n".join(part for part in parts if part) + "\n"


def text(value: object) -> str:
    """Any text as Markdown that reads as just that text.

    >>> text("a|b <script> *x* [l](u)")
    'a\\\\|b &lt;script&gt; \\\\*x\\\\* \\\\[l\\\\](u)'
    """
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKED.sub(r"\\\1", " ".join(escaped.split()))


def code(value: object) -> str:
    """Any text as code, however many back-ticks it holds."""
    shown = " ".join(str(value).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence}{shown}{fence}" if fence == "`" else f"{fence} {shown} {fence}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _top(data: ReportData) -> str:
    top, info = banner(data), data.info
    subject = f" · release {text(info.subject.release)}" if info.subject.release else ""
    lines = [
        f"# {_SIGNS[top.outcome]} {top.word}: {text(data.story.title)}",
        "",
        f"**{text(top.sentence)}**",
        "",
        f"{'✅' if top.put_back_ok else '🛑'} {text(top.put_back)}",
        "",
    ]
    for command in top.commands:
        lines += [f"    {command}", ""]
    impact = "; ".join(f"**{text(number)}** {text(what)}" for number, what in facts.impact_words(data.impact))
    if impact:
        lines += [f"What customers felt: {impact}.", ""]
    lines.append(
        f"On **{text(words.place(info.environment))}**{subject} · run {code(info.id)} · "
        f"{words.wall(info.started)} · seed {info.seed} · {text(facts.load_words(data))}"
    )
    if info.environment.kind == "sandbox":
        lines += ["", f"> The sandbox is {words.ENVIRONMENT_WORDS['sandbox']}."]
    return "\n".join(lines)


def _tolerances(data: ReportData) -> str:
    if not data.verdict.rows:
        return ""
    rows = [_tolerance_row(row) for row in data.verdict.rows]
    return "## Tolerances\n\n" + _table(["", "tolerance", "measured", "tolerable", "margin", "n", "arithmetic"], rows)


def _tolerance_row(row: Row) -> list[str]:
    why = f"{words.reason(row.reason)}. " if row.reason else ""
    return [
        f"{_SIGNS[row.outcome]} {words.OUTCOME_WORDS[row.outcome].lower()}",
        f"{code(row.tolerance)}{'<br>' + text(row.title) if row.title else ''}",
        words.quantity(row.value, row.unit),
        words.limit(row),
        words.margin(row),
        f"{row.n:,}",
        text(why + row.arithmetic),
    ]


def _findings(data: ReportData) -> str:
    if not data.findings:
        return ""
    return "## What this run taught\n\n" + "\n\n".join(map(_finding, data.findings))


def _finding(finding: Finding) -> str:
    lines = [f"### {text(finding.kind.title())}: {text(finding.title)}", ""]
    if finding.kind != "strength":
        measured = f"{finding.severity_measured} measured ({text(finding.severity_rule)})"
        lines.append(f"- **severity** {measured}; {finding.severity_declared} declared")
    impact = "; ".join(f"{number} {what}" for number, what in facts.impact_words(finding.impact.as_json()))
    if impact:
        lines.append(f"- **impact** {text(impact)}")
    lines += [f"- **contributing factor** ({factor.basis}) {text(factor.text)}" for factor in finding.factors]
    if cause := finding.cause:
        lines.append(f"- **cause** {text(cause.title)} ({code(cause.code)})")
        lines += [f"  - evidence: {text(each)}" for each in cause.evidence]
        lines += [f"  - considered and set aside: {text(each)}" for each in cause.rivals]
        lines += [f"- **what would settle it** {text(cause.would_settle)}"] if cause.would_settle else []
        lines += [f"- **remedy** {text(cause.remedy)}"] if cause.remedy else []
    if finding.kind == "strength":
        return "\n".join(lines)
    if finding.owner:
        lines.append(f"- **owner** {text(finding.owner)}{f', due {text(finding.due)}' if finding.due else ''}")
    if finding.closed_by:
        lines.append(f"- **closed only by** {code(finding.closed_by)}")
    return "\n".join(lines)


def _roadmap(data: ReportData) -> str:
    if not data.items:
        return ""
    rows = [
        [
            code(item.id),
            text(item.title),
            facts.work_state(item),
            item.severity,
            text(item.plan.owner),
            text(item.plan.due),
            text(facts.closing(item)),
        ]
        for item in data.items
    ]
    return "## Roadmap\n\n" + _table(["item", "title", "state", "severity", "owner", "due", "closing"], rows)


def _faults(data: ReportData) -> str:
    if not data.faults:
        return ""
    rows = []
    for change in data.faults:
        dose = facts.dose_of(data, change.step)
        proof = (
            ["not looked for", "", ""]
            if dose is None
            else ["proved" if dose.proved else f"**not proved** ({text(dose.reason)})", text(dose.expected), text(dose.seen)]
        )
        rows.append([code(change.step), f"{code(change.fault)} at {text(change.dependency)}", *proof])
    return "## Was the fault really in effect?\n\n" + _table(["step", "fault", "dose", "expected", "seen"], rows)


def _changes(data: ReportData) -> str:
    if not data.changes:
        return ""
    rows = []
    for change in data.changes:
        undo = "; ".join([change.undo, *facts.notes(data, change.step)])
        rows.append([code(change.step), text(f"{change.fault}: {facts.targets(change)}"), text(undo), text(facts.fate(change))])
    return "## What was changed, and put back\n\n" + _table(["step", "change", "undo", "now"], rows)


def _again(data: ReportData) -> str:
    lines = [f"# {what}\n{command}" for what, command in facts.commands(data)]
    return (
        "## Again\n\n```sh\n"
        + "\n".join(lines)
        + f"\n```\n\nScenario revision {code(data.info.revision)}, gameday {text(data.info.tool_version)}."
    )
