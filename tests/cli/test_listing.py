import json

import pytest

WHAT = ("faults", "scenarios", "experiments", "services", "runs", "roadmap")


@pytest.mark.parametrize("what", WHAT)
def test_each_list_is_one_json_array(gameday, empty, what):
    answer = gameday("list", what, "--json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    assert isinstance(rows, list)
    assert bool(rows) == (what not in ("runs", "roadmap"))
    assert answer.out.count("\n") == 1


@pytest.mark.parametrize("what", WHAT)
def test_each_list_can_be_read_by_people(gameday, empty, what):
    answer = gameday("list", what)
    assert answer.code == 0
    assert answer.out.strip()


def test_faults_say_what_they_do_and_which_right_they_need(gameday):
    rows = {row["fault"]: row for row in json.loads(gameday("list", "faults", "--json").out)}
    assert {"pod-kill", "latency", "vendor-outage", "scale-to-zero"} <= set(rows)
    assert rows["pod-kill"]["privilege"] == "api"
    assert "selector" in rows["pod-kill"]["keys"]
    assert all(row["does"] for row in rows.values())


def test_ones_own_files_hide_shipped_ones_of_the_same_name_and_broken_ones_are_shown(gameday, empty):
    folder = empty / "scenarios" / "services"
    folder.mkdir(parents=True)
    (folder / "checkout.yaml").write_text("format: service/v1\nid: checkout\ntitle: Ours\n")
    (folder / "broken.yaml").write_text("a: [")
    rows = {row["id"]: row for row in json.loads(gameday("list", "services", "--json").out)}
    assert rows["checkout"]["title"] == "Ours"
    assert rows["broken"]["title"].startswith("cannot be read")
    assert "browse" in rows


def test_a_folder_without_runs_says_how_to_get_one(gameday, empty):
    assert "gameday demo" in gameday("list", "runs").out
