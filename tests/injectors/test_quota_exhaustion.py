"""Our quota comes and goes; pods that run go on, and a namespace that is full already is not struck."""

import pytest

from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, Forbidden
from chaos.injectors import quota_exhaustion as fault

RAW = {"kind": "quota-exhaustion"}


def quota(cluster, namespace, **hard):
    meta = {"name": "theirs", "namespace": namespace}
    return cluster.create({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": meta, "spec": {"hard": hard}})


def test_pods_that_run_go_on_and_no_other_is_admitted(cluster, namespace, deploy, prepared, struck_world):
    deploy(replicas=2)
    state = prepared(**RAW)
    fault.start(state, struck_world)
    pod = {"containers": [{"name": "main", "image": "gameday-none"}]}
    with pytest.raises(Forbidden, match=state.quota):
        cluster.create({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "new", "namespace": namespace}, "spec": pod})
    assert len(cluster.find("Pod", namespace)) == 2
    fault.stop(state, struck_world)
    cluster.create({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "new", "namespace": namespace}, "spec": pod})
    assert fault.verify(state, struck_world) == []


def test_a_quota_of_somebody_else_by_that_name_stays(cluster, namespace, prepared, struck_world):
    state = prepared(**RAW)
    meta = {"name": state.quota, "namespace": namespace}
    cluster.create({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": meta, "spec": {"hard": {"pods": "9"}}})
    fault.stop(state, struck_world)
    assert cluster.get("ResourceQuota", state.quota, namespace)["spec"]["hard"] == {"pods": "9"}
    assert fault.verify(state, struck_world) == []


def test_a_namespace_without_room_is_not_struck(cluster, namespace, deploy, prepared):
    quota(cluster, namespace, pods="1")
    deploy(replicas=1)
    told = wait_until(
        lambda: cluster.get("ResourceQuota", "theirs", namespace).get("status", {}).get("used") == {"pods": "1"},
        clock=RealClock(),
        within=10.0,
    )
    assert told
    with pytest.raises(BadInput, match="resourcequota/theirs leaves no room"):
        prepared(**RAW)


def test_notes_say_that_it_is_felt_by_new_pods_only(prepared):
    assert "pods that run go on" in prepared(**RAW).notes[0]
