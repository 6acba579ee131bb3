"""What one look at the cluster tells, and what it leaves out when the cluster does not."""

import pytest

from chaos.errors import ClusterError, Forbidden, ProxyError
from chaos.model.events import Observation
from chaos.probes.observe import STANDS_FOR, Observer


class PlainCluster:
    def __init__(self, **objects):
        self.objects, self.asked = objects, []

    def find(self, kind, namespace="", *, labels=None, fields=""):
        self.asked.append((kind, namespace))
        found = self.objects.get(kind, [])
        if isinstance(found, Exception):
            raise found
        return found


def service(name, selector, **annotations):
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"selector": selector}}


def part(of, *ready):
    labels = {"kubernetes.io/service-name": of}
    return {
        "metadata": {"name": of, "labels": labels},
        "endpoints": [{"conditions": {"ready": each}} for each in ready] or None,
    }


def deployment(name, replicas, **labels):
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}}}}


def pod(name, *restarts):
    return {"metadata": {"name": name}, "status": {"containerStatuses": [{"restartCount": each} for each in restarts]}}


SHOP = {
    "Service": [service("checkout", {"app": "checkout"}), service("headless", None)],
    "EndpointSlice": [part("checkout", True, False), part("checkout", True), part("empty")],
    "Deployment": [
        deployment("checkout", 2, app="checkout", v="1"),
        deployment("canary", 1, app="checkout"),
        deployment("x", 9, app="x"),
    ],
    "Pod": [pod("checkout-1", 2, 1), pod("checkout-2", 0), {"metadata": {"name": "pending"}}],
}


def test_a_look_counts_ready_endpoints_replicas_and_restarts():
    cluster = PlainCluster(**SHOP)
    assert Observer(cluster, "shop", traffic={"checkout": lambda: {"received": 1.0}}).look() == Observation(
        ready={"checkout": 2, "empty": 0},
        desired={"checkout": 3},
        restarts={"checkout-1": 3},
        traffic={"checkout": {"received": 1.0}},
    )
    assert {namespace for _, namespace in cluster.asked} == {"shop"}


def test_behind_our_proxy_the_pods_of_the_service_are_told_and_the_twin_is_not():
    cluster = PlainCluster(
        Service=[service("payments", {"proxy": "p"}), service("twin", {"app": "payments"}, **{STANDS_FOR: "payments"})],
        EndpointSlice=[part("payments", True), part("twin", True, True)],
        Deployment=[deployment("payments", 2, app="payments"), deployment("p", 1, proxy="p")],
    )
    look = Observer(cluster, "shop").look()
    assert (look.ready, look.desired) == ({"payments": 2}, {"payments": 2})


def test_what_may_not_be_read_is_left_out_and_the_rest_is_told():
    look = Observer(PlainCluster(**{**SHOP, "Deployment": Forbidden("no", status=403)}), "shop").look()
    assert look.desired == {}
    assert look.ready == {"checkout": 2, "empty": 0}
    assert look.restarts == {"checkout-1": 3}


def test_a_silent_api_server_is_asked_once_a_look():
    cluster = PlainCluster(Service=ClusterError("no answer"))
    assert Observer(cluster, "shop").look() == Observation()
    assert len(cluster.asked) == 1


@pytest.mark.parametrize("error", [ProxyError("gone"), ClusterError("no answer")])
def test_counters_that_cannot_be_read_are_left_out(error):
    def broken():
        raise error

    look = Observer(PlainCluster(), "shop", traffic={"a": broken, "b": lambda: {"sent": 2.0}}).look()
    assert look.traffic == {"b": {"sent": 2.0}}
