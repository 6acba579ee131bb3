"""Puts an idle Toxiproxy into the path of a Service before load starts, and takes it out again.

Arm: a twin Service keeps the original selector; a proxy pod forwards to the twin; one patch of the Service's selector
points it at the proxy. Disarm: one patch back, wait until no endpoint is the proxy, delete both. Everything follows from
the State, so that any process can disarm at any instant, twice, or without arm.
"""

from chaos.clients.world import Obj, ToxiproxyAdmin, World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, NotFound, NotReady
from chaos.injectors import helpers
from chaos.injectors.base import Aim, FaultState, own_labels
from chaos.injectors.targets import target_of
from chaos.model.dose import Route
from chaos.model.run import Permission

ADMIN_PORT = 8474
PROXY_LABEL = "gameday.dev/proxy"
_SETTLE = 10.0  # seconds for endpoints to follow a selector


class PathState(FaultState):
    """All that is needed to put the proxy in and to take it out."""

    service: str
    service_uid: str
    selector: dict[str, str]  # before
    port: int
    scheme: str = "http"
    ports: list[dict[str, int | str]]  # name, port, target (the number that the pods listen on)
    proxy: str  # name of the pod
    twin: str  # name of the Service
    image: str

    @property
    def proxy_selector(self) -> dict[str, str]:
        return {PROXY_LABEL: self.proxy}


def prepare(service: str, port: int | None, aim: Aim, *, https: bool = False) -> PathState:
    """Reads the Service; refuses, with the reason, what a proxy cannot stand before."""
    cluster = aim.world.cluster
    try:
        found = cluster.get("Service", service, aim.namespace)
    except NotFound:
        raise BadInput(f"there is no service {service} in namespace {aim.namespace}") from None
    refuse_unfit(found)
    numbers = _target_ports(aim, found)
    return PathState(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(found, "Service")],
        service=service,
        service_uid=found["metadata"]["uid"],
        selector=found["spec"]["selector"],
        port=_chosen_port(found, port),
        scheme="https" if https else _scheme(found, _chosen_port(found, port)),
        ports=numbers,
        proxy=helpers.name_for("proxy", aim.run, service),
        twin=helpers.name_for("twin", aim.run, service),
        image=aim.images["toxiproxy"],
    )


def refuse_unfit(service: Obj) -> None:
    spec, name = service["spec"], service["metadata"]["name"]
    if spec.get("type") == "ExternalName":
        raise BadInput(f"service {name} is an ExternalName: there is no address that a proxy could stand behind")
    if spec.get("clusterIP") == "None":
        raise BadInput(f"service {name} is headless: its clients find pods by themselves and would bypass a proxy")
    if not spec.get("selector"):
        raise BadInput(f"service {name} has no selector that could be pointed at a proxy")
    if any(port.get("protocol", "TCP") != "TCP" for port in spec["ports"]):
        raise BadInput(f"service {name} has a port that is not TCP; Toxiproxy forwards TCP only")


def _chosen_port(service: Obj, port: int | None) -> int:
    known = [each["port"] for each in service["spec"]["ports"]]
    if port is not None and port not in known:
        raise BadInput(f"service {service['metadata']['name']} has no port {port}; it has {', '.join(map(str, known))}")
    if port is None and len(known) > 1:
        raise BadInput(f"service {service['metadata']['name']} has several ports ({', '.join(map(str, known))}): say which")
    return port if port is not None else int(known[0])


def _scheme(service: Obj, port: int) -> str:
    entry = next(each for each in service["spec"]["ports"] if each["port"] == port)
    said = f"{entry.get('appProtocol', '')} {entry.get('name', '')}".lower()
    if "https" in said or "tls" in said or port in (443, 8443):
        return "https"
    return "http" if "http" in said or port in (80, 8080) else "tcp"


