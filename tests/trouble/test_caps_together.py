"""What the cluster alone shows to be too much is refused at its place in the file, and nothing is touched."""

import re

import pytest

SCENARIO = """\
format: scenario/v1
id: two-nodes
title: Two nodes are looked after on the same afternoon
story: Two people drain a node each, and neither knows of the other.
service: browse
severity: SEV-3
severe_because: Half of the capacity is away.
plausibility: [{kind: exercise, date: 2026-01-05, ref: none}]
namespace: NAMESPACE
load:
  target: {service: web, port: 8080}
  locustfile: ten.py
  rate: 5/s
steps:
  - id: first
    fault: {kind: node-cordon, node: sandbox-worker, duration: 4s}
  - id: second
    at: SECONDs
    fault: {kind: node-cordon, node: sandbox-worker2, duration: 4s}
"""
SERVICE = """\
format: service/v1
id: browse
title: Browse
team: shop
owner: shop
tolerances: [{id: answered, measure: availability, at_least: 99%}]
"""


@pytest.fixture
def plan(gameday, web, cluster, tmp_path, through_the_door):
    """Plan two cordons, the second so many seconds after the first."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "browse.yaml").write_text(SERVICE)
    (tmp_path / "ten.py").write_text("from locust import HttpUser\n")
    ports = [{"name": "http", "port": 8080, "targetPort": 8080}]
    meta = {"name": "web", "namespace": web}
    cluster.create(
        {"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": {"selector": {"app": "web"}, "ports": ports}}
    )

    def plan(second, caps=""):
        path = tmp_path / "two-nodes.yaml"
        path.write_text(SCENARIO.replace("NAMESPACE", web).replace("SECOND", str(second)) + caps)
        return gameday("plan", path, "--kubeconfig", through_the_door)

    return plan


def test_two_nodes_at_once_are_refused_with_their_place_and_the_cap_that_is_asked_for(plan, door):
    code, said = plan(2)
    assert code == 2
    assert re.search(r"two-nodes\.yaml:17:5: step second: together with step first this would strike 2 nodes at once", said)
    assert "caps: {nodes: {value: 2, because: ...}}" in said
    assert door.changes == []


def test_one_after_the_other_or_with_a_reason_they_are_planned(plan):
    assert plan(4)[0] == 0
    code, said = plan(2, "caps: {nodes: {value: 2, because: there are three}}\n")
    assert (code, "there are three" in said) == (0, True), said
