"""Deployments, replica sets, disruption budgets, quotas: what the controllers keep true."""

import json

import pytest

from chaos.errors import Conflict, Forbidden, Refused


def image(name):
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}}


def budget(namespace, **spec):
    meta = {"name": "budget", "namespace": namespace}
    selector = {"matchLabels": {"app": "web"}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": {"selector": selector} | spec}


def test_a_deleted_pod_is_replaced(web, cluster, namespace, ready):
    before = {pod["metadata"]["uid"] for pod in ready(namespace)}
    for pod in cluster.find("Pod", namespace):
        cluster.delete("Pod", pod["metadata"]["name"], namespace, uid=pod["metadata"]["uid"], grace=0)
    after = {pod["metadata"]["uid"] for pod in ready(namespace)}
    assert len(after) == 2
    assert not before & after


def test_scaling_through_the_subresource(web, cluster, raw, namespace, ready):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web/scale"
    _, scale = raw("GET", path)
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 2}, {"replicas": 2, "selector": "app=web"})
    assert raw("PUT", path, scale | {"spec": {"replicas": 3}})[1]["spec"]["replicas"] == 3
    assert raw("PUT", path, scale | {"spec": {"replicas": 9}})[0] == 409, "the scale that was read is stale by now"
    assert len(ready(namespace)) == 3
    cluster.patch("Deployment", "web", namespace, {"spec": {"replicas": 0}}, subresource="scale")
    assert ready(namespace) == []
    assert raw("PATCH", path, {"spec": {"replicas": -1}}, content="application/merge-patch+json")[0] == 422


def test_a_roll_out_keeps_enough_pods_and_ends_with_new_ones(cluster, raw, namespace, make, ready):
    cluster.create(make.deployment(namespace, replicas=4))
    before = {pod["metadata"]["uid"] for pod in ready(namespace)}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    start = raw("GET", path)[1]["metadata"]["resourceVersion"]
    cluster.patch("Deployment", "web", namespace, image("gameday-echo:2"), how="strategic")
    after = ready(namespace)
    assert not before & {pod["metadata"]["uid"] for pod in after}
    assert {pod["spec"]["containers"][0]["image"] for pod in after} == {"gameday-echo:2"}
    history = raw("GET", f"{path}?watch=1&resourceVersion={start}&timeoutSeconds=0.1")[1]
    states = [json.loads(line)["object"]["status"] for line in history.splitlines()]
    assert len(states) > 4
    assert min(state.get("availableReplicas", 0) for state in states) >= 3
    assert max(state.get("replicas", 0) for state in states) <= 5


def test_a_bad_image_stops_a_roll_out_with_most_pods_standing(cluster, namespace, make, ready, until):
    cluster.create(make.deployment(namespace, replicas=4))
    ready(namespace)
    cluster.patch("Deployment", "web", namespace, image("nosuch:1"), how="strategic")

    def stuck():
        status = cluster.get("Deployment", "web", namespace)["status"]
        return (status.get("updatedReplicas"), status.get("readyReplicas"), status.get("unavailableReplicas")) == (2, 3, 2)

    until(stuck)
    condition = {each["type"]: each["status"] for each in cluster.get("Deployment", "web", namespace)["status"]["conditions"]}
    assert condition == {"Available": "True", "Progressing": "True"}
    cluster.patch("Deployment", "web", namespace, image("gameday-echo:1"), how="strategic")
    ready(namespace)
    sets = cluster.find("ReplicaSet", namespace)
    assert sorted(each["spec"]["replicas"] for each in sets) == [0, 4], "going back takes the old replica set up again"
    revisions = sorted(each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for each in sets)
    assert revisions == ["2", "3"]


def test_recreate_ends_the_old_before_the_new(cluster, namespace, make, ready, until):
    stubborn = make.deployment(namespace, env=[{"name": "STUBBORN", "value": "1"}], terminationGracePeriodSeconds=1)
    stubborn["spec"]["strategy"] = {"type": "Recreate"}
    cluster.create(stubborn)
    old = ready(namespace)[0]["metadata"]["uid"]
    cluster.patch("Deployment", "web", namespace, image("gameday-echo:2"), how="strategic")

    def present():
        return {pod["metadata"]["uid"] for pod in cluster.find("Pod", namespace)}

    until(lambda: present() != {old})
    assert old not in present(), "it had its grace before anything new began"
    ready(namespace)


def test_a_relabelled_pod_is_let_go_and_taken_back(web, cluster, namespace, ready, until):
    pod = ready(namespace)[0]["metadata"]["name"]
    cluster.patch("Pod", pod, namespace, {"metadata": {"labels": {"app": "alone"}}})
    until(lambda: not cluster.get("Pod", pod, namespace)["metadata"].get("ownerReferences"))
    assert len(ready(namespace)) == 2
    cluster.patch("Pod", pod, namespace, {"metadata": {"labels": {"app": "web"}}})
    until(
        lambda: (
            len([each for each in cluster.find("Pod", namespace, labels="app") if "deletionTimestamp" not in each["metadata"]])
            == 2
        )
    )


@pytest.mark.parametrize(
    ("spec", "allowed"), [({"minAvailable": 1}, 1), ({"minAvailable": "100%"}, 0), ({"maxUnavailable": 2}, 2)]
)
def test_a_budget_counts(web, cluster, namespace, until, spec, allowed):
    cluster.create(budget(namespace, **spec))
    names = ("currentHealthy", "expectedPods", "disruptionsAllowed")

    def counts():
        status = cluster.get("PodDisruptionBudget", "budget", namespace).get("status", {})
        return [status.get(name) for name in names]

    until(lambda: counts() == [2, 2, allowed])


def test_an_eviction_is_refused_by_a_budget_and_else_deletes(web, cluster, raw, namespace, ready, until):
    first, second = (pod["metadata"] for pod in ready(namespace))
    cluster.create(budget(namespace, minAvailable=1))
    until(lambda: cluster.get("PodDisruptionBudget", "budget", namespace).get("status", {}).get("disruptionsAllowed"))
    with pytest.raises(Conflict, match="does not match"):
        cluster.evict(first["name"], namespace, uid="another")
    cluster.evict(first["name"], namespace, uid=first["uid"], grace=0)
    with pytest.raises(Refused, match="would violate the pod's disruption budget"):
        cluster.evict(second["name"], namespace)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": second["name"]}}
    status, answer = raw("POST", f"/api/v1/namespaces/{namespace}/pods/{second['name']}/eviction", body)
    assert (status, answer["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
    assert "needs 1 healthy pods and has 1 currently" in answer["details"]["causes"][0]["message"]


def test_a_quota_refuses_pods_and_says_so(cluster, namespace, make, until):
    meta = {"name": "quota", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "1"}}})
    cluster.create(make.deployment(namespace, replicas=2))
    until(lambda: cluster.get("ResourceQuota", "quota", namespace).get("status", {}).get("used") == {"pods": "1"})

    def failure():
        conditions = cluster.get("Deployment", "web", namespace).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == "ReplicaFailure"), None)

    assert "exceeded quota: quota, requested: pods=1, used: pods=1, limited: pods=1" in until(failure)["message"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": namespace}}
    with pytest.raises(Forbidden, match="exceeded quota"):
        cluster.create(pod | {"spec": {"containers": [{"name": "a", "image": "gameday-echo"}]}})
    cluster.delete("ResourceQuota", "quota", namespace)
    until(lambda: len(cluster.find("Pod", namespace)) == 2)
