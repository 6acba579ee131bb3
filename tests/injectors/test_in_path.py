"""A proxy in the path of a Service: put in, shared, renewed, killed at any instant, and always taken out again."""

import contextlib
import itertools
import json
import random
import socket
import urllib.request
from pathlib import Path

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.clock import RealClock, wait_until
from chaos.engine.planning import IMAGES
from chaos.errors import BadInput, Conflict, NotFound, NotReady
from chaos.injectors import idle_proxy, in_path, latency, path_objects, vendor_outage
from chaos.injectors.base import LABEL_RUN, Aim
from chaos.model.caps import Caps

SELECTOR = {"app": "web"}
_COUNT = itertools.count(1)


class Killed(BaseException):
    """The runner dies: nothing of it runs any more."""


class Dying:
    """A cluster whose caller dies at its nth write, before the request is sent or after the answer is there."""

    def __init__(self, cluster, *, writes, after):
        self._cluster, self._left, self._after = cluster, writes, after

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def _write(self, act, *arguments, **options):
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        answer = act(*arguments, **options)
        if self._left == 0:
            raise Killed
        return answer

    def create(self, *arguments, **options):
        return self._write(self._cluster.create, *arguments, **options)

    def patch(self, *arguments, **options):
        return self._write(self._cluster.patch, *arguments, **options)

    def pod_request(self, namespace, pod, port, method, *rest):
        act = self._cluster.pod_request
        return (
            act(namespace, pod, port, method, *rest)
            if method == "GET"
            else self._write(act, namespace, pod, port, method, *rest)
        )


@pytest.fixture
def world(cluster):
    return World(cluster=cluster, proxies=PodProxies(cluster))


@pytest.fixture(scope="module")
def space(cluster):
    """One ready echo pod for all tests."""
    name = "in-path"
    cluster.create({"kind": "Namespace", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}})
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1}
    ports = [{"name": "http", "containerPort": 8080}]
    own_name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    container = {"name": "web", "image": "gameday-echo", "ports": ports, "readinessProbe": probe, "env": [own_name]}
    template = {"metadata": {"labels": SELECTOR}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    cluster.create(
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {"name": "web", "namespace": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": SELECTOR}, "template": template},
        }
    )
    assert eventually(lambda: ready(cluster, name) == 1)
    yield name
    cluster.delete("Namespace", name)


@pytest.fixture
def app(cluster, space):
    """`web`: a Service of its own for each test, two ports of which lead to one named port of the pod."""
    ports = [{"name": name, "port": port, "targetPort": "http"} for name, port in (("one", 8081), ("two", 8080))]
    cluster.create(
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {"name": "web", "namespace": space},
            "spec": {"selector": SELECTOR, "ports": ports},
        }
    )
    assert eventually(lambda: answers(cluster, space))
    yield space
    with contextlib.suppress(NotFound):
        cluster.delete("Service", "web", space)


def answers(cluster, namespace):
    """Whether the Service takes connections already: its endpoints follow its making by a moment."""
    address = cluster.get("Service", "web", namespace)["spec"]["clusterIP"]
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((address, 8080)) == 0


def eventually(holds, within=20.0):
    return wait_until(holds, clock=RealClock(), within=within)


def ready(cluster, namespace):
    return cluster.get("Deployment", "web", namespace).get("status", {}).get("readyReplicas", 0)


@pytest.fixture
def aim(world, app):
    own = f"run-{next(_COUNT)}"

    def aim(step="step", run=own, caps=None):
        return Aim(world=world, namespace=app, run=run, step=step, rng=random.Random(1), caps=caps or Caps(), images=IMAGES)

    return aim


def idle(aim, **more):
    """The state of an idle proxy, as a ledger would give it back; no test needs to wait for calls under way."""
    state = idle_proxy.prepare(idle_proxy.Spec(service="web", port=8080, **more), aim).model_copy(update={"drain": 0.0})
    return idle_proxy.State.model_validate_json(state.model_dump_json())


def selector(cluster, namespace):
    return cluster.get("Service", "web", namespace)["spec"]["selector"]


def clean(world, state, module=in_path):
    return eventually(lambda: not module.verify(state, world)) or module.verify(state, world)


def asked(world, namespace, service="web", port=8080):
    address = world.cluster.get("Service", service, namespace)["spec"]["clusterIP"]
    with urllib.request.urlopen(f"http://{address}:{port}/", timeout=3) as answer:
        return json.load(answer)["pod"]


def ours(world, namespace, state):
    kinds = ("Deployment", "ConfigMap", "Service", "Pod")
    return [
        obj["metadata"]["name"] for kind in kinds for obj in world.cluster.find(kind, namespace, labels={LABEL_RUN: state.run})
    ]


def test_preparing_finds_out_all_there_is_to_know(aim):
    state = idle(aim())
    assert (state.port, state.scheme, state.path) == (8080, "http", "/ready")
    assert [(port["port"], port["target"], port["targetName"]) for port in state.ports] == [
        (8081, 8080, "http"),
        (8080, 8080, "http"),
    ]
    assert (state.selector, state.targets[0].kind) == (SELECTOR, "Service")


