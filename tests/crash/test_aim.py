"""Whom a run may strike: never more than the caps allow, never an untrusted cluster, never while planning, never two at once."""

import json
import math
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from harness.ground import FAULTS, ROOT, Runner, until
from harness.traps import is_act
from harness.wire import Wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos.cli import main
from chaos.clients.world import World
from chaos.errors import BadInput
from chaos.injectors.base import Aim
from chaos.injectors.table import INJECTORS
from chaos.model.caps import Caps

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))


# -- caps --------------------------------------------------------------------------------------------------------------


class Objects:
    """A cluster of plain objects that can only be read."""

    def __init__(self, objects):
        self._objects = objects

    def find(self, kind, namespace="", *, labels=None, fields=""):
        wanted = (labels or {}).items()
        return [
            each
            for each in self._objects
            if each["kind"] == kind
            and namespace in ("", each["metadata"].get("namespace"))
            and all(each["metadata"].get("labels", {}).get(key) == value for key, value in wanted)
        ]

    def get(self, kind, name, namespace=""):
        found = [each for each in self.find(kind, namespace) if each["metadata"]["name"] == name]
        return found[0]


def _cluster(workloads):
    """Deployments with their replica sets and pods; a workload is (app label, tier label, readiness of each pod)."""
    objects = []
    for number, (app, tier, ready) in enumerate(workloads):
        labels = {"app": app, "tier": tier}
        meta = {"namespace": "shop", "labels": labels}
        owner = {"kind": "Deployment", "name": f"d{number}", "uid": f"d{number}", "controller": True}
        own = {"kind": "ReplicaSet", "name": f"r{number}", "uid": f"r{number}", "controller": True}
        objects += [
            {
                "kind": "Deployment",
                "metadata": {**meta, "name": f"d{number}", "uid": f"d{number}"},
                "spec": {
                    "replicas": len(ready),
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}},
                },
            },
            {"kind": "ReplicaSet", "metadata": {**meta, "name": f"r{number}", "uid": f"r{number}", "ownerReferences": [owner]}},
        ]
        for index, is_ready in enumerate(ready):
            name = f"p{number}-{index}"
            state = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(is_ready)}]}
            objects.append(
                {
                    "kind": "Pod",
                    "metadata": {**meta, "name": name, "uid": name, "ownerReferences": [own]},
                    "spec": {"terminationGracePeriodSeconds": 1},
                    "status": state,
                }
            )
    return objects


WORKLOAD = st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.lists(st.booleans(), min_size=1, max_size=7))
SELECTOR = st.sampled_from([{"app": "a"}, {"app": "b"}, {"tier": "x"}, {"tier": "y"}, {"app": "a", "tier": "y"}])
MEASURE = st.one_of(
    st.integers(1, 9).map(lambda count: {"count": count}), st.integers(0, 100).map(lambda percent: {"percent": f"{percent}%"})
)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(workloads=st.lists(WORKLOAD, min_size=1, max_size=5), selector=SELECTOR, measure=MEASURE, seed=st.integers(0, 9))
@pytest.mark.parametrize("kind", ["pod-kill", "eviction"])
def test_no_selector_takes_more_of_a_workload_than_the_caps_allow(kind, workloads, selector, measure, seed):
    objects = _cluster(workloads)
    module = INJECTORS[kind]
    world = World(cluster=Objects(objects), proxies=None)
    aim = Aim(world=world, namespace="shop", run="r", step="s", rng=random.Random(seed), caps=Caps(), images={})
    try:
        state = module.prepare(module.Spec.model_validate({"kind": kind, "selector": selector, **measure}), aim)
    except BadInput:
        return
    struck = Counter(target.name.partition("-")[0] for target in state.targets)
    assert struck, "an empty choice must be refused"
    for name, many in struck.items():
        ready = workloads[int(name[1:])][2]
        hit = {int(target.name.partition("-")[2]) for target in state.targets if target.name.startswith(f"{name}-")}
        assert many <= max(1, math.floor(len(ready) / 2)), "more than half of a workload"
        assert any(is_ready for index, is_ready in enumerate(ready) if index not in hit), "the last ready replica"


# -- clusters that nobody trusts ---------------------------------------------------------------------------------------


