"""Every fault of the table lands, is proved from outside while it holds, and leaves nothing: on the sandbox and on a cluster."""

import threading
from pathlib import Path

import pytest
import yaml

from chaos.clock import RealClock, wait_until
from chaos.engine import rights
from chaos.errors import BadInput, NotReady
from chaos.injectors import witness as witness_fitting
from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.probes.dose import cleared, prove, routes_of
from chaos.probes.pods_ready import is_ready
from chaos.probes.witness import Witness

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
CASES = [case for path in FILES for case in yaml.safe_load(path.read_text())]
"""Each: `name`, `fault` as a scenario file says it and, where the sandbox cannot have it, `not_on_sandbox` with the reason.

`may_refuse`: words with which arming may refuse, before anything is struck, where the node's kernel lacks what it takes.
"""


@pytest.fixture(params=CASES, ids=lambda case: case["name"])
def raw(request, world):
    """One fault of the table, as a scenario file says it."""
    if (reason := request.param.get("not_on_sandbox")) and world.cluster.environment.kind == "sandbox":
        pytest.skip(reason)
    return request.param["fault"]


@pytest.fixture
def may_refuse(request):
    return request.node.callspec.params["raw"].get("may_refuse")


def armed(injector, state, world, may_refuse):
    """Whether it is armed; false when it refused in words that it may."""
    try:
        if arm := getattr(injector, "arm", None):
            arm(state, world)
    except NotReady as refusal:
        if may_refuse is None or may_refuse not in str(refusal):
            raise
        return False
    return True


def strike(injector, state, world, seen_by, kind):
    """Struck, and proved; returns what it takes to see that it is over."""
    dose = injector.dose(state)
    eye = seen_by(dose, [target.name for target in state.targets if target.kind == "Node"])
    seen = {"witness": eye, "before": eye.readings(0) if eye else [], "cluster": world.cluster}
    injector.start(state, world)
    patient = dose.model_copy(update={"within": 15.0})
    result = prove(patient, step="step", fault=kind, **seen, clock=RealClock(), stop=threading.Event())
    assert result.proved, result
    return {"dose": dose, **seen}


def test_the_contract_covers_the_whole_table():
    assert {case["fault"]["kind"] for case in CASES} == set(INJECTORS)


def snapshot(world, namespace):
    """Everything in the namespace that a person would call its state; what controllers count is left out."""
    kinds = ("Deployment", "Service", "ConfigMap", "Secret", "Job", "Lease", "NetworkPolicy", "ResourceQuota", "Pod")
    found = {}
    for kind in kinds:
        for obj in world.cluster.find(kind, namespace):
            if obj["metadata"]["name"] == "kube-root-ca.crt" or (kind == "Pod" and obj["metadata"].get("ownerReferences")):
                continue
            uid = "" if kind in ("ConfigMap", "Secret") else obj["metadata"]["uid"]  # what is made anew is another object
            found[(kind, obj["metadata"]["name"])] = (uid, obj.get("spec"), obj.get("data"), obj.get("type"))
    return found


def ready_pods(world, namespace):
    return [pod for pod in world.cluster.find("Pod", namespace, labels={"app": "web"}) if is_ready(pod)]


def undo(injector, state, world):
    """As the engine does it: again and again while the API server is too busy to answer."""

    def done():
        try:
            injector.stop(state, world)
            if disarm := getattr(injector, "disarm", None):
                disarm(state, world)
        except NotReady:
            return False
        return True

    assert wait_until(done, clock=RealClock(), within=30.0)


def wait_clean(injector, state, world):
    settle = getattr(injector, "settle", None)
    left = []

    def clean():
        nonlocal left
        left = injector.verify(state, world)
        return not left

    wait_until(clean, clock=RealClock(), within=max(30.0, settle(state) if settle else 0.0))
    return left


@pytest.fixture
def seen_by(world, aim):
    """A witness for a dose: readings before the strike, and proof after it."""
    made = []

    def start(dose, avoid):
        if not routes_of([dose]):
            return None
        wanted = witness_fitting.Spec(routes=routes_of([dose]), avoid=avoid)
        state = witness_fitting.prepare(wanted, aim)
        made.append(state)
        aim.world.cluster.given += rights.of_change(witness_fitting, state, None)
        witness_fitting.start(state, aim.world)
        eye = Witness(aim.world.cluster, aim.namespace, state.pod)
        assert wait_until(lambda: len(eye.readings(0)) >= 12, clock=RealClock(), within=15.0), eye.trouble
        return eye

    yield start
    for state in made:
        witness_fitting.stop(state, aim.world)
        assert wait_clean(witness_fitting, state, aim.world) == []


