"""Puts an idle Toxiproxy into the path of a Service before load starts, and takes it out again.

Arm: a twin Service keeps the original selector; a proxy forwards to the twin; one patch of the Service's selector points
it at the proxy. Disarm: one patch back, wait until no endpoint is the proxy, let it drain, delete both. Everything follows
from the State, so that any process can disarm at any instant, twice, or without arm.

Two faults of one run on one Service share the proxy: names follow from run and Service, whoever arms first makes the
objects and deletes them, and the engine withdraws all faults of a run together. A second run is refused.
"""

from typing import Any, Literal

from chaos.clients.world import Obj, ToxiproxyAdmin, World
from chaos.clock import RealClock, wait_until
from chaos.errors import Conflict, NotFound, NotReady
from chaos.injectors import helpers, net_agents, path_objects, renewing
from chaos.injectors.base import Aim, FaultSpec, FaultState
from chaos.injectors.net_admin import NetState
from chaos.injectors.path_limits import ADMIN_PORT, refuse_admin_port, refuse_shut_out, refuse_unfit
from chaos.injectors.path_ports import chosen_port, readiness, scheme_of, with_target
from chaos.injectors.renewing import Renew
from chaos.injectors.targets import named, refuse_protected, target_of
from chaos.injectors.undoing import delete_own, put_back
from chaos.model.base import Name
from chaos.model.undo import Call, PatchBack
from chaos.model.units import Exact, Percent
from chaos.probes.pods_ready import is_hopeless, is_ready, why_unready

PROXY_LABEL = "gameday.dev/proxy"
_SETTLE = 10.0  # seconds for endpoints to follow a selector
_DRAIN = 1.5  # seconds for nodes to follow the endpoints, and for calls under way to end
_DRAIN_SANDBOX = 0.3


class PathSpec(FaultSpec):
    """What every fault in the path of a Service says."""

    service: Name
    """The Service whose callers feel it."""
    port: int | None = None
    """Which of its ports; default: the only one."""
    renew: Renew = "wait"
    """How connections from before the proxy come to lead through it: in time, by restarts of the target, or cut (NET_ADMIN)."""
    through: Percent = Exact(0.5)
    """At least this share of the calling pods must be seen to connect through the proxy, or nothing is struck."""
    path: str | None = None
    """What the witness asks for to see the dose; default: the path of the pods' own readiness probe."""


class PathState(FaultState):
    """All that is needed to put the proxy in and to take it out."""

    service: str
    service_uid: str
    selector: dict[str, str]  # before
    publish_not_ready: bool = False
    port: int
    scheme: Literal["http", "https", "tcp"] = "http"
    path: str = "/"
    ports: list[dict[str, Any]]  # the Service's ports with `target`, the number that pods listen on, and `targetName`
    proxy: str  # name of the Deployment, and value of its label
    twin: str  # name of the Service
    image: str
    relay_image: str = ""  # Toxiproxy connects for one client after the other, unless to a relay; "" = it needs none
    renew: str = "wait"
    cutter: NetState | None = None
    notes: list[str] = []
    through: float = 0.5
    drain: float  # seconds before the proxy goes, once the endpoints lead past it

    @property
    def proxy_selector(self) -> dict[str, str]:
        return {PROXY_LABEL: self.proxy}


def prepare(spec: PathSpec, aim: Aim, *, https: bool = False) -> dict[str, Any]:
    """The fields of a PathState. Refuses, with the reason, what a proxy cannot stand before."""
    refuse_protected(aim.namespace)
    cluster = aim.world.cluster
    found = named(cluster, "Service", spec.service, aim.namespace)
    refuse_unfit(found, PROXY_LABEL)
    selector, proxy = found["spec"]["selector"], helpers.name_for("proxy", aim.run, spec.service)
    pods = cluster.find("Pod", aim.namespace, labels=selector)
    ports = [with_target(port, pods, spec.service) for port in found["spec"]["ports"]]
    numbers = [port["target"] for port in ports]
    refuse_admin_port(spec.service, numbers)
    target = pods[0]["metadata"].get("labels") or {} if pods else selector
    policies = cluster.find("NetworkPolicy", aim.namespace)
    refuse_shut_out(policies, target=target, proxy={PROXY_LABEL: proxy}, ports=numbers)
    cutter = renewing.prepared(spec.renew, aim, pods, spec.service, numbers)
    port = chosen_port(spec.service, spec.port, ports)
    probe = readiness(pods, port)
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(found, "Service")],
        "service": spec.service,
        "service_uid": found["metadata"]["uid"],
        "selector": selector,
        "publish_not_ready": bool(found["spec"].get("publishNotReadyAddresses")),
        "port": port["port"],
        "scheme": "https" if https else scheme_of(port, probe),
        "path": spec.path or probe.get("path") or "/",
        "ports": ports,
        "proxy": proxy,
        "twin": helpers.name_for("twin", aim.run, spec.service),
        "image": aim.images["toxiproxy"],
        "renew": spec.renew,
        "cutter": cutter,
        "notes": cutter.notes if cutter else [],
        "through": spec.through,
        **_by_place(aim),
    }


