from pathlib import Path

import pytest

from chaos.catalogue import Library, check, load_stories, load_story
from chaos.errors import BadInput

STORY = "scenarios/story.yaml"


def refusal(*paths) -> list[str]:
    with pytest.raises(BadInput) as refused:
        load_stories(paths)
    return [str(problem) for problem in refused.value.problems]


def test_a_scenario_becomes_a_story_with_all_that_it_refers_to(project):
    story = load_story(project.story)
    assert (story.kind, story.id, story.service.id, story.tags) == ("scenario", "story", "checkout", ("vendor",))
    assert {name: fault.selector for name, fault in story.faults.items()} == {"kill": {"app": "x"}, "slow": {"app": "y"}}
    assert [(each.id, getattr(each, "at_least", None)) for each in story.tolerances] == [("answered", 0.995), ("fast", None)]
    assert story.locustfile == project.folder / "scenarios/load/shop.py"
    assert story.steps[1].title == "Slow"


def test_its_files_are_frozen_and_give_the_same_story_elsewhere(project, tmp_path_factory, monkeypatch):
    story = load_story(project.story)
    assert sorted(story.files) == [
        "experiments/slow-pods.yaml",
        "scenarios/load/helper.py",
        "scenarios/load/shop.py",
        "scenarios/services/checkout.yaml",
        "scenarios/story.yaml",
    ]
    inputs = tmp_path_factory.mktemp("inputs")
    for name, content in story.files.items():
        (inputs / name).parent.mkdir(parents=True, exist_ok=True)
        (inputs / name).write_bytes(content)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = load_story(inputs / story.entry)
    assert again.revision == story.revision
    assert again.faults == story.faults
    assert again.tolerances == story.tolerances


def test_a_story_that_strikes_needs_a_place(project):
    project.change("scenarios/story.yaml", "namespace: shop\n", "")
    told = [line.partition(": ")[2] for line in refusal(project.story)]
    assert told == [
        f"step {each} needs a namespace, and the scenario has none; for example namespace: shop" for each in ("kill", "slow")
    ]


def test_the_revision_changes_with_any_file(project):
    before = load_story(project.story).revision
    project.change("scenarios/load/helper.py", "1", "2")
    assert load_story(project.story).revision != before


def test_a_nearer_service_hides_a_shipped_one(project):
    assert load_story(project.story).service.team == "a"