def _target_ports(aim: Aim, service: Obj) -> list[dict[str, int | str]]:
    """The numbers behind the Service's ports: a named target port is resolved by its endpoints."""
    name = service["metadata"]["name"]
    slices = aim.world.cluster.find("EndpointSlice", aim.namespace, labels={"kubernetes.io/service-name": name})
    by_name = {port.get("name") or "": port["port"] for each in slices for port in each.get("ports") or []}
    found: list[dict[str, int | str]] = []
    for port in service["spec"]["ports"]:
        target = port.get("targetPort", port["port"])
        number = by_name.get(port.get("name") or "", target)
        if not isinstance(number, int):
            raise BadInput(f"service {name}: no endpoint says which number port {target} has; are its pods ready?")
        found.append({"name": port.get("name") or "", "port": port["port"], "target": number, "named": str(target)})
    return found


def permissions(state: PathState) -> list[Permission]:
    space = state.namespace
    wanted = [
        Permission(verb="patch", resource="services", namespace=space, name=state.service),
        Permission(verb="create", resource="services", namespace=space),
        Permission(verb="create", resource="pods", namespace=space),
        *[Permission(verb=verb, resource="pods", subresource="proxy", namespace=space) for verb in ("get", "create", "delete")],
    ]
    undo = [
        Permission(verb=verb, resource=kind, namespace=space, use="undo")
        for verb in ("get", "delete")
        for kind in ("services", "pods")
    ]
    return [
        *wanted,
        *undo,
        Permission(verb="list", resource="endpointslices", group="discovery.k8s.io", namespace=space, use="observe"),
    ]


def undo_words(state: PathState) -> str:
    return f"point service/{state.service} back at {_words(state.selector)}, delete pod/{state.proxy} and service/{state.twin}"


def _words(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in selector.items())


# -- arm and disarm ----------------------------------------------------------------------------------------------------


def arm(state: PathState, world: World) -> None:
    cluster = world.cluster
    helpers.make(cluster, _twin(state))
    helpers.make(cluster, _pod(state))
    pod = helpers.await_ready(cluster, state.namespace, state.proxy)
    upstream = twin_address(state, world)
    admin = admin_of(state, world)
    for port in state.ports:
        admin.create(
            f"port-{port['port']}", listen=f"{pod['status']['podIP']}:{port['target']}", upstream=f"{upstream}:{port['port']}"
        )
    _select(state, world, state.selector, state.proxy_selector)
    if not wait_until(lambda: _proxied(state, world, pod["status"]["podIP"]), clock=RealClock(), within=_SETTLE, every=0.1):
        raise NotReady(f"service/{state.service} does not lead to the proxy after {_SETTLE:.0f} s")


def disarm(state: PathState, world: World) -> None:
    try:
        service = world.cluster.get("Service", state.service, state.namespace)
    except NotFound:
        service = None
    if service and service["metadata"]["uid"] == state.service_uid and service["spec"].get("selector") == state.proxy_selector:
        _select(state, world, state.proxy_selector, state.selector)
        address = _proxy_address(state, world)
        wait_until(lambda: not _proxied(state, world, address), clock=RealClock(), within=_SETTLE, every=0.1)
    helpers.remove(world, state, *_objects(state))


def verify(state: PathState, world: World) -> list[str]:
    left = helpers.left_of(world, state, *_objects(state))
    try:
        service = world.cluster.get("Service", state.service, state.namespace)
    except NotFound:
        return left  # gone by another hand: nothing of ours is in it
    selector = service["spec"].get("selector") or {}
    if service["metadata"]["uid"] == state.service_uid and selector != state.selector:
        whose = (
            "still leads to our proxy"
            if selector == state.proxy_selector
            else "was changed by somebody else meanwhile; we leave it"
        )
        left.append(f"service/{state.service} selects {_words(selector)}, was {_words(state.selector)}: it {whose}")
    return left


