"""Proving a dose with a clock that jumps, a witness with scripted routes and a cluster of plain objects."""

import threading

import pytest

from chaos.clock import VirtualClock
from chaos.errors import ClusterError, NotFound
from chaos.model.dose import Dose, Expectation, Route
from chaos.probes.dose import cleared, prove, routes_of

PAYMENTS = Route(name="payments", host="payments", port=8443)
TWIN = Route(name="twin", host="twin", port=8443)
GOOD = {"ok": True, "status": 200, "error": "", "seconds": 0.004, "digest": "same"}
DEAD = {"ok": False, "status": 0, "error": "refused", "seconds": 0.001, "digest": ""}


class FakeWitness:
    """Reads its routes every 0.1 s of virtual time; `script(route, connection, at)` says what each reading sees."""

    def __init__(self, clock, script, routes=("payments", "twin")):
        self.trouble = ""
        self.script = script
        self._clock, self._routes, self._kept, self._due = clock, routes, [], clock.now()

    def readings(self, since=0):
        while self._due <= self._clock.now():
            for route in self._routes:
                for kind in ("held", "new"):
                    at = self._due
                    seen = self.script(route, kind, at)
                    self._kept.append({**seen, "route": route, "connection": kind, "at": at, "seq": len(self._kept) + 1})
            self._due += 0.1
        return [each for each in self._kept if each["seq"] > since]


class GoneWitness:
    trouble = "the witness cannot be reached"

    def readings(self, since=0):
        return []


class PlainCluster:
    def __init__(self, **objects):
        self.objects = objects

    def find(self, kind, namespace="", *, labels=None, fields=""):
        found = self.objects.get(kind, [])
        if isinstance(found, Exception):
            raise found
        return found

    def get(self, kind, name, namespace=""):
        for each in self.find(kind, namespace):
            if each["metadata"]["name"] == name:
                return each
        raise NotFound(name)


class Stage:
    """A clock at 1005 after five seconds of healthy readings, and the strike at that moment."""

    def __init__(self, script=None, cluster=None):
        self.clock = VirtualClock()
        self.witness = FakeWitness(self.clock, lambda route, kind, at: GOOD)
        self.clock.at = 1005.0
        self.before = self.witness.readings(0)
        self.clock.at = 1005.05
        self.witness.script = script or self.witness.script
        self.cluster = cluster or PlainCluster()
        self.stop = threading.Event()

    def common(self, **changed):
        return {
            "cluster": self.cluster,
            "witness": self.witness,
            "before": self.before,
            "clock": self.clock,
            "stop": self.stop,
            **changed,
        }

    def prove(self, dose, **changed):
        return prove(dose, step="dark", fault="vendor-outage", **self.common(**changed))


def dark(**more):
    return Dose(expect=[Expectation(what="route-fails", route=PAYMENTS)], control=[TWIN], words="payments is dark", **more)


def hit(*kinds, after=0.0):
    def script(route, kind, at):
        return DEAD if route == "payments" and kind in kinds and at >= 1005.05 + after else GOOD

    return script


def test_a_dose_is_proved_as_soon_as_it_shows():
    stage = Stage(hit("held", "new"))
    result = stage.prove(dark())
    assert result.proved
    assert result.reason == ""
    assert stage.clock.now() < 1006
    assert "3 of 3 got no answer" in result.seen
    assert {line["route"] for line in result.readings} == {"payments", "twin"}


def test_a_dose_that_takes_two_seconds_to_arrive_is_waited_for():
    stage = Stage(hit("held", "new", after=2.0))
    assert stage.prove(dark()).proved
    assert 1007 < stage.clock.now() < 1008


def test_without_effect_the_dose_is_missing_after_within():
    stage = Stage()
    result = stage.prove(dark(within=3.0))
    assert (result.proved, result.reason) == (False, "dose-missing")
    assert stage.clock.now() == pytest.approx(1008.05, abs=0.01)


def test_held_connections_that_feel_nothing_are_a_bypass():
    result = Stage(hit("new")).prove(dark())
    assert (result.proved, result.reason) == (False, "held-bypass")


def test_a_sick_control_route_takes_the_proof_away():
    result = Stage(lambda route, kind, at: DEAD).prove(dark())
    assert (result.proved, result.reason) == (False, "control-unhealthy")
    assert "control route twin is not healthy" in result.seen


def test_nothing_is_proved_before_the_control_routes_have_been_read():
    stage = Stage(lambda route, kind, at: DEAD)
    dose = Dose(expect=[Expectation(what="pods-gone", uids=["a"])], control=[TWIN], words="gone")
    result = stage.prove(dose)
    assert (result.proved, result.reason) == (False, "control-unhealthy")


@pytest.mark.parametrize("witness", [None, GoneWitness()])
def test_without_a_witness_the_reason_says_so(witness):
    result = Stage(hit("held", "new")).prove(dark(), witness=witness)
    assert (result.proved, result.reason) == (False, "no-witness")


def test_a_stop_ends_the_proof_at_once():
    stage = Stage()
    stage.stop.set()
    assert not stage.prove(dark()).proved
    assert stage.clock.now() == 1005.05


def test_slow_readings_that_outlast_the_window_still_count_once():
    slow = {**GOOD, "seconds": 3.0}
    expected = Expectation(what="route-slower", route=PAYMENTS, by=2.4, connections=["new"])
    stage = Stage(lambda route, kind, at: GOOD)
    stage.witness.readings = lambda since: [{**slow, "route": "payments", "connection": "new", "at": 1005.1, "seq": since + 1}][
        : int(stage.clock.now() > 1008 and since < 900)
    ]
    assert stage.prove(Dose(expect=[expected], words="slow")).proved


