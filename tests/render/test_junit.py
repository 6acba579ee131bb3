"""JUnit as a CI server reads it: the reader is junitparser."""

from collections.abc import Callable

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from chaos.render import junit
from chaos.render.report_data import ReportData

Ending = Callable[[str], ReportData]


def cases(data: ReportData) -> dict[str, TestCase]:
    document = JUnitXml.fromstring(junit.render(data).encode())
    found = {case.name: case for suite in document for case in suite}
    assert document.tests == len(found)
    assert document.failures == sum(isinstance(r, Failure) for case in found.values() for r in case.result)
    assert document.errors == sum(isinstance(r, Error) for case in found.values() for r in case.result)
    return found


def kinds(data: ReportData) -> dict[str, list[type]]:
    return {name: [type(result) for result in case.result] for name, case in cases(data).items()}


def test_one_case_a_tolerance_and_a_breach_is_a_failure(breached: ReportData) -> None:
    found = kinds(breached)
    assert list(found) == [row.tolerance for row in breached.verdict.rows]
    assert found["orders-answered"] == [Failure]
    assert found["no-order-lost"] == []


def test_a_failure_says_the_arithmetic(breached: ReportData) -> None:
    (failure,) = cases(breached)["orders-answered"].result
    assert failure.message == "42 %, at least 95 % (53 points short)"
    assert failure.text == "68 of 162 answered = 41.98 %, outside at least 95 %"


@pytest.mark.parametrize("name", ["inconclusive", "stopped", "crashed", "unfinished", "empty"])
def test_inconclusive_is_an_error_and_never_green(ending: Ending, name: str) -> None:
    found = kinds(ending(name))
    assert found
    assert all(result == [Error] for result in found.values())


def test_what_is_held_is_green(ending: Ending) -> None:
    assert all(result == [] for result in kinds(ending("held")).values())


def test_left_overs_are_never_green_even_when_all_tolerances_held(ending: Ending) -> None:
    from dataclasses import replace

    data = ending("held")
    left = replace(data, verdict=data.verdict.model_copy(update={"clean": False, "exit_code": 4}))
    assert kinds(left)["everything-put-back"] == [Error]


def test_nothing_is_ever_skipped(any_run: ReportData) -> None:
    assert all(Skipped not in results for results in kinds(any_run).values())


def test_names_with_control_characters_still_give_a_document(ending: Ending) -> None:
    data = ending("hostile")
    data.verdict.rows[0].spec["x"] = "\x00"
    row = data.verdict.rows[0].model_copy(update={"arithmetic": "pod \x00\x1b[31m \ud800 red"})
    data.verdict.rows[0] = row
    assert "pod" in str(cases(data)["orders-answered"].result[0].text)


def test_a_suite_tells_where_it_ran(breached: ReportData) -> None:
    document = JUnitXml.fromstring(junit.render(breached).encode())
    suite = next(iter(document))
    assert isinstance(suite, TestSuite)
    properties = {each.name: each.value for each in suite.properties()}
    assert properties["environment"] == "sandbox"
    assert properties["release"] == "weak"
    assert properties["put_back"] == "yes"