def _select(state: PathState, world: World, old: dict[str, str], new: dict[str, str]) -> None:
    """One patch, only if it still is that Service with that selector; done already is success."""
    current = world.cluster.get("Service", state.service, state.namespace)
    if current["spec"].get("selector") == new:
        return
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": state.service_uid},
        {"op": "test", "path": "/spec/selector", "value": old},
        {"op": "replace", "path": "/spec/selector", "value": new},
    ]
    world.cluster.patch("Service", state.service, state.namespace, patch, how="json")


def _twin(state: PathState) -> Obj:
    ports = [
        {"name": port["name"] or f"port-{port['port']}", "port": port["port"], "targetPort": port["target"]}
        for port in state.ports
    ]
    meta = {"name": state.twin, "namespace": state.namespace, "labels": own_labels(state)}
    return {"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": {"selector": state.selector, "ports": ports}}


def _pod(state: PathState) -> Obj:
    ports = [{"containerPort": port["target"], **_port_name(str(port["named"]))} for port in state.ports]
    container = {
        "name": "toxiproxy",
        "image": state.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-host=0.0.0.0", f"-port={ADMIN_PORT}", "-proxy-metrics"],
        "ports": [*ports, {"containerPort": ADMIN_PORT, "name": "admin"}],
        "readinessProbe": {"httpGet": {"path": "/version", "port": ADMIN_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": state.proxy,
            "namespace": state.namespace,
            "labels": {**own_labels(state), **state.proxy_selector},
        },
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def _port_name(named: str) -> dict[str, str]:
    return {} if named.isdigit() else {"name": named}


def _objects(state: PathState) -> tuple[tuple[str, str], ...]:
    return (("Pod", state.proxy), ("Service", state.twin))


# -- using it ----------------------------------------------------------------------------------------------------------


def admin_of(state: PathState, world: World) -> ToxiproxyAdmin:
    return world.proxies.of_pod(state.namespace, state.proxy, ADMIN_PORT)


def proxy_name(state: PathState) -> str:
    """The name, in Toxiproxy, of the proxy for the port that the fault is about."""
    return f"port-{state.port}"


def twin_address(state: PathState, world: World) -> str:
    return str(world.cluster.get("Service", state.twin, state.namespace)["spec"]["clusterIP"])


def is_there(state: PathState, world: World) -> bool:
    """Whether the proxy pod exists: without it there is nothing to undo in it."""
    try:
        world.cluster.get("Pod", state.proxy, state.namespace)
    except NotFound:
        return False
    return True


def traffic(state: PathState, world: World) -> dict[str, float]:
    """Bytes that passed the proxy since it was armed."""
    return admin_of(state, world).traffic().get(proxy_name(state), {"received": 0.0, "sent": 0.0})


def route_to(state: PathState, path: str) -> Route:
    return Route(
        name=state.service, host=state.service, port=state.port, scheme=state.scheme, path=path, server_name=_tls_name(state)
    )


def control_route(state: PathState, path: str) -> Route:
    """The twin: the same pods past the proxy. It must stay healthy, or the fault hits more than it says."""
    return Route(
        name=state.twin, host=state.twin, port=state.port, scheme=state.scheme, path=path, server_name=_tls_name(state)
    )


def _tls_name(state: PathState) -> str:
    return state.service if state.scheme == "https" else ""


def _proxy_address(state: PathState, world: World) -> str:
    try:
        return str(world.cluster.get("Pod", state.proxy, state.namespace).get("status", {}).get("podIP", ""))
    except NotFound:
        return ""


def _proxied(state: PathState, world: World, address: str) -> bool:
    """Whether the Service's ready endpoints are the proxy, and nothing else."""
    slices = world.cluster.find("EndpointSlice", state.namespace, labels={"kubernetes.io/service-name": state.service})
    ready = [
        a for each in slices for end in each.get("endpoints") or [] if end["conditions"].get("ready") for a in end["addresses"]
    ]
    return bool(address) and ready == [address]