def test_an_armed_proxy_passes_everything_on_and_counts_it(world, app, aim):
    state = idle(aim())
    pod = asked(world, app)
    in_path.arm(state, world)
    assert selector(world.cluster, app) == state.proxy_selector
    assert [asked(world, app, port=port) for port in (8081, 8080)] == [pod, pod]
    assert asked(world, app, service=state.twin) == pod
    traffic = in_path.traffic(state, world)
    assert traffic["received"] > 0
    assert traffic["sent"] > traffic["received"]
    in_path.arm(state, world)  # again
    assert asked(world, app) == pod
    in_path.disarm(state, world)
    in_path.disarm(state, world)
    assert clean(world, state) is True
    assert selector(world.cluster, app) == SELECTOR
    assert eventually(lambda: not ours(world, app, state)), ours(world, app, state)
    assert asked(world, app) == pod


@pytest.mark.parametrize("writes", range(1, 5))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_runner_killed_at_any_write_leaves_nothing_that_disarm_does_not_find(world, app, aim, writes, after):
    state = idle(aim())
    dying = Dying(world.cluster, writes=writes, after=after)
    with pytest.raises(Killed):
        in_path.arm(state, World(cluster=dying, proxies=PodProxies(dying)))
    in_path.disarm(state, world)
    assert clean(world, state) is True
    assert selector(world.cluster, app) == SELECTOR


def test_a_killed_proxy_comes_back_and_passes_everything_on(world, app, aim):
    """Nothing of ours in the path may be the outage: the Deployment's next pod is idle in the path from its start."""
    state = idle(aim())
    in_path.arm(state, world)
    (first,) = in_path.proxy_pods(state, world)
    world.cluster.delete("Pod", first["metadata"]["name"], app, grace=0)

    def another():
        pods = in_path.proxy_pods(state, world)
        return bool(pods) and pods[0]["metadata"]["uid"] != first["metadata"]["uid"] and in_path.is_ready(pods[0])

    assert eventually(another)
    assert eventually(lambda: in_path._endpoints(state, world) == [in_path.proxy_pods(state, world)[0]["status"]["podIP"]])
    assert asked(world, app).startswith("web-")
    in_path.disarm(state, world)
    assert clean(world, state) is True


def test_what_somebody_else_selected_meanwhile_is_left_alone_and_told(world, app, aim):
    state = idle(aim())
    in_path.arm(state, world)
    theirs = [{"op": "replace", "path": "/spec/selector", "value": {"app": "theirs"}}]
    world.cluster.patch("Service", "web", app, theirs, how="json")
    in_path.disarm(state, world)
    assert selector(world.cluster, app) == {"app": "theirs"}
    assert eventually(lambda: len(in_path.verify(state, world)) == 1)
    (told,) = in_path.verify(state, world)
    assert "somebody else made service/web select app=theirs" in told
    assert "before, it selected app=web" in told


def test_a_service_that_changed_since_the_plan_is_not_struck(world, app, aim):
    state = idle(aim())
    theirs = [{"op": "replace", "path": "/spec/selector", "value": {"app": "theirs"}}]
    world.cluster.patch("Service", "web", app, theirs, how="json")
    with pytest.raises(Conflict, match="somebody else"):
        in_path.arm(state, world)
    assert selector(world.cluster, app) == {"app": "theirs"}


def test_a_service_of_the_same_name_but_another_uid_is_not_touched(world, app, aim):
    state = idle(aim()).model_copy(update={"service_uid": "another"})
    with pytest.raises(Conflict):
        in_path.arm(state, world)
    in_path.disarm(state, world)
    assert selector(world.cluster, app) == SELECTOR


def test_a_service_that_somebody_deleted_is_no_left_over(world, app, aim):
    state = idle(aim())
    in_path.arm(state, world)
    world.cluster.delete("Service", "web", app)
    in_path.disarm(state, world)
    assert clean(world, state) is True


def test_two_faults_of_a_run_share_the_proxy_and_another_run_is_refused(world, app, aim):
    slow = latency.prepare(latency.Spec(kind="latency", service="web", port=8080, latency="50ms"), aim("slow"))
    slow = slow.model_copy(update={"drain": 0.0})
    dark = vendor_outage.prepare(
        vendor_outage.Spec(kind="vendor-outage", service="web", port=8080, mode="black-hole"), aim("dark")
    )
    dark = dark.model_copy(update={"drain": 0.0})
    for state, module in ((slow, latency), (dark, vendor_outage)):
        module.arm(state, world)
        module.start(state, world)
    toxics = in_path.admin_of(slow, world).proxies()["port-8080"]["toxics"]
    assert sorted(toxic["name"] for toxic in toxics) == ["dark-downstream", "dark-upstream", "slow-latency"]
    with pytest.raises(BadInput, match="proxy of another run; first: gameday recover"):
        idle(aim(run="another"))
    vendor_outage.stop(dark, world)
    toxics = in_path.admin_of(slow, world).proxies()["port-8080"]["toxics"]
    assert [toxic["name"] for toxic in toxics] == ["slow-latency"]
    for state, module in ((dark, vendor_outage), (slow, latency)):
        module.stop(state, world)
        module.disarm(state, world)
    assert clean(world, slow, latency) is True
    assert clean(world, dark, vendor_outage) is True
    assert selector(world.cluster, app) == SELECTOR


