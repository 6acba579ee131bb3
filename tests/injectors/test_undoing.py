"""Undo calls put back what we left there, twice if need be, and never what is somebody else's by now."""

import pytest

from chaos.clients.world import World
from chaos.errors import Conflict, NotFound
from chaos.injectors import undoing
from chaos.injectors.base import FaultState, own_labels
from chaos.model.undo import PatchBack, RestoreData


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=None)


@pytest.fixture
def state(namespace):
    return FaultState(namespace=namespace, run="run-1", step="step-1")


@pytest.fixture
def config(cluster, namespace):
    obj = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "app", "namespace": namespace},
        "data": {"mode": "good"},
    }
    return cluster.create(obj)


def mode(cluster, namespace):
    return cluster.get("ConfigMap", "app", namespace)["data"]["mode"]


def patch_back(config, *more):
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": config["metadata"]["uid"]},
        {"op": "test", "path": "/data/mode", "value": "bad"},
        {"op": "replace", "path": "/data/mode", "value": "good"},
        *more,
    ]
    return PatchBack(kind="ConfigMap", name="app", namespace=config["metadata"]["namespace"], patch=patch)


def test_a_patch_restores_what_we_left_there_and_does_so_twice(cluster, world, namespace, config):
    cluster.patch("ConfigMap", "app", namespace, {"data": {"mode": "bad"}})
    call = patch_back(config)
    assert "as we left it" in undoing.still_changed([call], world)[0]
    for _ in range(2):
        undoing.put_back([call], world)
        assert mode(cluster, namespace) == "good"
        assert undoing.still_changed([call], world) == []


def test_a_patch_leaves_somebody_elses_value_alone_and_says_so(cluster, world, namespace, config):
    cluster.patch("ConfigMap", "app", namespace, {"data": {"mode": "theirs"}})
    undoing.put_back([patch_back(config)], world)
    assert mode(cluster, namespace) == "theirs"
    assert "somebody else" in undoing.still_changed([patch_back(config)], world)[0]


def test_another_object_of_the_same_name_is_never_touched(cluster, world, namespace, config):
    cluster.delete("ConfigMap", "app", namespace)
    undoing.put_back([patch_back(config)], world)
    assert undoing.still_changed([patch_back(config)], world) == []
    cluster.create({**config, "metadata": {"name": "app", "namespace": namespace}, "data": {"mode": "bad"}})
    undoing.put_back([patch_back(config)], world)
    assert mode(cluster, namespace) == "bad"
    assert undoing.still_changed([patch_back(config)], world) == []


def test_a_key_that_we_added_is_taken_out(cluster, world, namespace, config):
    cluster.patch("ConfigMap", "app", namespace, {"data": {"mode": "bad", "extra/key": "x"}})
    call = patch_back(config, {"op": "remove", "path": "/data/extra~1key"})
    assert "/data/extra~1key" in undoing.still_changed([call], world)[0]


def test_an_item_taken_out_of_a_list_is_known_by_the_tests(cluster, world, namespace, config):
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s", "namespace": namespace}}
    spec = {"ports": [{"name": "b", "port": 8001}, {"name": "a", "port": 8000}], "selector": {"app": "x"}}
    found = cluster.create({**service, "spec": spec})
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": found["metadata"]["uid"]},
        {"op": "test", "path": "/spec/ports/0", "value": found["spec"]["ports"][0]},
        {"op": "remove", "path": "/spec/ports/0"},
    ]
    call = PatchBack(kind="Service", name="s", namespace=namespace, patch=patch)
    assert "as we left it" in undoing.still_changed([call], world)[0]
    undoing.put_back([call], world)
    undoing.put_back([call], world)
    assert [port["name"] for port in cluster.get("Service", "s", namespace)["spec"]["ports"]] == ["a"]
    assert undoing.still_changed([call], world) == []


def test_only_what_bears_our_labels_is_deleted(cluster, world, state):
    call = undoing.delete_own(state, "ConfigMap", "mine")
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "mine", "namespace": state.namespace}}
    cluster.create(obj)
    undoing.put_back([call], world)
    assert cluster.get("ConfigMap", "mine", state.namespace)
    assert undoing.still_changed([call], world) == []
    cluster.patch("ConfigMap", "mine", state.namespace, {"metadata": {"labels": own_labels(state)}})
    assert undoing.still_changed([call], world) == [f"configmap/mine in {state.namespace} is still there"]
    for _ in range(2):
        undoing.put_back([call], world)
        with pytest.raises(NotFound):
            cluster.get("ConfigMap", "mine", state.namespace)
    assert undoing.still_changed([call], world) == []