# -- what the API server shows ---------------------------------------------------------------------------------------


def pod(uid, **meta):
    return {"kind": "Pod", "metadata": {"name": uid, "uid": uid, **meta}}


@pytest.mark.parametrize(
    ("pods", "proved"),
    [([], True), ([pod("b")], True), ([pod("a")], False), ([pod("a", deletionTimestamp="now")], True)],
)
def test_pods_are_gone_by_uid(pods, proved):
    dose = Dose(expect=[Expectation(what="pods-gone", namespace="shop", uids=["a"])], words="one pod is gone")
    assert Stage(cluster=PlainCluster(Pod=pods)).prove(dose, witness=None).proved is proved


@pytest.mark.parametrize(("ready", "proved"), [([True, True], False), ([True, False], True)])
def test_endpoints_are_counted_when_ready(ready, proved):
    part = {"metadata": {"name": "s"}, "endpoints": [{"conditions": {"ready": each}} for each in ready]}
    dose = Dose(expect=[Expectation(what="endpoints", namespace="shop", service="s", at_most=1)], words="one left")
    assert Stage(cluster=PlainCluster(EndpointSlice=[part])).prove(dose, witness=None).proved is proved


@pytest.mark.parametrize(("node", "proved"), [({"unschedulable": True}, True), ({}, False)])
def test_a_field_of_an_object_reads_as_expected(node, proved):
    nodes = [{"metadata": {"name": "n"}, "spec": node}]
    expected = Expectation(what="object", kind="Node", name="n", field="spec.unschedulable", value="true")
    result = Stage(cluster=PlainCluster(Node=nodes)).prove(Dose(expect=[expected], words="cordoned"), witness=None)
    assert result.proved is proved


@pytest.mark.parametrize(("allowed", "pods", "proved"), [(0, ["a"], True), (1, ["a"], False), (0, [], False)])
def test_a_refused_eviction_leaves_pods_and_a_closed_budget(allowed, pods, proved):
    budget = {
        "metadata": {"name": "p"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}},
        "status": {"disruptionsAllowed": allowed},
    }
    cluster = PlainCluster(Pod=[pod(each, labels={"app": "x"}) for each in pods], PodDisruptionBudget=[budget])
    dose = Dose(expect=[Expectation(what="refused-eviction", namespace="shop", uids=["a"])], words="refused")
    assert Stage(cluster=cluster).prove(dose, witness=None).proved is proved


@pytest.mark.parametrize(
    ("pods", "selector", "allowed", "proved"),
    [
        ([], {"matchLabels": {"app": "x"}}, 1, True),
        (["a"], {"matchLabels": {"app": "x"}}, 0, True),
        (["a"], {"matchLabels": {"app": "x"}}, 1, False),
        (["a"], {}, 0, True),
        (["a"], {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}, 0, False),
    ],
)
def test_an_evicted_pod_is_gone_or_stays_behind_a_budget(pods, selector, allowed, proved):
    budget = {"metadata": {"name": "web"}, "spec": {"selector": selector}, "status": {"disruptionsAllowed": allowed}}
    cluster = PlainCluster(Pod=[pod(each, labels={"app": "x"}) for each in pods], PodDisruptionBudget=[budget])
    dose = Dose(expect=[Expectation(what="evicted", namespace="shop", uids=["a", "b"])], words="evicted")
    result = Stage(cluster=cluster).prove(dose, witness=None)
    assert result.proved is proved
    assert f"{len(pods)} of 2 pods stayed" in result.seen


@pytest.mark.parametrize(("pods", "proved"), [(["a"], True), (["a", "b"], False)])
def test_a_budget_that_lets_pods_go_one_by_one_has_kept_the_others_when_they_were_asked(pods, proved):
    """By the time somebody looks, a new pod may be ready and the budget open again."""
    budget = {"metadata": {"name": "web"}, "spec": {"selector": {}}, "status": {"disruptionsAllowed": 1}}
    cluster = PlainCluster(Pod=[pod(each) for each in pods], PodDisruptionBudget=[budget])
    dose = Dose(expect=[Expectation(what="evicted", namespace="shop", name="web", uids=["a", "b"])], words="evicted")
    assert Stage(cluster=cluster).prove(dose, witness=None).proved is proved


def test_an_api_server_that_does_not_answer_is_told_and_proves_nothing():
    dose = Dose(expect=[Expectation(what="pods-gone", uids=["a"])], words="gone")
    result = Stage(cluster=PlainCluster(Pod=ClusterError("no answer"))).prove(dose, witness=None)
    assert not result.proved
    assert "unknown: no answer" in result.seen


# -- afterwards ------------------------------------------------------------------------------------------------------


def test_cleared_once_the_routes_read_as_before():
    stage = Stage(lambda route, kind, at: DEAD if at < 1007 else GOOD)
    result = cleared(dark(), **stage.common())
    assert result.clean
    assert 1007 < stage.clock.now() < 1008


def test_not_cleared_while_the_fault_is_still_felt():
    result = cleared(dark(), within=2.0, **Stage(hit("held")).common())
    assert not result.clean
    assert "held connections: 0 of 3 good" in result.seen


def test_routes_are_listed_once_with_patience_for_what_they_promise():
    slow = Dose(expect=[Expectation(what="route-slower", route=PAYMENTS, by=2.0)], control=[TWIN], words="")
    found = {route.name: route.timeout for route in routes_of([dark(), slow])}
    assert found == {"payments": 4.5, "twin": 1.0}
