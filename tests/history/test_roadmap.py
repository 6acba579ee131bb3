"""The roadmap: people's words are kept to the byte, and only a passing re-test closes an item."""

from datetime import date

import pytest

from chaos.errors import BadInput
from chaos.history import roadmap
from chaos.model.finding import Cause, Factor, Finding, Impact
from chaos.model.run import Environment, RunInfo, Subject
from chaos.model.service import Service
from chaos.model.verdict import Row, Verdict
from chaos.story import Story

SERVICE = Service.model_validate(
    {
        "format": "service/v1",
        "id": "checkout",
        "title": "Checkout",
        "team": "Payments",
        "owner": "payments-on-call",
        "tolerances": [{"id": "answered", "measure": "availability", "at_least": "99%"}],
    }
)
STORY = Story(kind="scenario", id="provider-dark", title="Dark", text="x", service=SERVICE, namespace="shop")
TODAY = date(2026, 1, 5)


def info(day=5, *, on="sandbox"):
    return RunInfo(
        id=f"202601{day:02}T090000Z-provider-dark-0001",
        scenario="provider-dark",
        environment=Environment(kind=on, name=on),
        subject=Subject(service="checkout"),
        tool_version="0",
        seed=1,
        started=f"2026-01-{day:02}T09:00:00+00:00",
    )


def finding(code="no-timeout", **more):
    values = {
        "id": "save-serving-abcdef12",
        "kind": "save",
        "title": "Checkout: 240 of 400 requests failed while payments was hit",
        "service": "checkout",
        "scenario": "provider-dark",
        "run": "r",
        "tolerances": ["answered"],
        "dependency": "payments",
        "impact": Impact(failed=240, attempted=400, minutes_outside=0.2, cost="60.00 EUR"),
        "factors": [Factor(text="Orders are answered: 160 of 400 answered = 40.00 %", basis="measured")],
        "cause": Cause(code=code, title=f"Cause {code}", evidence=["100% of 240 failures"], remedy=f"Mend {code}."),
        "severity_declared": "SEV-1",
        "severity_measured": "SEV-2",
        "severity_rule": "rule",
        "fingerprint": "abcdef123456",
        "owner": "payments-on-call",
        "due": "2026-02-04",
        "closed_by": "gameday run scenarios/provider-dark.yaml --on sandbox",
    }
    return Finding.model_validate(values | more)


def verdict(outcome="breached"):
    row = Row(tolerance="answered", measure="availability", outcome=outcome, limit=0.99, unit="share", window="whole")
    code = {"held": 0, "breached": 1, "inconclusive": 3}[outcome]
    return Verdict(run="r", scenario="provider-dark", service="checkout", outcome=outcome, exit_code=code, rows=[row])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "reports" / "roadmap"


def breach(folder, day=5, *, on="sandbox", found=None, today=TODAY):
    found = [found or finding()]
    return roadmap.update(folder, findings=found, verdict=verdict(), info=info(day, on=on), story=STORY, today=today)


def passes(folder, day, *, on="sandbox", outcome="held", story=STORY):
    return roadmap.update(folder, findings=[], verdict=verdict(outcome), info=info(day, on=on), story=story, today=TODAY)


def the_file(folder):
    (path,) = folder.iterdir()
    return path


def edit(folder, before, after):
    path = the_file(folder)
    text = path.read_bytes()
    assert before in text
    path.write_bytes(text.replace(before, after))


def test_a_save_becomes_an_item_that_a_person_can_read(folder):
    (item,) = breach(folder)
    text = the_file(folder).read_text()
    assert the_file(folder).name == "checkout-payments-serving-abcdef.yaml"
    assert (item.observed.state, item.plan.owner, item.plan.due) == ("open", "payments-on-call", "2026-02-04")
    assert "240 of 400 requests failed; the service was outside its tolerances for 12 s" in item.why
    assert item.remedy == "Mend no-timeout."
    assert item.acceptance.command == "gameday run scenarios/provider-dark.yaml --on sandbox"
    assert text.index("\ntitle:") < text.index("\nwhy:") < text.index("\nacceptance:") < text.index("\nplan:")
    assert roadmap.load_all(folder) == [item]


def test_a_second_run_updates_and_never_duplicates(folder):
    breach(folder)
    (item,) = breach(folder, 6, found=finding("no-fallback"), today=date(2026, 1, 6))
    assert item.observed.runs == [info(5).id, info(6).id]
    assert (item.observed.first_seen, item.observed.last_seen) == ("2026-01-05", "2026-01-06")
    assert item.remedy == "Mend no-fallback."
    the_file(folder)


def test_peoples_part_is_kept_to_the_byte_and_the_due_date_is_never_moved(folder):
    breach(folder)
    mine = b"""plan:
    owner:   Ada   # asked her on Monday
    due: "2026-03-31"

# a thought at the beginning of a line
    notes: |
      Two lines,
        with spaces \xc3\xa4t the end:   \r
    state: in-progress
    tracker: https://tracker.example/1
"""
    path = the_file(folder)
    path.write_bytes(path.read_bytes().partition(b"plan:\n")[0] + mine)
    (item,) = breach(folder, 6, found=finding(due="2027-01-01", owner="somebody else"))
    assert path.read_bytes().endswith(mine)
    assert (item.plan.owner, item.plan.due) == ("Ada", "2026-03-31")
    assert roadmap.state_of(item) == "in-progress"


