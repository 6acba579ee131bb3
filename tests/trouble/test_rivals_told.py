"""Whoever would fight the undo is named in the plan and in every report, for whatever fault."""

import pytest
import yaml


@pytest.fixture
def synced(cluster, web):
    """`web` is synced by Argo CD."""
    metadata = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web"}}
    cluster.patch("Deployment", "web", web, {"metadata": metadata})


def test_a_rival_is_named_in_plan_and_report(gameday, experiment, through_the_door, synced, tmp_path):
    place = ("--kubeconfig", through_the_door)
    code, said = gameday("plan", experiment, *place)
    assert (code, "Argo CD application shop" in said) == (0, True), said
    code, said = gameday("run", experiment, *place, "--reports", tmp_path / "reports")
    assert (code, "Argo CD application shop" in said) == (0, True), said
    for name in ("report.html", "summary.md"):
        assert "Argo CD application shop" in (tmp_path / "reports" / "latest" / name).read_text(), name


def test_a_fault_that_changes_no_object_has_no_rivals(gameday, experiment, through_the_door, synced):
    value = yaml.safe_load(experiment.read_text())
    value["fault"] = {"kind": "pod-kill", "selector": {"app": "web"}, "count": 1}
    experiment.write_text(yaml.safe_dump(value))
    code, said = gameday("plan", experiment, "--kubeconfig", through_the_door)
    assert (code, "Argo CD" in said) == (0, False), said
