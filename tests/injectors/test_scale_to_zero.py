"""Scaling down keeps its caps, and never overwrites what somebody else has set."""

import random

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.errors import BadInput, Conflict
from chaos.injectors import scale_to_zero
from chaos.injectors.base import Aim
from chaos.model.caps import Allowed, Caps, RaisedShare
from chaos.model.units import Exact

ALL = Caps(last_replica=Allowed(because="a test"), workload_share=RaisedShare(value=Exact(1.0), because="a test"))


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture
def make(cluster, namespace):
    """A Deployment `web`; its pods are of no interest here."""

    def make(replicas, **labels):
        cluster.create(
            {
                "kind": "Deployment",
                "apiVersion": "apps/v1",
                "metadata": {"name": "web", "namespace": namespace, "labels": labels},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "web", "image": "gameday-echo"}]},
                    },
                },
            }
        )

    return make


@pytest.fixture
def prepare(world, namespace):
    def prepare(caps=ALL, **more):
        spec = scale_to_zero.Spec.model_validate({"kind": "scale-to-zero", "deployment": "web", **more})
        aim = Aim(world=world, namespace=namespace, run="run", step="step", rng=random.Random(1), caps=caps)
        return scale_to_zero.prepare(spec, aim)

    return prepare


def replicas(world, namespace):
    return world.cluster.get("Deployment", "web", namespace)["spec"]["replicas"]


def test_down_and_back_twice(world, namespace, make, prepare):
    make(3)
    state = prepare(to=1)
    scale_to_zero.stop(state, world)
    assert replicas(world, namespace) == 3
    scale_to_zero.start(state, world)
    assert replicas(world, namespace) == 1
    assert "asks for 1 replicas, was 3: as we set it" in scale_to_zero.verify(state, world)[0]
    for _ in range(2):
        scale_to_zero.stop(state, world)
        assert replicas(world, namespace) == 3
    assert scale_to_zero.verify(state, world) == []


def test_a_number_that_somebody_else_set_is_theirs(world, namespace, make, prepare):
    make(3)
    state = prepare()
    scale_to_zero.start(state, world)
    world.cluster.patch("Deployment", "web", namespace, {"spec": {"replicas": 5}})
    scale_to_zero.stop(state, world)
    assert replicas(world, namespace) == 5
    assert "somebody else set it meanwhile" in scale_to_zero.verify(state, world)[0]


def test_what_changed_since_the_plan_is_not_struck(world, namespace, make, prepare):
    make(3)
    state = prepare()
    world.cluster.patch("Deployment", "web", namespace, {"spec": {"replicas": 4}})
    with pytest.raises(Conflict):
        scale_to_zero.start(state, world)
    assert replicas(world, namespace) == 4


def test_another_deployment_of_that_name_is_not_touched(world, namespace, make, prepare):
    make(3)
    state = prepare().model_copy(update={"uid": "another"})
    with pytest.raises(Conflict):
        scale_to_zero.start(state, world)
    world.cluster.patch("Deployment", "web", namespace, {"spec": {"replicas": 0}})
    scale_to_zero.stop(state, world)
    assert replicas(world, namespace) == 0
    assert scale_to_zero.verify(state, world) == []


def test_a_deployment_that_is_gone_leaves_nothing(world, namespace, make, prepare):
    make(3)
    state = prepare()
    scale_to_zero.start(state, world)
    world.cluster.delete("Deployment", "web", namespace)
    scale_to_zero.stop(state, world)
    assert scale_to_zero.verify(state, world) == []


@pytest.mark.parametrize(
    ("before", "to", "caps", "words"),
    [
        (1, 0, Caps(), "last replica of deployment/web; raise caps.last_replica"),
        (4, 0, Caps(last_replica=ALL.last_replica), "would take 100% of deployment/web, the cap is 50%"),
        (4, 1, Caps(), "would take 75%"),
        (2, 2, ALL, "has 2 replicas already"),
        (0, 0, ALL, "has 0 replicas already"),
    ],
)
def test_caps_are_kept_and_nothing_is_no_target(make, prepare, before, to, caps, words):
    make(before)
    with pytest.raises(BadInput, match=words):
        prepare(caps, to=to)


def test_half_of_a_workload_needs_no_cap_raised(make, prepare):
    make(4)
    assert prepare(Caps(), to=2).before == 4


def test_services_in_front_tell_the_dose(cluster, namespace, make, prepare):
    make(2)
    for name, selector in (("web", {"app": "web"}), ("other", {"app": "other"})):
        spec = {"selector": selector, "ports": [{"port": 8080}]}
        cluster.create(
            {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        )
    dose = scale_to_zero.dose(prepare())
    assert [(each.what, each.service, each.at_most) for each in dose.expect] == [("endpoints", "web", 0)]