def test_a_plan_that_people_moved_up_is_kept_as_well(folder):
    breach(folder)
    path = the_file(folder)
    head, _, plan = path.read_bytes().partition(b"plan:\n")
    path.write_bytes(b"plan:\n" + plan.replace(b"notes: ''", b"notes: mine") + head)
    breach(folder, 6)
    assert b"  notes: mine\n" in path.read_bytes()
    assert path.read_bytes().count(b"plan:\n") == 1


def test_only_a_passing_run_closes(folder):
    breach(folder)
    assert passes(folder, 6, outcome="inconclusive") == []
    (item,) = passes(folder, 7)
    assert (item.observed.state, item.observed.closed_by) == ("closed", info(7).id)


def test_a_pass_of_another_scenario_closes_nothing(folder):
    breach(folder)
    other = Story(kind="scenario", id="other", title="x", text="x", service=SERVICE, namespace="shop")
    assert passes(folder, 6, story=other) == []


def test_a_pass_on_less_than_where_it_was_found_closes_nothing(folder):
    breach(folder, on="kind")
    assert passes(folder, 6, on="sandbox") == []
    assert passes(folder, 7, on="cluster")[0].observed.state == "closed"


def test_what_a_cluster_found_later_raises_the_acceptance(folder):
    breach(folder, 5, on="sandbox")
    breach(folder, 6, on="cluster")
    assert passes(folder, 7, on="kind") == []


def test_several_passes_in_a_row_where_people_ask_for_them(folder):
    breach(folder)
    edit(folder, b"repeats: 1", b"repeats: 2")
    assert passes(folder, 6)[0].observed.state == "open"
    assert passes(folder, 6) == []  # the same run, judged again, is no second pass
    breach(folder, 7)  # and a breach starts the count anew
    assert passes(folder, 8)[0].observed.state == "open"
    assert passes(folder, 9)[0].observed.state == "closed"


def test_a_breach_reopens_and_an_old_claim_does_not_hide_it(folder):
    breach(folder)
    edit(folder, b"tracker: ''", b"tracker: ''\n  state: fix-claimed")
    assert roadmap.state_of(passes(folder, 6)[0]) == "closed"
    (item,) = breach(folder, 7)
    assert (item.observed.state, roadmap.state_of(item)) == ("reopened", "reopened")
    edit(folder, b"state: fix-claimed", b"state: in-progress")
    assert roadmap.state_of(roadmap.load_all(folder)[0]) == "in-progress"


def test_judging_an_old_run_again_changes_nothing(folder):
    breach(folder, 5)
    passes(folder, 6)
    before = the_file(folder).read_bytes()
    breach(folder, 5)
    assert the_file(folder).read_bytes() == before
    early = passes(folder, 4)  # a pass from before it was found
    assert early == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"severity: SEV-2", b"severity: [SEV-2", ":"),
        (b"severity: SEV-2", b"severity: high", "severity"),
        (b"title:", b"titel:", "title"),
        (b"tracker: ''", b"state: closed", "only a passing run"),
        (b"tracker: ''", b"state: accepted-risk", "by whom"),
    ],
)
def test_a_file_broken_by_hand_is_told_with_its_line_and_left_alone(folder, before, after, said):
    breach(folder)
    edit(folder, before, after)
    path, text = the_file(folder), the_file(folder).read_bytes()
    with pytest.raises(BadInput) as trouble:
        breach(folder, 6)
    assert f"{path}:" in str(trouble.value)
    assert said in str(trouble.value)
    assert path.read_bytes() == text


def test_an_accepted_risk_is_kept_with_who_why_and_until(folder):
    breach(folder)
    risk = b"state: accepted-risk\n  accepted_risk: {by: Ada, reason: gone in March, until: 2026-03-31}"
    edit(folder, b"tracker: ''", risk)
    (item,) = breach(folder, 6)
    assert roadmap.state_of(item) == "accepted-risk"
    assert risk in the_file(folder).read_bytes()


def test_near_misses_and_strengths_are_no_work(folder):
    near = finding(kind="near-miss")
    assert roadmap.update(folder, findings=[near], verdict=verdict("held"), info=info(), story=STORY, today=TODAY) == []
    assert not folder.exists()


def test_what_is_open_comes_first_the_worst_at_the_top(folder):
    breach(folder, found=finding(fingerprint="a" * 12, severity_measured="SEV-3"))
    breach(folder, 6, found=finding(fingerprint="b" * 12, severity_measured="SEV-1", dependency="inventory"))
    assert [item.severity for item in roadmap.load_all(folder)] == ["SEV-1", "SEV-3"]


def test_no_half_written_file_is_left_where_the_folder_cannot_be_written(folder, monkeypatch):
    breach(folder)
    path, text = the_file(folder), the_file(folder).read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match="No space left"):
        breach(folder, 6)
    assert the_file(folder) == path
    assert path.read_bytes() == text
