import pytest

from chaos.cli.deploying import deploy, wait_ready
from chaos.clock import VirtualClock
from chaos.errors import NotReady


def objects(namespace, *, image="gameday-echo:latest", budget=True, data="1"):
    labels = {"app": "a", "app.kubernetes.io/part-of": "it"}
    meta = {"namespace": namespace, "labels": {"app.kubernetes.io/part-of": "it"}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    found = [
        {"kind": "ConfigMap", "metadata": {"name": "config", **meta}, "data": {"x": data}},
        {
            "kind": "Deployment",
            "metadata": {"name": "a", **meta},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template},
        },
    ]
    budgets = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    return found + ([{"kind": "PodDisruptionBudget", "metadata": {"name": "a", **meta}, "spec": budgets}] if budget else [])


def test_deploying_again_changes_what_is_there(cluster, namespace):
    deploy(cluster, objects(namespace))
    deploy(cluster, objects(namespace, data="2"))
    assert cluster.get("ConfigMap", "config", namespace)["data"] == {"x": "2"}


def test_a_budget_that_is_not_asked_for_any_more_goes_and_others_stay(cluster, namespace):
    deploy(cluster, objects(namespace))
    foreign = {"minAvailable": 1, "selector": {"matchLabels": {"app": "b"}}}
    cluster.create({"kind": "PodDisruptionBudget", "metadata": {"name": "other", "namespace": namespace}, "spec": foreign})
    deploy(cluster, objects(namespace, budget=False))
    assert [each["metadata"]["name"] for each in cluster.find("PodDisruptionBudget", namespace)] == ["other"]


def test_what_never_becomes_ready_is_named_with_its_reason(cluster, namespace):
    deploy(cluster, objects(namespace, image="no-such-image:1"))
    told = []
    with pytest.raises(NotReady, match=r"not ready after 3 s: a \(0 of 1\)"):
        wait_ready(cluster, namespace, within=3, clock=VirtualClock(), tell=told.append)
    assert told == ["waiting for a (0 of 1)"]


def test_a_namespace_with_nothing_in_it_is_ready(cluster, namespace):
    wait_ready(cluster, namespace, within=1)
