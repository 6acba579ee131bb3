"""A disruption budget that lets nothing be moved becomes work, which only a run in which the pods leave can close."""

import json

import pytest
import yaml

from chaos.clock import RealClock, wait_until


@pytest.fixture
def slow(cluster, web):
    """A new pod of `web` needs two seconds until it is ready: long enough that a budget of one keeps the second."""
    probe = {"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 2, "periodSeconds": 1}
    containers = [{"name": "web", "readinessProbe": probe}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    changed = cluster.patch("Deployment", "web", web, patch, how="strategic")["metadata"]["generation"]

    def rolled_out():
        status = cluster.get("Deployment", "web", web)["status"]
        counts = [status.get(key, 0) for key in ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas")]
        return counts == [changed, 2, 2, 2] and len(cluster.find("Pod", web)) == 2

    assert wait_until(rolled_out, clock=RealClock(), within=20.0)


@pytest.fixture
def budget(cluster, web):
    """How many pods of `web` the budget spares."""

    def put(spared):
        meta = {"name": "web", "namespace": web}
        spec = {"maxUnavailable": spared, "selector": {"matchLabels": {"app": "web"}}}
        obj = {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": meta, "spec": spec}
        if cluster.find("PodDisruptionBudget", web):
            cluster.patch("PodDisruptionBudget", "web", web, {"spec": {"maxUnavailable": spared}})
        else:
            cluster.create(obj)

        def counted():
            status = cluster.get("PodDisruptionBudget", "web", web).get("status", {})
            return status.get("disruptionsAllowed") == spared

        assert wait_until(counted, clock=RealClock(), within=10.0)

    return put


@pytest.fixture
def run(gameday, experiment, through_the_door, tmp_path):
    """Ask both pods of `web` to leave: exit code, what was said, and the findings."""
    value = yaml.safe_load(experiment.read_text())
    value["fault"] = {"kind": "eviction", "selector": {"app": "web"}, "percent": "100%", "patience": "0s", "duration": "1s"}
    value["caps"] = {
        "last_replica": {"because": "the budget is what is asked"},
        "workload_share": {"value": "100%", "because": "the budget is what is asked"},
    }
    experiment.write_text(yaml.safe_dump(value))
    reports = tmp_path / "reports"

    def run():
        code, said = gameday("run", experiment, "--kubeconfig", through_the_door, "--reports", reports)
        return code, said, json.loads((reports / "latest" / "findings.json").read_text())

    return run


def items(tmp_path):
    return [yaml.safe_load(path.read_text()) for path in (tmp_path / "reports" / "roadmap").glob("*.yaml")]


@pytest.mark.timeout(120)  # two whole runs
def test_what_can_never_be_moved_is_work_until_it_can(run, budget, cluster, web, slow, tmp_path):
    budget(0)
    before = {pod["metadata"]["uid"] for pod in cluster.find("Pod", web)}
    code, said, found = run()
    assert code == 0, said
    assert {pod["metadata"]["uid"] for pod in cluster.find("Pod", web)} == before, "a dry run moves nobody"
    (save,) = found
    assert (save["kind"], save["cause"]["code"]) == ("save", "pdb-allows-none")
    assert "disruption budget web declined every eviction of deployment/web" in save["title"]
    assert "disruption budget web kept 2 of 2 pods, and declines still" in said
    (item,) = items(tmp_path)
    assert (item["observed"]["state"], item["remedy"]) == ("open", save["cause"]["remedy"])
    assert "insists on 2 healthy pods of 2" in item["why"]
    assert item["acceptance"]["tolerances"]

    budget(1)
    code, said, found = run()
    assert code == 0, said
    assert [each["kind"] for each in found] == ["strength"]
    assert "leave a few at a time" in found[0]["title"]
    assert [each["observed"]["state"] for each in items(tmp_path)] == ["closed"]