def test_an_image_that_cannot_be_pulled_is_told_at_once(world, app, aim):
    state = idle(aim()).model_copy(update={"image": "no-such-image:1"})
    started = RealClock().now()
    with pytest.raises(NotReady, match="ImagePull"):
        in_path.arm(state, world)
    assert RealClock().now() - started < 20
    assert selector(world.cluster, app) == SELECTOR
    in_path.disarm(state, world)
    assert clean(world, state) is True


def test_renewing_restarts_the_targets_pods_when_the_proxy_stands(world, app, aim):
    world.cluster.patch("Deployment", "web", app, {"spec": {"replicas": 2}})
    assert eventually(lambda: ready(world.cluster, app) == 2)
    before = {pod["metadata"]["uid"] for pod in world.cluster.find("Pod", app, labels=SELECTOR)}
    state = idle(aim(), renew="roll-target")
    assert "eviction" in {permission.subresource for permission in idle_proxy.permissions(state)}
    in_path.arm(state, world)
    after = {pod["metadata"]["uid"] for pod in world.cluster.find("Pod", app, labels=SELECTOR)}
    assert len(after) == 2
    assert not before & after
    assert asked(world, app).startswith("web-")
    in_path.disarm(state, world)
    assert clean(world, state) is True
    world.cluster.patch("Deployment", "web", app, {"spec": {"replicas": 1}})
    assert eventually(lambda: ready(world.cluster, app) == 1)


def test_the_last_ready_pod_is_not_restarted_unasked(aim):
    with pytest.raises(BadInput, match="last ready pod"):
        idle(aim(), renew="roll-target")


# -- without a cluster -------------------------------------------------------------------------------------------------


def path_state(*ports):
    return in_path.PathState(
        namespace="n",
        run="r",
        step="s",
        service="web",
        service_uid="u",
        selector=SELECTOR,
        port=ports[0]["port"],
        ports=list(ports),
        proxy="gameday-proxy",
        twin="gameday-twin",
        image="i",
        drain=0.0,
    )


def test_ports_that_lead_to_the_same_number_share_a_listener():
    state = path_state({"port": 80, "target": 8080}, {"port": 81, "target": 8080}, {"port": 443, "target": 8443})
    assert path_objects.proxies(state, "10.0.0.9") == [
        {"name": "port-8080", "listen": "0.0.0.0:8080", "upstream": "10.0.0.9:80"},
        {"name": "port-8443", "listen": "0.0.0.0:8443", "upstream": "10.0.0.9:443"},
    ]
    assert in_path.proxy_name(state) == "port-8080"


def test_on_a_cluster_the_proxy_leads_to_a_relay_that_connects_to_the_twin():
    """Toxiproxy connects for one client after the other: one address that does not answer would stop them all."""
    ports = {"port": 80, "target": 8080}, {"port": 443, "target": 18474}, {"port": 444, "target": 18474}
    state = path_state(*ports).model_copy(update={"relay_image": "python:3"})
    leads = {each["name"]: each["upstream"] for each in path_objects.proxies(state, "10.0.0.9")}
    assert leads == {"port-8080": "127.0.0.1:18475", "port-18474": "127.0.0.1:18476"}
    data = path_objects.config(state, "10.0.0.9")["data"]
    assert json.loads(data["routes.json"]) == {"18475": "10.0.0.9:80", "18476": "10.0.0.9:443"}
    proxy, relay = path_objects.deployment(state)["spec"]["template"]["spec"]["containers"]
    assert (proxy["name"], relay["image"], relay["readinessProbe"]["tcpSocket"]) == ("toxiproxy", "python:3", {"port": 18477})
    assert relay["securityContext"] == proxy["securityContext"]
    compile(data[Path(relay["command"][-1]).name], "relay", "exec")
    assert path_objects.behind(state, "10.0.0.9")[8080] == "10.0.0.9:80"


def test_a_low_port_is_opened_without_any_capability():
    def security(target):
        return path_objects.deployment(path_state({"port": 80, "target": target}))["spec"]["template"]["spec"][
            "securityContext"
        ]

    assert security(80)["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert "sysctls" not in security(8080)


def test_the_proxy_has_no_rights_and_no_capabilities():
    spec = path_objects.deployment(path_state({"port": 80, "target": 8080}))["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]


def test_an_address_of_ipv6_is_put_into_brackets():
    assert path_objects.joined("fd00::1", 80) == "[fd00::1]:80"