@pytest.mark.timeout(300)  # a node takes its time to come back
def test_a_fault_lands_and_leaves_nothing(raw, may_refuse, world, app, aim, seen_by):
    injector = INJECTORS[raw["kind"]]
    spec = injector.Spec.model_validate(raw)
    before = snapshot(world, app)
    state = injector.State.model_validate_json(injector.prepare(spec, aim).model_dump_json())  # as the ledger gives it back
    assert snapshot(world, app) == before, "prepare must only read"
    assert injector.undo_words(state)
    given = rights.of_change(injector, state, injector.dose(state))
    assert [answer for answer in world.cluster.may(given) if not answer.allowed] == []
    aim.world.cluster.given += given  # nothing beyond is asked for
    seen = None
    try:
        if armed(injector, state, aim.world, may_refuse):
            seen = strike(injector, state, aim.world, seen_by, raw["kind"])
    finally:
        undo(injector, state, aim.world)
    if seen:
        over = cleared(seen.pop("dose"), **seen, clock=RealClock(), stop=threading.Event(), within=45.0)
        assert over.clean, f"it is still felt after the undo: {over.seen}"
    undo(injector, state, aim.world)  # repeatable
    assert wait_clean(injector, state, aim.world) == []
    without_witness = {key: value for key, value in snapshot(world, app).items() if "witness" not in key[1]}
    assert without_witness == before
    if seen is not None:
        assert aim.world.cluster.unused(given) == []  # and nothing is asked for that is not needed


def test_undoing_what_was_never_done_is_harmless(raw, world, app, aim):
    injector = INJECTORS[raw["kind"]]
    state = injector.prepare(injector.Spec.model_validate(raw), aim)
    before = snapshot(world, app)
    undo(injector, state, world)
    assert wait_clean(injector, state, world) == []
    assert snapshot(world, app) == before


def test_what_somebody_else_changed_meanwhile_is_left_alone_and_told(world, app, aim):
    injector = INJECTORS["scale-to-zero"]
    state = injector.prepare(injector.Spec(kind="scale-to-zero", deployment="web"), aim)
    injector.start(state, world)
    world.cluster.patch("Deployment", "web", app, {"spec": {"replicas": 1}})
    injector.stop(state, world)
    assert world.cluster.get("Deployment", "web", app)["spec"]["replicas"] == 1
    assert "somebody else" in injector.verify(state, world)[0]
    world.cluster.patch("Deployment", "web", app, {"spec": {"replicas": 2}})
    assert wait_until(lambda: len(ready_pods(world, app)) == 2, clock=RealClock(), within=60.0)


def test_an_idle_proxy_counts_and_leaves(world, app, aim):
    fitting = FITTINGS["idle-proxy"]
    before = snapshot(world, app)
    state = fitting.prepare(fitting.Spec(service="web"), aim)
    fitting.start(state, world)
    assert fitting.traffic(state, world)["received"] >= 0
    fitting.stop(state, world)
    assert wait_clean(fitting, state, world) == []
    assert snapshot(world, app) == before


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"kind": "pod-kill", "selector": {"app": "wbe"}, "count": 1}, "matches no pod"),
        ({"kind": "pod-kill", "selector": {"app": "web"}, "percent": "0%"}, "nothing would be struck"),
        ({"kind": "pod-kill", "selector": {"app": "web"}, "count": 3}, "only 2 match"),
        ({"kind": "scale-to-zero", "deployment": "web", "to": 2}, "nothing"),
        ({"kind": "scale-to-zero", "deployment": "wbe"}, "no deployment"),
        ({"kind": "latency", "service": "wbe", "latency": "1s"}, "no service"),
        ({"kind": "latency", "service": "web", "port": 81, "latency": "1s"}, "no port 81"),
        ({"kind": "vendor-outage", "service": "web", "mode": "refuse", "tls_secret": "nope"}, "no secret"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_touched(raw, words, world, app, aim):
    injector = INJECTORS[raw["kind"]]
    before = snapshot(world, app)
    with pytest.raises(BadInput, match=words):
        injector.prepare(injector.Spec.model_validate(raw), aim)
    assert snapshot(world, app) == before
