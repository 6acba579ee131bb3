"""Trouble with the cluster: exit 5 where nothing was touched, with the facts; whatever else happens, all is put back."""

import itertools
import json

import pytest
import yaml


def refusal(code, message):
    return code, json.dumps({"kind": "Status", "status": "Failure", "code": code, "message": message}).encode()


@pytest.fixture
def run(gameday, experiment, through_the_door, tmp_path):
    """Run the experiment through the door: exit code and what was said."""

    def run():
        return gameday("run", experiment, "--kubeconfig", through_the_door, "--reports", tmp_path / "reports")

    return run


def test_an_expired_token_is_told_and_nothing_is_touched(run, door):
    door.rule = lambda method, path: refusal(401, "Unauthorized")
    code, said = run()
    assert code == 5
    assert "Unauthorized" in said
    assert door.changes == []


def test_a_context_that_is_not_there_names_those_that_are(gameday, experiment, through_the_door):
    code, said = gameday("run", experiment, "--on", "prodution", "--kubeconfig", through_the_door)
    assert code == 5
    assert "no context prodution" in said
    assert "staging" in said


def test_a_server_that_is_not_there_is_told_by_its_context(gameday, experiment, through_the_door):
    config = yaml.safe_load(through_the_door.read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    through_the_door.write_text(yaml.safe_dump(config))
    code, said = gameday("run", experiment, "--on", "staging", "--kubeconfig", through_the_door)
    assert (code, "staging does not answer" in said) == (5, True), said


def test_a_right_that_is_missing_is_named_and_nothing_is_touched(run, door):
    def no_patch(method, path):
        return (201, b'{"status": {"allowed": false}}') if path.endswith("selfsubjectaccessreviews") else None

    door.rule = no_patch
    code, said = run()
    assert code == 5
    assert "patch deployments" in said
    assert "(undo)" in said
    assert door.changes == []


def ours(cluster, namespace):
    """What a run has made and left."""
    return [
        f"{kind}/{obj['metadata']['name']}"
        for kind in ("Deployment", "Service", "ConfigMap", "Secret", "Job", "Lease", "Role", "ServiceAccount")
        for obj in cluster.find(kind, namespace, labels="app.kubernetes.io/managed-by=gameday")
        if "deletionTimestamp" not in obj["metadata"]
    ]


def test_a_server_that_fails_now_and_then_is_asked_again(run, door, cluster, web):
    """Every fifth request fails after the strike: the undo is tried again until it works."""
    count = itertools.count(1)
    struck = lambda: any(method == "PATCH" and "deployments" in path for method, path in door.seen[:-1])  # noqa: E731
    door.rule = lambda method, path: refusal(500, "etcd leader changed") if struck() and next(count) % 5 == 0 else None
    code, said = run()
    assert code in (0, 3), said
    assert cluster.get("Deployment", "web", web)["spec"]["replicas"] == 2
    assert ours(cluster, web) == []