def kept(cluster, state, config, data, **more):
    """The undo Secret is there and the object has `data`, as after a strike; gives the undo call."""
    cluster.create(undoing.undo_secret(state, "undo-app", config))
    expected = undoing.fingerprint(data)
    if data is not None:
        patch = [{"op": "add", "path": "/data", "value": data}]
        cluster.patch("ConfigMap", "app", state.namespace, patch, how="json")
    ids = {"name": "app", "namespace": state.namespace, "uid": config["metadata"]["uid"]}
    return RestoreData(kind="ConfigMap", undo_secret="undo-app", expected=expected, **ids, **more)


def secrets(cluster, namespace):
    return [each["metadata"]["name"] for each in cluster.find("Secret", namespace)]


def test_data_comes_back_whole_from_the_undo_secret_which_then_goes(cluster, world, state, config):
    call = kept(cluster, state, config, {"mode": "bad", "new": "key"})
    assert "that we gave it; what it was is kept in secret/undo-app" in undoing.still_changed([call], world)[0]
    for _ in range(2):
        undoing.put_back([call], world)
        assert cluster.get("ConfigMap", "app", state.namespace)["data"] == {"mode": "good"}
        assert secrets(cluster, state.namespace) == []
    assert undoing.still_changed([call], world) == []


def test_data_that_somebody_else_changed_stays_and_so_does_what_it_was(cluster, world, state, config):
    call = kept(cluster, state, config, {"mode": "bad"})
    cluster.patch("ConfigMap", "app", state.namespace, {"data": {"mode": "theirs"}})
    undoing.put_back([call], world)
    assert mode(cluster, state.namespace) == "theirs"
    assert secrets(cluster, state.namespace) == ["undo-app"]
    assert "somebody else" in undoing.still_changed([call], world)[0]


def test_an_undo_secret_whose_strike_never_came_just_goes(cluster, world, state, config):
    call = kept(cluster, state, config, None)
    undoing.put_back([call], world)
    assert mode(cluster, state.namespace) == "good"
    assert secrets(cluster, state.namespace) == []


def test_an_object_that_we_took_away_is_made_again(cluster, world, state, config):
    call = kept(cluster, state, config, None, recreate=True)
    cluster.delete("ConfigMap", "app", state.namespace)
    assert "is not there" in undoing.still_changed([call], world)[0]
    for _ in range(2):
        undoing.put_back([call], world)
        assert mode(cluster, state.namespace) == "good"
        assert secrets(cluster, state.namespace) == []


def test_an_object_that_somebody_else_made_again_is_theirs(cluster, world, state, config):
    call = kept(cluster, state, config, None, recreate=True)
    cluster.delete("ConfigMap", "app", state.namespace)
    cluster.create({**config, "metadata": {"name": "app", "namespace": state.namespace}, "data": {"mode": "theirs"}})
    undoing.put_back([call], world)
    assert mode(cluster, state.namespace) == "theirs"
    assert secrets(cluster, state.namespace) == ["undo-app"]
    assert "somebody else" in undoing.still_changed([call], world)[0]


def test_an_object_that_somebody_made_again_as_it_was_is_no_left_over(cluster, world, state, config):
    call = kept(cluster, state, config, None, recreate=True)
    cluster.delete("ConfigMap", "app", state.namespace)
    cluster.create({**config, "metadata": {"name": "app", "namespace": state.namespace}})
    assert undoing.still_changed([call], world) == []
    undoing.put_back([call], world)
    assert secrets(cluster, state.namespace) == []


def test_of_some_keys_only_these_are_compared_and_put_back(cluster, world, state, config):
    cluster.patch("ConfigMap", "app", state.namespace, {"data": {"a/b": "was", "lost": "was"}})
    config = cluster.get("ConfigMap", "app", state.namespace)
    call = kept(cluster, state, config, None)
    call = call.model_copy(update={"keys": ["a/b", "lost"], "expected": undoing.fingerprint({"a/b": "ours"})})
    cluster.patch("ConfigMap", "app", state.namespace, {"data": {"a/b": "ours", "lost": None, "mode": "theirs"}})
    assert "that we gave it" in undoing.still_changed([call], world)[0]
    undoing.put_back([call], world)
    assert cluster.get("ConfigMap", "app", state.namespace)["data"] == {"a/b": "was", "lost": "was", "mode": "theirs"}
    assert (undoing.still_changed([call], world), secrets(cluster, state.namespace)) == ([], [])


def test_a_key_lost_with_all_others_comes_back(cluster, world, state, config):
    call = kept(cluster, state, config, None).model_copy(update={"keys": ["mode"], "expected": undoing.fingerprint({})})
    cluster.patch("ConfigMap", "app", state.namespace, {"data": None})
    undoing.put_back([call], world)
    assert mode(cluster, state.namespace) == "good"


def test_trouble_at_the_server_is_raised_to_be_tried_again(world, config):
    class Busy:
        def patch(self, *_, **__):
            raise Conflict("the object has been modified", status=409)

    with pytest.raises(Conflict):
        undoing.put_back([patch_back(config)], World(cluster=Busy(), proxies=None))