def _by_place(aim: Aim) -> dict[str, Any]:
    """The sandbox's own proxy connects for all clients at once, and its Services follow their endpoints at once."""
    if aim.world.cluster.environment.kind == "sandbox":
        return {"relay_image": "", "drain": _DRAIN_SANDBOX}
    return {"relay_image": aim.images["python"], "drain": _DRAIN}


def undo_words(state: PathState) -> str:
    back = f"point service/{state.service} back at {_words(state.selector)}"
    return f"{back}, delete deployment/{state.proxy}, its config map and service/{state.twin}"


def _words(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in selector.items())


# -- arm and disarm ----------------------------------------------------------------------------------------------------


def make_twin(state: PathState, world: World) -> None:
    helpers.make(world.cluster, path_objects.twin(state))


def arm(state: PathState, world: World) -> None:
    cluster = world.cluster
    make_twin(state, world)
    twin = twin_address(state, world)
    helpers.make(cluster, path_objects.config(state, twin))
    helpers.make(cluster, path_objects.deployment(state))
    address = str(await_proxy(state, world)["status"]["podIP"])
    admin = admin_of(state, world)
    for proxy in path_objects.proxies(state, twin):
        listen = path_objects.joined(address, proxy["listen"].rpartition(":")[2])
        admin.create(proxy["name"], listen=listen, upstream=proxy["upstream"])
    _select(state, world, state.selector, state.proxy_selector)
    if not wait_until(lambda: _endpoints(state, world) == [address], clock=RealClock(), within=_SETTLE):
        raise NotReady(f"service/{state.service} does not lead to the proxy after {_SETTLE:.0f} s")
    renewing.renew(state, world)


def undo_calls(state: PathState) -> list[Call]:
    """The Service leads past the proxy first; with the proxy goes every disturbance in it."""
    patch = _selecting(state, state.proxy_selector, state.selector)
    back = PatchBack(kind="Service", name=state.service, namespace=state.namespace, patch=patch)
    return [back, *(delete_own(state, kind, name) for kind, name in objects(state))]


def disarm(state: PathState, world: World) -> None:
    back, *rest = undo_calls(state)
    if _selector(state, world) == state.proxy_selector:
        ours = [pod["status"].get("podIP") for pod in proxy_pods(state, world)]
        put_back([back], world)
        wait_until(lambda: not set(_endpoints(state, world)) & set(ours), clock=RealClock(), within=_SETTLE)
        wait_until(lambda: False, clock=RealClock(), within=state.drain)
    put_back(rest, world)
    if state.cutter:
        net_agents.disarm(state.cutter, world)
    wait_until(lambda: not proxy_pods(state, world), clock=RealClock(), within=_SETTLE)  # else a second stop might ask it


def _selector(state: PathState, world: World) -> dict[str, str]:
    """What the Service selects now; nothing where it is gone, or is another one by that name."""
    try:
        service = world.cluster.get("Service", state.service, state.namespace)
    except NotFound:
        return {}
    return service["spec"].get("selector") or {} if service["metadata"]["uid"] == state.service_uid else {}


def verify(state: PathState, world: World) -> list[str]:
    left = helpers.left_of(world, state, *objects(state)) + (net_agents.verify(state.cutter, world) if state.cutter else [])
    left += [f"pod/{pod['metadata']['name']} in {state.namespace} is still there" for pod in proxy_pods(state, world)]
    try:
        service = world.cluster.get("Service", state.service, state.namespace)
    except NotFound:
        return left  # gone by another hand: nothing of ours is in it
    selector = service["spec"].get("selector") or {}
    if selector == state.proxy_selector:
        left.append(f"service/{state.service} still leads to our proxy; before, it selected {_words(state.selector)}")
    elif service["metadata"]["uid"] == state.service_uid and selector != state.selector:
        changed = f"somebody else made service/{state.service} select {_words(selector) or 'nothing'} meanwhile"
        left.append(f"{changed}, so it was left alone; before, it selected {_words(state.selector)}")
    return left