def test_a_shipped_scenario_is_found_from_an_empty_folder(tmp_path, monkeypatch):
    from chaos.catalogue import ids

    monkeypatch.chdir(tmp_path)
    assert "checkout" in ids("services")


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (STORY, "service: checkout", "service: chekout", f"{STORY}:5:10: service: there is no chekout; did you mean checkout?"),
        (STORY, "slow-pods", "slow-pod", f"{STORY}:22:17: experiment: there is no slow-pod; did you mean slow-pods?"),
        (STORY, "load/shop.py", "load/shp.py", f"{STORY}:13:15: locustfile: there is no load/shp.py; there are load/helper.py, load/shop.py"),
        (STORY, "load/shop.py", "../x.py", f"{STORY}:13:15: locustfile: ../x.py lies outside the folder of this file"),
        (STORY, "load/shop.py", "/etc/x.py", f"{STORY}:13:15: locustfile: /etc/x.py lies outside the folder of this file"),
        (STORY, "at_least: 99.5%", "at_least: 98%", f"{STORY}:26:53: answered: looser than, or other than, what service checkout promises"),
        (STORY, "measure: availability, at_least: 99.5%", "measure: longest-outage, at_most: 1s", f"{STORY}:26:54: answered: looser than"),
        (STORY, "{id: answered, measure: availability, at_least: 99.5%}", "{id: p50, measure: latency, percentile: 50, at_most: 2s}", "p50 may be slower than p95"),
        (STORY, "{id: answered, measure: availability, at_least: 99.5%}", "{id: more, measure: availability, at_least: 99.9%}", "more: contradicts answered"),
        (STORY, "probe: alive", "probe: alvie", f"{STORY}:28:39: alvie: is no probe of this scenario; did you mean alive?"),
        (STORY, "id: slow\n", "id: kill\n", f"{STORY}:21:9: id: kill is taken; first in line 19"),
        (STORY, "    hold: 5s", "    hold: 5s\n    after: kil", f"{STORY}:25:12: kil: is no step before this one; did you mean kill?"),
        (STORY, "  - id: kill\n", "  - id: kill\n    after: wait\n", f"{STORY}:20:12: after: wait comes later"),
        (STORY, "count: 1}", "count: 1, duration: 0s}", f"{STORY}:20:69: duration: is missing or nothing"),
        (STORY, "hold: 5s", "load: {users: 5, duration: 3s}", f"{STORY}:24:11: load: give rate, as the scenario's load does"),
        (STORY, "hold: 5s", "check: {probe: {id: alive, kind: http, url: /}}", f"{STORY}:24:25: id: alive names another probe already"),
        (STORY, "hold: 5s", "inject: {to: support, text: hi}", f"{STORY}:24:18: support: is no role of this scenario"),
        (STORY, "format: scenario/v1", "format: scenaro/v1", f"{STORY}:1:9: format: 'scenaro/v1' is not known; did you mean scenario/v1?"),
        (STORY, "format: scenario/v1\n", "", f"{STORY}:1:1: format: is missing"),
        (STORY, "format: scenario/v1", "format: service/v1", f"{STORY}:"),
        ("scenarios/services/checkout.yaml", "id: checkout", "id: other", "scenarios/services/checkout.yaml:2:5: id: other is found by its file's name"),
        ("scenarios/services/checkout.yaml", "team: a", "taem: a", "scenarios/services/checkout.yaml:4:1: taem: unknown key; did you mean team?"),
        ("scenarios/services/checkout.yaml", "measure: availability", "measure: lost-transactions", "at_least: unknown key"),
        ("experiments/slow-pods.yaml", "count: 1", "count: none", "experiments/slow-pods.yaml:6:52: count: expected a whole number, found 'none'"),
        ("scenarios/load/shop.py", "import helper", "import (", "scenarios/load/shop.py:1:8: is not Python"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands(project, file, old, new, problem):
    project.change(file, old, new)
    assert any(problem in line for line in refusal(project.story)), refusal(project.story)


def test_a_lost_transaction_cannot_be_counted_without_a_ledger(project):
    project.change(STORY, "  ledger: {url: /orders, ids: id}\n", "")
    project.change(
        "scenarios/services/checkout.yaml",
        "  - {id: fast",
        "  - {id: lost, measure: lost-transactions, at_most: 0}\n  - {id: fast",
    )
    assert refusal(project.story)[0].startswith(f"{STORY}:12:3: lost: lost-transactions cannot be counted without load.ledger")


def test_a_probe_of_the_service_must_be_in_the_scenario(project):
    project.change(
        "scenarios/services/checkout.yaml", "  - {id: fast", "  - {id: up, measure: probe, probe: gone}\n  - {id: fast"
    )
    assert refusal(project.story)[0].startswith(f"{STORY}:5:10: gone: is no probe of this scenario, but tolerance up reads it")


def test_a_tolerance_that_never_binds_is_refused(project):
    project.change(
        STORY, "99.5%}", "99.5%}\n  - {id: late, measure: longest-outage, at_most: 1s, window: recovery, after: 15s}"
    )
    assert refusal(project.story) == [f"{STORY}:27:5: late: never binds: it begins 15s into a recovery of 15s"]


def test_the_mistakes_of_several_files_are_told_together(project):
    other = project.write("scenarios/other.yaml", project.story.read_text().replace("rate: 20/s", "rate: 20"))
    project.change(STORY, "hold: 5s", "hold: 5")
    lines = refusal(project.story, other, Path("missing.yaml"))
    assert [line.split(":")[0] for line in lines] == [STORY, "scenarios/other.yaml", "missing.yaml"]


def test_a_mistake_in_a_shared_service_is_told_once(project):
    other = project.write("scenarios/other.yaml", project.story.read_text())
    project.change("scenarios/services/checkout.yaml", "team: a", "taem: a")
    assert len([line for line in refusal(project.story, other) if "taem" in line]) == 1


def test_tags_choose_among_stories(project):
    other = project.write(
        "scenarios/other.yaml", project.story.read_text().replace("id: story", "id: other").replace("[vendor]", "[pods]")
    )
    assert [story.id for story in load_stories([project.story, other], ["pods"])] == ["other"]
    with pytest.raises(BadInput, match="none of the files is tagged zzz; tags here: pods, vendor"):
        load_stories([project.story, other], ["zzz"])


def test_a_lone_experiment_is_judged_by_its_probes_before_and_after(project):
    story = load_story(project.folder / "experiments/slow-pods.yaml")
    assert (story.kind, story.load, story.namespace) == ("experiment", None, "shop")
    assert [(each.id, each.window, each.after) for each in story.tolerances] == [
        ("ready-before", "baseline", 0.0),
        ("ready-after", "recovery", 5.0),
    ]
    assert list(story.faults) == ["fault"]


def test_an_experiment_without_probes_cannot_run_alone_but_is_no_mistake(project):
    project.change("experiments/slow-pods.yaml", "probes:\n  - {id: ready, kind: pods-ready, selector: {app: y}}\n", "")
    path = project.folder / "experiments/slow-pods.yaml"
    assert check(path, Library()) == "experiment"
    assert "probes: are needed to judge an experiment that runs alone" in refusal(path)[0]


def test_a_service_can_be_checked_but_not_run(project):
    path = project.folder / "scenarios/services/checkout.yaml"
    assert check(path, Library()) == "service"
    assert "a service cannot be run" in refusal(path)[0]


def test_a_locustfile_that_is_a_link_to_the_outside_is_refused(project):
    outside = project.write("secret.py", "X = 1\n")
    (project.folder / "scenarios/load/shop.py").unlink()
    (project.folder / "scenarios/load/shop.py").symlink_to(outside)
    assert "lies outside the folder" in refusal(project.story)[0]