def _as_a_real_cluster(exchange):
    """The sandbox, saying that it is a cluster: then it must be trusted first."""
    status, headers, body = exchange.forward()
    if exchange.request.path == "/version":
        body = json.dumps(json.loads(body) | {"gitVersion": "v1.36.0"}).encode()
    exchange.answer(status, headers, body)


def test_a_cluster_that_nobody_trusts_is_never_changed(server, ground, tmp_path, monkeypatch, capsys):
    wire = Wire(server, _as_a_real_cluster)
    config = wire.kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    rng = random.Random(1)
    for trial in range(1000 if FULL else 100):
        kind = rng.choice(list(FAULTS))
        text = f"format: experiment/v1\nid: e{trial}\ntitle: t\nhypothesis: h\nnamespace: {ground.namespace}\n"
        probe = "probes: [{id: r, kind: pods-ready, selector: {app: web}, at_least: 0}]\n"
        Path("e.yaml").write_text(text + f"fault: {FAULTS[kind]}\n" + probe)
        options = rng.sample(["--json", "--keep-going", "--release=1", "--seed=3"], rng.randint(0, 3))
        code = main.run(["run", "e.yaml", "--on", "wire", "--kubeconfig", str(config), *options])
        assert code in (2, 5), capsys.readouterr()
        assert not [each for each in wire.seen if each.mutates], (kind, options)
    assert "not trusted" in capsys.readouterr().err
    wire.close()


# -- planning ----------------------------------------------------------------------------------------------------------


def _stories():
    found = [*(ROOT / "scenarios").glob("*.yaml"), *(ROOT / "experiments").glob("*.yaml")]
    return sorted(found)


@pytest.fixture(scope="module")
def shop(server):
    """The sample shop, all of its pods ready."""
    from harness.ground import send
    from harness.oracle import Oracle

    from chaos.shop.deploy import manifests

    for obj in manifests():
        group = obj.get("apiVersion", "v1")
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        space = obj["metadata"].get("namespace")
        plural = f"{obj['kind'].lower()}s"
        status, answer = send(server, "POST", f"{root}/namespaces/{space}/{plural}" if space else f"{root}/{plural}", obj)
        assert status == 201, answer
    oracle = Oracle(server, "shop")
    names = {"storefront", "checkout", "payments", "inventory", "sessions"}

    def ready():
        pods = [key for key in oracle.snapshot() if key.startswith("pods/shop/")]
        up = all(any(f'"{name}"' in key and key.endswith(" ready") for key in pods) for name in names)
        return up and not any(key.endswith("not ready") for key in pods)  # a last ready replica is never planned for

    assert until(ready, 60.0, 0.2)
    yield
    oracle.close()
    send(server, "DELETE", "/api/v1/namespaces/shop")


def test_planning_changes_nothing(server, shop, tmp_path, monkeypatch, capsys):
    wire = Wire(server)
    config = wire.kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    codes = {}
    for path in _stories():
        codes[path.name] = main.run(["plan", str(path), "--on", "sandbox", "--kubeconfig", str(config)])
        assert [each for each in wire.seen if each.mutates] == [], path
    said = capsys.readouterr()
    assert set(codes.values()) <= {0, 2}, (codes, said)
    assert sum(code == 0 for code in codes.values()) >= len(codes) * 3 // 4, (codes, said.err)
    wire.close()


# -- two at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("race", range(100 if FULL else 3))
@pytest.mark.parametrize("people", ["one", "two"])
def test_of_two_runs_that_start_at_once_one_starts(ground, tmp_path, people, race):
    """With the state folder of one person, or of two who know nothing of each other."""
    shared = tmp_path / "state" if people == "one" else None
    if shared:
        (shared / "ledgers").mkdir(parents=True, mode=0o700)
    runs = [Runner(ground, Wire(ground.server), tmp_path / name, state_at=shared) for name in "ab"]
    for run in runs:
        run.start(FAULTS["scale-to-zero"])
        time.sleep(random.Random(race).uniform(0, 0.02))
    codes = sorted(run.process.wait(60) for run in runs)
    struck = [run for run in runs if any(is_act(each) and "/web" in each.path for each in run.wire.mutations())]
    said = [run.said() for run in runs]
    for run in runs:
        run.end()
    assert ground.left(10.0) == []
    assert len(struck) == 1, said
    assert codes == [3, 5], said