def _select(state: PathState, world: World, old: dict[str, str], new: dict[str, str]) -> None:
    """One patch, only if it still is that Service with that selector, else Conflict; done already is success."""
    current = world.cluster.get("Service", state.service, state.namespace)
    if current["spec"].get("selector") == new:
        return
    if current["metadata"]["uid"] != state.service_uid or current["spec"].get("selector") != old:
        raise Conflict(f"service/{state.service} was changed by somebody else meanwhile: it is not touched", status=409)
    try:
        world.cluster.patch("Service", state.service, state.namespace, _selecting(state, old, new), how="json")
    except Conflict:
        if _selector(state, world) != new:  # else another fault of this run was a moment earlier
            raise


def _selecting(state: PathState, old: dict[str, str], new: dict[str, str]) -> list[Obj]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": state.service_uid},
        {"op": "test", "path": "/spec/selector", "value": old},
        {"op": "replace", "path": "/spec/selector", "value": new},
    ]


def objects(state: PathState) -> tuple[tuple[str, str], ...]:
    return (("Deployment", state.proxy), ("ConfigMap", state.proxy), ("Service", state.twin))


# -- using it ----------------------------------------------------------------------------------------------------------


def proxy_pods(state: PathState, world: World) -> list[Obj]:
    """The pods of our proxy that live, ready ones first: none when it was never armed, or is gone."""
    pods = world.cluster.find("Pod", state.namespace, labels=state.proxy_selector)
    return sorted((pod for pod in pods if not pod["metadata"].get("deletionTimestamp")), key=is_ready, reverse=True)


def await_proxy(state: PathState, world: World) -> Obj:
    """The proxy's pod once it is ready; NotReady tells what it was waiting for."""
    pods: list[Obj] = []

    def decided() -> bool:
        nonlocal pods
        pods = proxy_pods(state, world)
        return bool(pods) and (is_ready(pods[0]) or is_hopeless(pods[0]))

    wait_until(decided, clock=RealClock(), within=helpers.READY_WITHIN)
    if not pods or not is_ready(pods[0]):
        why = why_unready(pods[0]) if pods else "it has no pod"
        raise NotReady(f"deployment/{state.proxy} did not become ready: {why}")
    return pods[0]


def admin_of(state: PathState, world: World) -> ToxiproxyAdmin:
    pods = proxy_pods(state, world)
    if not pods:
        raise NotReady(f"deployment/{state.proxy} has no pod: there is no proxy before service/{state.service}")
    return world.proxies.of_pod(state.namespace, pods[0]["metadata"]["name"], ADMIN_PORT)


def proxy_name(state: PathState) -> str:
    """The name, in Toxiproxy, of the proxy for the port that the fault is about."""
    return f"port-{_target(state)}"


def _target(state: PathState) -> int:
    return int(next(port["target"] for port in state.ports if port["port"] == state.port))


def twin_address(state: PathState, world: World) -> str:
    return str(world.cluster.get("Service", state.twin, state.namespace)["spec"]["clusterIP"])


def idle_upstream(state: PathState, world: World) -> str:
    """Where the proxy of our port leads while nothing is struck."""
    upstreams = {each["name"]: each["upstream"] for each in path_objects.proxies(state, twin_address(state, world))}
    return upstreams[proxy_name(state)]


def twin_upstream(state: PathState, world: World) -> str:
    """The same pods, past the proxy, at our port."""
    return path_objects.behind(state, twin_address(state, world))[_target(state)]


def is_there(state: PathState, world: World) -> bool:
    """Whether a proxy pod lives: without one there is nothing to undo in it."""
    return bool(proxy_pods(state, world))


def traffic(state: PathState, world: World) -> dict[str, float]:
    """Bytes that passed the proxy since it was armed: `received` from callers, `sent` to them."""
    return admin_of(state, world).traffic().get(proxy_name(state), {"received": 0.0, "sent": 0.0})


def _endpoints(state: PathState, world: World) -> list[str]:
    """The addresses of the Service's ready endpoints."""
    slices = world.cluster.find("EndpointSlice", state.namespace, labels={"kubernetes.io/service-name": state.service})
    ends = [end for each in slices for end in each.get("endpoints") or []]
    return [address for end in ends if end.get("conditions", {}).get("ready") for address in end["addresses"]]
