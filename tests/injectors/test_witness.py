"""The witness's pod on the sandbox: made once, read through the API server, gone afterwards."""

import os
import random
import threading
import uuid
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, Conflict, NotReady
from chaos.injectors import witness, witness_program
from chaos.injectors.base import LABEL_RUN, Aim
from chaos.injectors.table import FITTINGS
from chaos.model.caps import Caps
from chaos.model.dose import Dose, Expectation, Route
from chaos.probes.dose import cleared, prove, routes_of
from chaos.probes.witness import Witness

ECHO = {
    "sandbox": {"name": "echo", "image": "gameday-echo:latest", "env": [{"name": "PORT", "value": "8080"}]},
    "cluster": {"name": "echo", "image": "python:3.13-slim", "command": ["python", "-m", "http.server", "8080"]},
}


@pytest.fixture(params=["sandbox", pytest.param("cluster", marks=pytest.mark.cluster)])
def where(request):
    return request.param


@pytest.fixture
def cluster(where, request):
    if where == "cluster":
        return connect(Path(os.environ["KUBECONFIG"]))
    return connect(request.getfixturevalue("kubeconfig"))


@pytest.fixture
def namespace(cluster):
    name = f"witness-{uuid.uuid4().hex[:6]}"
    cluster.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
    yield name
    cluster.delete("Namespace", name)


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=None)


def prepared(world, namespace, routes=(), image="python:3.13-slim"):
    aim = Aim(
        world=world,
        namespace=namespace,
        run="20260105-090000-abc",
        step="witness",
        rng=random.Random(1),
        caps=Caps(),
        images={"python": image},
    )
    return witness.prepare(witness.Spec(routes=list(routes)), aim)


def seen(cluster, namespace):
    """Pods and config maps, without the one that every real namespace has."""
    found = [obj["metadata"]["name"] for kind in ("Pod", "ConfigMap") for obj in cluster.find(kind, namespace)]
    return [name for name in found if name != "kube-root-ca.crt"]


def test_preparing_changes_nothing_and_names_follow_from_the_run(world, cluster, namespace):
    state = prepared(world, namespace)
    assert prepared(world, namespace).pod == state.pod
    assert seen(cluster, namespace) == []
    assert witness.State.model_validate_json(state.model_dump_json()) == state
    assert FITTINGS["witness"] is witness


def test_more_routes_than_it_can_read_are_refused(world, namespace):
    assert witness.MOST_ROUTES == witness_program.MOST_ROUTES
    routes = [Route(name=f"r{number}", host="web", port=8080) for number in range(33)]
    with pytest.raises(BadInput, match="33 routes"):
        prepared(world, namespace, routes)


def test_it_is_made_once_and_taken_away_for_good(world, cluster, namespace):
    state = prepared(world, namespace)
    witness.stop(state, world)  # safe before the start
    witness.start(state, world)
    witness.start(state, world)
    assert seen(cluster, namespace) == [state.pod, state.pod]
    assert len(witness.verify(state, world)) == 2
    witness.stop(state, world)
    witness.stop(state, world)
    assert wait_until(lambda: not witness.verify(state, world), clock=RealClock(), within=10)
    assert seen(cluster, namespace) == []


def test_what_bears_our_name_but_is_not_ours_is_left_alone(world, cluster, namespace):
    state = prepared(world, namespace)
    cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": state.pod, "namespace": namespace}})
    with pytest.raises(Conflict):
        witness.start(state, world)
    witness.stop(state, world)
    assert witness.verify(state, world) == []
    assert seen(cluster, namespace) == [state.pod]


def test_an_image_that_cannot_be_pulled_is_told_at_once(world, namespace):
    with pytest.raises(NotReady, match="ImagePull"):
        witness.start(prepared(world, namespace, image="nowhere/python:1"), world)


def test_every_object_carries_the_run_and_no_credentials(world, cluster, namespace):
    state = prepared(world, namespace)
    witness.start(state, world)
    pod = cluster.get("Pod", state.pod, namespace)
    assert pod["metadata"]["labels"][LABEL_RUN] == state.run
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["activeDeadlineSeconds"] == state.life
    assert pod["spec"]["restartPolicy"] == "Never"
    witness.stop(state, world)


@pytest.fixture
def echo(where, cluster, namespace):
    """A Service with one pod behind it, and the way to take that pod out of it."""
    for name in ("target", "other"):
        meta = {"name": name, "namespace": namespace}
        cluster.create(
            {
                "kind": "Service",
                "apiVersion": "v1",
                "metadata": meta,
                "spec": {"selector": {"app": name}, "ports": [{"port": 8080, "targetPort": 8080}]},
            }
        )
        cluster.create(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {**meta, "labels": {"app": name}},
                "spec": {"containers": [ECHO[where]], "terminationGracePeriodSeconds": 0},
            }
        )
    addresses = {name: cluster.get("Service", name, namespace)["spec"]["clusterIP"] for name in ("target", "other")}
    return {name: Route(name=name, host=address, port=8080) for name, address in addresses.items()}


def test_a_dose_is_proved_and_cleared_with_real_readings(world, cluster, namespace, echo):
    dose = Dose(
        expect=[Expectation(what="route-fails", route=echo["target"], connections=["new"])],
        control=[echo["other"]],
        words="cut off",
    )
    state = prepared(world, namespace, routes_of([dose]))
    witness.start(state, world)
    eyes = Witness(cluster, namespace, state.pod)
    clock, stop = RealClock(), threading.Event()

    def healthy():
        return sum(each["ok"] for each in eyes.readings()) > 20

    assert wait_until(healthy, clock=clock, within=10)
    before = [each for each in eyes.readings() if each["ok"]]
    assert all(abs(each["at"] - clock.now()) < 10 for each in before)

    common = {"cluster": cluster, "witness": eyes, "before": before, "clock": clock, "stop": stop}
    cluster.patch("Service", "target", namespace, {"spec": {"selector": {"app": "nobody"}}})
    result = prove(dose, step="cut", fault="service-blackhole", **common)
    assert result.proved, result.seen
    cluster.patch("Service", "target", namespace, {"spec": {"selector": {"app": "target"}}})
    assert cleared(dose, **common).clean
    witness.stop(state, world)


def test_routes_can_be_set_while_it_runs_and_a_witness_that_is_gone_has_no_readings(world, cluster, namespace, echo):
    state = prepared(world, namespace)
    witness.start(state, world)
    eyes = Witness(cluster, namespace, state.pod)
    assert eyes.set_routes([echo["target"]])
    assert wait_until(lambda: bool(eyes.readings()), clock=RealClock(), within=5)
    last = eyes.readings()[-1]["seq"]
    assert all(each["seq"] > last for each in eyes.readings(last))
    assert eyes.readings(10**9), "a number from before a restart does not hide what came after it"
    witness.stop(state, world)
    assert wait_until(lambda: not witness.verify(state, world), clock=RealClock(), within=10)
    assert eyes.readings() == []
    assert "cannot be reached" in eyes.trouble or "answered" in eyes.trouble
    assert not eyes.set_routes([])
