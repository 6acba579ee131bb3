import json

import pytest

from chaos.ledger import Entry, Ledger, LedgerHeader, ledger_folder
from chaos.model.run import Environment


@pytest.fixture
def reports(empty):
    """Three stored runs, one of them never judged, and `latest`."""
    for day, outcome in (("01", "held"), ("02", "breached"), ("03", "")):
        folder = empty / "reports" / f"2026-01-{day}-run"
        folder.mkdir(parents=True)
        info = {
            "id": folder.name,
            "started": f"2026-01-{day}T10:00:00Z",
            "scenario": "s",
            "environment": {"kind": "sandbox", "name": "sandbox"},
        }
        (folder / "run.json").write_text(json.dumps(info))
        (folder / "summary.md").write_text(f"# day {day}\n")
        if outcome:
            (folder / "verdict.json").write_text(json.dumps({"outcome": outcome, "exit_code": 0}))
    (empty / "reports" / "latest").symlink_to("2026-01-03-run")
    (empty / "reports" / "roadmap").mkdir()
    return empty / "reports"


def left(reports):
    return sorted(path.name for path in reports.iterdir() if path.name.startswith("2026"))


def test_runs_are_listed_newest_first(gameday, reports):
    rows = json.loads(gameday("runs", "list", "--json").out)
    assert [(row["id"], row["outcome"]) for row in rows] == [
        ("2026-01-03-run", "not judged"),
        ("2026-01-02-run", "breached"),
        ("2026-01-01-run", "held"),
    ]
    assert rows == json.loads(gameday("list", "runs", "--json").out)


def test_prune_keeps_the_newest_and_never_the_roadmap(gameday, reports):
    assert "2 runs would go" in gameday("runs", "prune", "--keep", 1, "--dry-run").out
    assert len(left(reports)) == 3
    assert gameday("runs", "prune", "--keep", 1).code == 0
    assert left(reports) == ["2026-01-03-run"]
    assert (reports / "roadmap").is_dir()
    assert (reports / "latest").is_symlink()


def test_prune_takes_the_link_to_a_run_that_goes(gameday, reports):
    gameday("runs", "prune", "--older-than", "1d")
    assert left(reports) == []
    assert not (reports / "latest").is_symlink()


def test_prune_by_age_goes_by_the_start(gameday, reports):
    assert "0 runs deleted" in gameday("runs", "prune", "--older-than", "36500d").out
    assert gameday("runs", "prune", "--older-than", "90").code == 2
    assert gameday("runs", "prune").code == 2


def test_prune_leaves_a_run_that_something_is_to_be_put_back_for(gameday, reports, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    header = LedgerHeader(run="2026-01-01-run", scenario="s", environment=Environment(kind="sandbox", name="s"), started="now")
    ledger = Ledger(ledger_folder() / "2026-01-01-run.ledger", header)
    ledger.intend(Entry(id="e", fault="pod-kill", step="s", undo="nothing", state={}))
    ledger.close(clean=False)
    gameday("runs", "prune", "--keep", 0)
    assert left(reports) == ["2026-01-01-run"]


def test_a_report_is_shown_by_id_by_path_and_as_the_latest(gameday, reports):
    assert gameday("report").out == "# day 03\n"
    assert gameday("report", "2026-01-01-run").out == "# day 01\n"
    assert gameday("report", reports / "2026-01-02-run").out == "# day 02\n"
    assert gameday("report", "-o", "out.md").code == 0
    assert (reports.parent / "out.md").read_text() == "# day 03\n"


def test_a_run_that_is_not_there_names_the_nearest(gameday, reports):
    answer = gameday("report", "2026-01-04-run")
    assert answer.code == 2
    assert "did you mean" in answer.err or "the newest is" in answer.err
    assert gameday("judge", "nothing-like-it").code == 2


def test_a_report_that_was_never_made_says_what_to_do(gameday, reports):
    answer = gameday("report", "--format", "html")
    assert answer.code == 2
    assert "gameday judge 2026-01-03-run" in answer.err


def test_nothing_to_recover_is_fine(gameday, empty, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(empty / "state"))
    answer = gameday("recover")
    assert (answer.code, "Nothing to put back" in answer.out) == (0, True)
    assert gameday("recover", "--json").out == "[]\n"
    assert gameday("recover", "no-such-run").code == 2
