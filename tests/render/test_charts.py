"""What the picture shows: strikes that hold, strikes that are over at once, surges, doses, outages."""

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as ET

from chaos.render.charts import figure
from chaos.render.happenings import Change, DoseShown, StepShown
from chaos.render.panels import outages
from chaos.render.phases import phase_table
from chaos.render.report_data import ReportData

Ending = Callable[[str], ReportData]


def classes(data: ReportData) -> dict[str, list[ET.Element]]:
    """The drawn elements by their class; parsing proves that the picture is well-formed."""
    found: dict[str, list[ET.Element]] = {}
    for element in ET.fromstring(str(figure(data, data.focus, id="f").svg)).iter():
        found.setdefault(element.get("class", ""), []).append(element)
    return found


def test_a_fault_that_holds_is_a_bar_and_shades_every_panel(breached: ReportData) -> None:
    drawn = classes(breached)
    (bar,) = drawn["strike-bar"]
    shades = drawn["shade"]
    assert len(shades) == len(drawn["panel-title"])
    assert {shade.get("x") for shade in shades} == {bar.get("x")}
    assert bar.findtext("title") == "vendor-outage · payments: struck at 9.0 s, undone at 21.0 s"
    assert len(drawn["dose"]) == 1


def test_a_fault_that_is_over_at_once_is_a_mark_and_a_line(breached: ReportData) -> None:
    killed = Change(step="kill", entry="kill", fault="pod-kill", dependency="checkout", at={"struck": 9.0, "undone": 9.0})
    drawn = classes(replace(breached, changes=[killed], doses=[]))
    assert len(drawn["strike-mark"]) == 1
    assert "strike-bar" not in drawn
    assert "shade" not in drawn
    assert len(drawn["strike"]) == len(drawn["panel-title"])
    assert "dose" not in drawn


def test_a_missing_dose_is_a_cross(breached: ReportData) -> None:
    missing = DoseShown(
        11.0, "provider-dark", "vendor-outage", proved=False, expected="", seen="nothing", reason="dose-missing"
    )
    drawn = classes(replace(breached, doses=[missing]))
    assert "dose" not in drawn
    assert drawn["dose-missing"][0].findtext("title") == "dose NOT proved at 11.0 s: nothing"


def test_a_surge_has_a_lane_of_its_own(breached: ReportData) -> None:
    surge = StepShown(step="surge", type="load", title="Twice the customers", start=9.0, end=15.0)
    drawn = classes(replace(breached, steps=[*breached.steps, surge]))
    assert len(drawn["surge-bar"]) == 1
    assert any(each.text == "load · Twice the customers" for each in drawn["lane-name on-bar"])


def test_many_faults_do_not_grow_the_picture_for_ever(breached: ReportData) -> None:
    many = [
        Change(step=f"s{n}", entry=f"s{n}", fault="latency", dependency="inventory", at={"struck": 9.0, "undone": 12.0})
        for n in range(30)
    ]
    drawn = classes(replace(breached, changes=many))
    assert len(drawn["strike-bar"]) == 8
    assert any(each.text == "and 22 more, listed below" for each in drawn["tick"])


def test_stretches_without_an_answer_are_marked(breached: ReportData) -> None:
    assert outages(breached.points("checkout")) == [(10.0, 21.0)]
    assert outages(breached.points("browse")) == []
    (outage,) = classes(breached)["outage"]
    assert outage.findtext("title") == "no answer for about 11 s"


def test_a_probe_is_a_strip_of_what_was_as_expected_and_what_was_not(breached: ReportData) -> None:
    drawn = classes(breached)
    assert len(drawn["probe-good"]) == 2
    assert len(drawn["probe-bad"]) == 1
    assert drawn["probe-bad"][0].findtext("title") == "not as expected, 14.5 s to 15.5 s"


def test_a_stop_is_marked(ending: Ending) -> None:
    assert any(each.text == "stopped here" for each in classes(ending("stopped"))["lane-name"])


def test_the_table_says_the_same_as_the_picture(breached: ReportData) -> None:
    rows = {row.name: row for row in phase_table(breached, "checkout")}
    assert list(rows) == ["warm-up", "baseline", "fault", "recovery"]
    total = breached.series.total("checkout")
    assert sum(row.attempted for row in rows.values()) == total.attempted
    assert sum(row.failed for row in rows.values()) == rows["fault"].failed == total.failed
    assert rows["baseline"].answered == 1.0
