"""Pods are resized in place and get back exactly what they had; what could not be put back is refused."""

import pytest

from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, Conflict
from chaos.injectors import cpu_squeeze, memory_squeeze

HAD = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
CPU = {"kind": "cpu-squeeze", "selector": {"app": "web"}, "count": 1}
MEMORY = {"kind": "memory-squeeze", "selector": {"app": "web"}, "count": 1}


def resources(cluster, namespace):
    found = cluster.find("Pod", namespace, labels={"app": "web"})
    return [each["spec"]["containers"][0]["resources"] for each in found]


def test_limit_and_request_go_down_and_come_back(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=2, resources=HAD)
    state = prepared(**CPU, to="50m")
    cpu_squeeze.start(state, struck_world)
    after = {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"cpu": "50m", "memory": "128Mi"}}
    assert sorted(resources(cluster, namespace), key=str) == sorted([after, HAD], key=str)
    for _ in range(2):
        cpu_squeeze.stop(state, struck_world)
        assert resources(cluster, namespace) == [HAD, HAD]
    assert cpu_squeeze.verify(state, struck_world) == []


def test_a_request_below_the_new_limit_stays(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources=HAD)
    memory_squeeze.start(prepared(**MEMORY, to="96Mi"), struck_world)
    assert resources(cluster, namespace)[0]["requests"]["memory"] == "64Mi"
    assert resources(cluster, namespace)[0]["limits"]["memory"] == "96Mi"


def test_a_guaranteed_pod_stays_guaranteed(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources={"limits": {"cpu": "200m", "memory": "128Mi"}})
    cpu_squeeze.start(prepared(**CPU, to="0.05"), struck_world)
    assert resources(cluster, namespace)[0]["requests"]["cpu"] == "50m"


def test_what_somebody_else_gave_a_pod_meanwhile_stays(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources=HAD)
    state = prepared(**CPU, to="50m")
    cpu_squeeze.start(state, struck_world)
    patch = [{"op": "replace", "path": "/spec/containers/0/resources/limits/cpu", "value": "300m"}]
    cluster.patch("Pod", state.pods[0].pod, namespace, patch, how="json", subresource="resize")
    cpu_squeeze.stop(state, struck_world)
    assert resources(cluster, namespace)[0]["limits"]["cpu"] == "300m"
    assert "somebody else" in cpu_squeeze.verify(state, struck_world)[0]


def test_a_pod_resized_since_the_plan_is_not_touched(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources=HAD)
    state = prepared(**CPU, to="50m")
    patch = [{"op": "replace", "path": "/spec/containers/0/resources/limits/cpu", "value": "300m"}]
    cluster.patch("Pod", state.pods[0].pod, namespace, patch, how="json", subresource="resize")
    with pytest.raises(Conflict):
        cpu_squeeze.start(state, struck_world)


def test_a_pod_that_was_replaced_meanwhile_needs_nothing(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources=HAD)
    state = prepared(**CPU, to="50m")
    cpu_squeeze.start(state, struck_world)
    cluster.delete("Pod", state.pods[0].pod, namespace, grace=0)
    cpu_squeeze.stop(state, struck_world)
    assert cpu_squeeze.verify(state, struck_world) == []


def test_clean_means_that_the_kubelet_has_carried_it_out(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=1, resources=HAD, image="gameday-echo")
    assert wait_until(lambda: told(cluster, namespace) == HAD, clock=RealClock(), within=10.0)
    state = prepared(**CPU, to="50m")
    name = state.pods[0].pod
    slow = {"limits": {"cpu": "50m"}}
    before = cluster.get("Pod", name, namespace)["status"]
    kubelet = {**before, "containerStatuses": [{**before["containerStatuses"][0], "resources": slow}]}
    cluster.patch("Pod", name, namespace, {"status": kubelet}, subresource="status")
    assert "its kubelet still gives it 50m" in cpu_squeeze.verify(state, struck_world)[0]


def told(cluster, namespace):
    statuses = cluster.find("Pod", namespace)[0]["status"].get("containerStatuses") or [{}]
    return statuses[0].get("resources")


@pytest.mark.parametrize(
    ("resources", "raw", "words"),
    [
        ({"requests": {"cpu": "100m"}}, {**CPU, "to": "50m"}, "no cpu limit"),
        (HAD, {**CPU, "to": "200m"}, "200m already"),
        (HAD, {**CPU, "to": "0.2"}, "200m already"),
        (HAD, {**CPU, "to": "5m"}, "the least is 10m"),
        (HAD, {**MEMORY, "to": "4Mi"}, "the least is 6Mi"),
        (HAD, {**CPU, "to": "50m", "container": "side"}, "no container side"),
        (HAD, {**CPU, "to": "50m", "count": 3}, "only 2 match"),
        (HAD, {**CPU, "to": "50m", "selector": {"app": "wbe"}}, "matches no pod"),
    ],
)
def test_what_could_not_be_felt_or_put_back_is_refused(resources, raw, words, deploy, prepared):
    deploy(resources=resources)
    with pytest.raises(BadInput, match=words):
        prepared(**raw)


def test_caps_hold(deploy, prepared, all_caps):
    deploy(resources=HAD)
    with pytest.raises(BadInput, match="last ready replica"):
        prepared(all_caps.model_copy(update={"last_replica": None}), **CPU, to="50m")


def test_notes_tell_of_restarts_and_of_room_that_may_be_gone(deploy, prepared):
    deploy(resources=HAD, resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}])
    told = " ".join(prepared(**MEMORY, to="32Mi").notes)
    assert "restarted by its resize policy" in told
    assert "the way back has to wait" in told
    assert "resize policy" not in " ".join(prepared(**CPU, to="150m").notes)
