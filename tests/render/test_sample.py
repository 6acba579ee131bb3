"""The kept sample: a recorded run gives the same verdict and the same reports again, byte for byte, without a cluster."""

import json
import re
from pathlib import Path

import pytest

from chaos.catalogue import load_story
from chaos.evaluation.judge import judge
from chaos.history import roadmap
from chaos.journal import dumps, read
from chaos.model.finding import Finding
from chaos.model.run import Plan, RunInfo
from chaos.model.verdict import Verdict
from chaos.render import html, junit, markdown
from chaos.render.report_data import ReportData
from chaos.story import Story

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"
RUN = SAMPLE / "payments-dark-on-the-busiest-day"
AGAIN = "after a wanted change: gameday judge reports/sample/payments-dark-on-the-busiest-day"


@pytest.fixture(scope="module")
def story() -> Story:
    return load_story(RUN / "inputs" / (RUN / "inputs" / "ENTRY").read_text().strip())


@pytest.fixture(scope="module")
def info() -> RunInfo:
    return RunInfo.model_validate_json((RUN / "run.json").read_bytes())


@pytest.fixture(scope="module")
def data(story: Story, info: RunInfo) -> ReportData:
    return ReportData.build(
        story,
        info,
        Plan.model_validate_json((RUN / "plan.json").read_bytes()),
        read(RUN / "journal.jsonl"),
        Verdict.model_validate_json((RUN / "verdict.json").read_bytes()),
        [Finding.model_validate(each) for each in json.loads((RUN / "findings.json").read_text())],
        roadmap.load_all(SAMPLE / "roadmap"),
    )


@pytest.mark.parametrize(
    ("name", "render"), [("report.html", html.render), ("summary.md", markdown.render), ("junit.xml", junit.render)]
)
def test_the_stored_run_is_rendered_the_same_again(data: ReportData, name: str, render) -> None:
    assert render(data) == (RUN / name).read_text(), AGAIN


def test_the_stored_run_is_judged_the_same_again(story: Story, info: RunInfo) -> None:
    verdict = judge(story, lambda: read(RUN / "journal.jsonl"), info)
    assert dumps(verdict.as_json()) == (RUN / "verdict.json").read_text(), AGAIN


def test_the_sample_shows_a_breach_with_its_cause_and_all_put_back(data: ReportData) -> None:
    assert data.verdict.outcome == "breached"
    assert data.verdict.clean
    assert [finding.cause.code for finding in data.findings if finding.kind == "save" and finding.cause] == ["no-timeout"]
    assert all(dose.proved for dose in data.doses)
    assert data.items
    assert data.unknown_kinds == {}


def test_nothing_in_the_sample_tells_of_the_machine_it_was_recorded_on() -> None:
    for path in SAMPLE.rglob("*"):
        if path.is_file() and path.suffix != ".png":
            found = re.search(r"/(home|root|work|tmp|usr|var)/|127\.\d+\.\d+\.\d+|\"operator\": \"root\"", path.read_text())
            assert not found, (path, found)
