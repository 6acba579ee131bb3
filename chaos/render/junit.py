"""The verdict as JUnit XML: one test case a tolerance; breached = failure, inconclusive = error, nothing is ever skipped."""

import re
from xml.etree import ElementTree as ET

from chaos.model.verdict import Row
from chaos.render import words
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(data: ReportData) -> str:
    """A document with at least one test case, which is green only when the run is."""
    suite = ET.Element("testsuite", name=_text(data.story.id), timestamp=_text(data.info.started.split("+")[0]))
    suite.set("hostname", _text(data.info.environment.name))
    _properties(suite, data)
    for row in data.verdict.rows:
        _case(suite, data, row)
    _beyond_tolerances(suite, data)
    cases = suite.findall("testcase")
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": 0,
    }
    root = ET.Element("testsuites", name="gameday")
    for element in (root, suite):
        for name, number in counts.items():
            element.set(name, str(number))
        element.set("time", f"{data.length:.3f}")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(suite: ET.Element, data: ReportData) -> None:
    properties = ET.SubElement(suite, "properties")
    for name, value in {
        "run": data.info.id,
        "service": data.story.service.id,
        "environment": data.info.environment.kind,
        "release": data.info.subject.release,
        "revision": data.info.revision,
        "seed": str(data.info.seed),
        "put_back": "yes" if banner(data).put_back_ok else "no",
    }.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))


def _case(suite: ET.Element, data: ReportData, row: Row) -> None:
    case = _new_case(suite, data, row.tolerance)
    length = (row.end or 0.0) - (row.start or 0.0)
    case.set("time", f"{max(0.0, length):.3f}")
    if row.outcome == "breached":
        said = f"{words.quantity(row.value, row.unit)}, {words.limit(row)} ({words.margin(row)})"
        _told(case, "failure", said, row.arithmetic, row.measure)
    elif row.outcome == "inconclusive":
        _told(case, "error", words.reason(row.reason or "no-data"), row.arithmetic, row.reason or "no-data")
    out = "\n".join(filter(None, [row.title, row.arithmetic, f"window {row.window}, n {row.n:,}"]))
    ET.SubElement(case, "system-out").text = _text(out)


def _beyond_tolerances(suite: ET.Element, data: ReportData) -> None:
    """What no tolerance says, and yet must not look green: left-overs, and a run that judged nothing."""
    top = banner(data)
    if not top.put_back_ok:
        _told(_new_case(suite, data, "everything-put-back"), "error", top.put_back, "\n".join(top.commands), "left-over")
    if data.verdict.outcome != "held" and all(row.outcome == "held" for row in data.verdict.rows):
        kind = "failure" if data.verdict.outcome == "breached" else "error"
        _told(_new_case(suite, data, "verdict"), kind, top.sentence, top.sentence, data.verdict.reason or data.verdict.outcome)


def _new_case(suite: ET.Element, data: ReportData, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=_text(f"{data.story.service.id}.{data.story.id}"), name=_text(name), time="0.000"
    )


def _told(case: ET.Element, kind: str, message: str, text: str, type: str) -> None:
    ET.SubElement(case, kind, message=_text(message), type=_text(type)).text = _text(text or message)


def _text(text: str) -> str:
    """Only what XML may hold: a control character in a pod's name must not break the file."""
    return _NOT_XML.sub("\ufffd", text)
