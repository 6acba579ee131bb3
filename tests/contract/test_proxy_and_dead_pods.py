"""What we put before a Service must not become the outage: a pod that does not answer is nobody else's trouble."""

import contextlib

import pytest

from chaos.clock import RealClock, wait_until
from chaos.errors import GamedayError
from chaos.injectors import idle_proxy, in_path


@pytest.fixture
def proxied(aim, app):
    """The app's Service with an idle proxy before it."""
    state = idle_proxy.prepare(idle_proxy.Spec(service="web"), aim)
    idle_proxy.start(state, aim.world)
    yield state
    idle_proxy.stop(state, aim.world)
    assert idle_proxy.verify(state, aim.world) == []


@contextlib.contextmanager
def cut_off(cluster, pod):
    """Whatever is sent to it is dropped."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    cluster.patch("Pod", name, namespace, {"metadata": {"labels": {"cut-off": "yes"}}})
    spec = {"podSelector": {"matchLabels": {"cut-off": "yes"}}, "policyTypes": ["Ingress"]}
    meta = {"name": "cut-off", "namespace": namespace}
    cluster.create({"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": meta, "spec": spec})
    yield
    cluster.delete("NetworkPolicy", "cut-off", namespace)
    cluster.patch("Pod", name, namespace, {"metadata": {"labels": {"cut-off": None}}})


def test_who_is_led_to_a_pod_that_lives_is_answered_while_others_wait_for_a_dead_one(proxied, aim, app):
    cluster = aim.world.cluster
    proxy = in_path.proxy_pods(proxied, aim.world)[0]["metadata"]["name"]
    answers = []

    def asked():
        try:
            status, _ = cluster.pod_request(app, proxy, proxied.ports[0]["target"], "GET", proxied.path)
            answers.append(status == 200)
        except GamedayError:
            answers.append(False)
        return answers

    pod = cluster.find("Pod", app, labels={"app": "web"})[0]
    with cut_off(cluster, pod):
        assert wait_until(lambda: not asked()[-1], clock=RealClock(), within=30.0), "nobody was led to the dead pod"
        assert wait_until(lambda: asked()[-1], clock=RealClock(), within=30.0), answers
