"""A stored plan is run exactly, or not at all: other targets, files, clusters or prior states are refused, and named."""

import json

import pytest
import yaml

from chaos.clock import RealClock, wait_until


@pytest.fixture
def planned(gameday, experiment, through_the_door, tmp_path):
    """The plan of an experiment, stored."""

    def make(**fault):
        if fault:
            value = yaml.safe_load(experiment.read_text())
            value["fault"] = fault
            experiment.write_text(yaml.safe_dump(value))
        path = tmp_path / "plan.json"
        code, said = gameday("plan", experiment, "--kubeconfig", through_the_door, "--seed", 5, "-o", path)
        assert code == 0, said
        return path

    return make


def run(gameday, plan, through_the_door, *more):
    return gameday("run", "--plan", plan, "--kubeconfig", through_the_door, *more)


KILL = {"kind": "pod-kill", "selector": {"app": "web"}, "count": 1, "duration": "100ms"}


def test_a_plan_that_holds_is_run_with_its_seed(gameday, planned, through_the_door, door):
    code, said = run(gameday, planned(), through_the_door)
    assert code == 0, said
    assert "seed 5" in said
    assert door.changes


def test_another_pod_than_planned_is_not_struck(gameday, planned, through_the_door, door, cluster, web):
    plan = planned(**KILL)
    (target,) = json.loads(plan.read_text())["faults"][0]["targets"]
    cluster.delete("Pod", target["name"], web, grace=0)

    def replaced():
        pods = [pod for pod in cluster.find("Pod", web) if not pod["metadata"].get("deletionTimestamp")]
        return len(pods) == 2 and target["name"] not in [pod["metadata"]["name"] for pod in pods]

    assert wait_until(replaced, clock=RealClock(), within=20.0)
    door.seen.clear()
    code, said = run(gameday, plan, through_the_door)
    assert code == 2
    assert f"pod/{target['name']} ({web}) (uid {target['uid']}) would no longer be struck" in said
    assert "would be struck, which was not planned" in said
    assert door.changes == []


def test_a_changed_file_is_named(gameday, planned, through_the_door, experiment, door):
    plan = planned()
    experiment.write_text(experiment.read_text() + "# reviewed\n")
    code, said = run(gameday, plan, through_the_door)
    assert (code, "file: experiments/one-less.yaml has changed" in said) == (2, True), said
    assert door.changes == []


def test_another_prior_state_means_another_undo(gameday, planned, through_the_door, cluster, web, door):
    plan = planned()
    cluster.patch("Deployment", "web", web, {"spec": {"replicas": 3}})
    door.seen.clear()
    code, said = run(gameday, plan, through_the_door)
    assert code == 2
    assert "back from 1 to 2; now:" in said
    assert "back from 1 to 3" in said
    assert door.changes == []


def test_another_cluster_is_named_and_asked_for_nothing_of_the_plan(gameday, planned, through_the_door, door, web):
    plan = planned()
    value = json.loads(plan.read_text())
    value["environment"]["fingerprint"] = "f" * 32
    plan.write_text(json.dumps(value))
    door.seen.clear()
    code, said = run(gameday, plan, through_the_door)
    assert (code, f"cluster: planned for staging (fingerprint {'f' * 32})" in said) == (2, True), said
    assert [path for _, path in door.seen if web in path] == []


@pytest.mark.parametrize("text", ["", "[]", '{"format": "plan/v1"}', "\0"])
def test_what_is_no_plan_is_bad_input(gameday, tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text)
    code, said = gameday("run", "--plan", path)
    assert (code, "is no plan that" in said) == (2, True)


def test_a_plan_takes_one_file_and_no_other_seed(gameday, planned, through_the_door, experiment):
    plan = planned()
    assert run(gameday, plan, through_the_door, experiment, experiment)[0] == 2
    assert run(gameday, plan, through_the_door, "--seed", 6)[0] == 2
    assert gameday("run")[0] == 2


def test_another_story_than_planned_is_refused(gameday, planned, through_the_door, experiment):
    plan = planned()
    other = experiment.with_name("other.yaml")
    other.write_text(experiment.read_text().replace("one-less", "other"))
    code, said = run(gameday, plan, through_the_door, other)
    assert (code, "the plan is for one-less, not for other" in said) == (2, True)
