"""A rollout counts by the Deployment's own strategy; a bad image is put back only where it still is ours."""

import pytest

from chaos.errors import BadInput, Conflict
from chaos.injectors import bad_image, rollouts


def deployment(replicas=4, **strategy):
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "strategy": strategy}}


@pytest.mark.parametrize(
    ("strategy", "replicas", "taken"),
    [
        ({"type": "Recreate"}, 3, 3),
        ({}, 4, 1),  # the default: a quarter, rounded down
        ({}, 2, 0),
        ({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, 4, 0),
        ({"rollingUpdate": {"maxUnavailable": "50%", "maxSurge": 0}}, 3, 1),
        ({"rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0}}, 3, 1),  # both come to nothing: one it is
        ({"rollingUpdate": {"maxUnavailable": 9}}, 3, 3),
    ],
)
def test_how_many_pods_a_rollout_takes_before_new_ones_are_ready(strategy, replicas, taken):
    assert rollouts.taken_at_once(deployment(replicas, **strategy)) == taken


def test_a_rollout_that_takes_more_than_the_caps_is_refused(deploy, prepared, all_caps):
    deploy(replicas=4, spec={"strategy": {"rollingUpdate": {"maxUnavailable": 3, "maxSurge": 0}}})
    capped = all_caps.model_copy(update={"workload_share": None})
    with pytest.raises(BadInput, match="3 of 4 pods"):
        prepared(capped, kind="bad-image", deployment="web")
    assert "3 of 4 pods go" in prepared(kind="bad-image", deployment="web").notes[0]


def test_a_rollout_that_takes_the_last_ready_pod_is_refused(deploy, prepared, all_caps):
    deploy(replicas=1, spec={"strategy": {"type": "Recreate"}})
    with pytest.raises(BadInput, match="last ready replica"):
        prepared(all_caps.model_copy(update={"last_replica": None}), kind="bad-image", deployment="web")


def test_a_strategy_that_keeps_all_old_pods_is_told_and_needs_no_cap_raised(deploy, prepared, all_caps):
    deploy(replicas=1, spec={"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}})
    assert "lets no old pod go" in prepared(all_caps.model_copy(update={"last_replica": None}), **RAW).notes[0]


RAW = {"kind": "bad-image", "deployment": "web"}


@pytest.mark.parametrize(("change", "words"), [({"paused": True}, "paused"), ({"replicas": 0}, "no replicas")])
def test_what_would_roll_out_nothing_is_refused(change, words, cluster, namespace, deploy, prepared):
    deploy()
    cluster.patch("Deployment", "web", namespace, {"spec": change})
    with pytest.raises(BadInput, match=words):
        prepared(**RAW)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"image": "gameday-none"}, "runs gameday-none already"),
        ({"container": "side"}, "no container side; it has main"),
        ({"deployment": "wbe"}, "no deployment wbe"),
    ],
)
def test_what_is_not_there_is_refused(raw, words, deploy, prepared):
    deploy()
    with pytest.raises(BadInput, match=words):
        prepared(**{**RAW, **raw})


def test_with_several_containers_one_must_be_named(cluster, namespace, deploy, prepared):
    deploy()
    more = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "gameday-none"}]}}}}
    cluster.patch("Deployment", "web", namespace, more, how="strategic")
    with pytest.raises(BadInput, match="several containers"):
        prepared(**RAW)
    assert prepared(**RAW, container="side").container == "side"


def image(cluster, namespace):
    return cluster.get("Deployment", "web", namespace)["spec"]["template"]["spec"]["containers"][0]["image"]


def released(cluster, namespace, image):
    theirs = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}
    cluster.patch("Deployment", "web", namespace, theirs, how="strategic")


def test_a_release_that_somebody_else_made_meanwhile_stays_and_is_told(cluster, namespace, deploy, prepared, struck_world):
    deploy()
    state = prepared(**RAW)
    bad_image.start(state, struck_world)
    assert image(cluster, namespace) == state.image != state.before
    released(cluster, namespace, "theirs:2")
    bad_image.stop(state, struck_world)
    assert image(cluster, namespace) == "theirs:2"
    assert "somebody else" in bad_image.verify(state, struck_world)[0]


def test_a_release_since_the_plan_is_not_overwritten(cluster, namespace, deploy, prepared, struck_world):
    deploy()
    state = prepared(**RAW)
    released(cluster, namespace, "theirs:2")
    with pytest.raises(Conflict):
        bad_image.start(state, struck_world)
    assert image(cluster, namespace) == "theirs:2"


def test_the_default_image_is_one_that_no_registry_can_have(deploy, prepared):
    deploy()
    assert prepared(**RAW).image.partition("/")[0].endswith(".invalid")
