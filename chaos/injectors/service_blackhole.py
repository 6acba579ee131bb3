"""`service-blackhole`: a Service leads nowhere: its selector matches no pod any more, or its port one where nobody listens.

As by a wrong edit in a release. One patch of the Service, one patch back; the pods are well all the time. Connections that
stand already go on, as with any change of a Service: callers with pooled connections feel it when those end.
Lands within a second or two. Inconclusive where new connections still find somebody, or the pods themselves do not answer.
"""

from typing import Any, Literal

from chaos.clients.world import Obj, World
from chaos.errors import BadInput
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.in_path import PROXY_LABEL
from chaos.injectors.path_ports import chosen_port, readiness, scheme_of, with_target
from chaos.injectors.targets import named, refuse_protected, target_of
from chaos.injectors.undoing import put_back, still_changed
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

PRIVILEGE: Privilege = "api"
_NOBODY = "gameday.dev/nobody"
_DEAD_PORT = 9  # discard: nothing has listened there for decades
_HELD = "connections that stand already go on: let it hold for longer than callers keep theirs, or only new ones feel it"


class ServiceBlackhole(FaultSpec):
    """Callers of a Service find nobody."""

    kind: Literal["service-blackhole"]
    service: Name
    mode: Literal["selector", "port"] = "selector"
    """selector: no pod is behind it any more; port: the pods are, but at a port where nobody listens."""
    port: int | None = None
    """Which of its ports; default: the only one."""
    path: str | None = None
    """What the witness asks for to see the dose; default: the path of the pods' own readiness probe."""


class State(FaultState):
    """What the Service said before, and what it says while it is struck."""

    service: str
    service_uid: str
    mode: Literal["selector", "port"]
    at: str  # the field of the Service that is changed, as a JSON pointer
    before: Any
    after: Any
    fixed: list[dict[str, Any]]  # tests that hold before and after: it is that Service, and that port of it
    route: Route | None  # as its callers see it
    control: Route | None  # past the Service, to one of its pods
    notes: list[str] = []


Spec = ServiceBlackhole


def prepare(spec: ServiceBlackhole, aim: Aim) -> State:
    refuse_protected(aim.namespace)
    cluster = aim.world.cluster
    found = named(cluster, "Service", spec.service, aim.namespace)
    _refuse_unfit(found, spec)
    selector = found["spec"]["selector"]
    pods = cluster.find("Pod", aim.namespace, labels=selector)
    if not pods:
        raise BadInput(f"service {spec.service} leads to no pod: it is a black hole already")
    ports = [with_target(port, pods, spec.service) for port in found["spec"]["ports"]]
    port = chosen_port(spec.service, spec.port, ports)
    uid = {"op": "test", "path": "/metadata/uid", "value": found["metadata"]["uid"]}
    index = ports.index(port)
    change: dict[str, Any] = {
        "at": "/spec/selector",
        "before": selector,
        "after": {**selector, _NOBODY: aim.step},
        "fixed": [uid],
    }
    if spec.mode == "port":
        same = {"op": "test", "path": f"/spec/ports/{index}/port", "value": port["port"]}
        original = found["spec"]["ports"][index].get("targetPort", port["port"])
        change = {"at": f"/spec/ports/{index}/targetPort", "before": original, "after": _DEAD_PORT, "fixed": [uid, same]}
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(found, "Service")],
        service=spec.service,
        service_uid=found["metadata"]["uid"],
        mode=spec.mode,
        **change,
        **_routes(spec, found, pods, port),
        notes=[_HELD],
    )


def _refuse_unfit(service: Obj, spec: ServiceBlackhole) -> None:
    said = service["spec"]
    if said.get("type") == "ExternalName":
        raise BadInput(f"service {spec.service} is an ExternalName: it has neither selector nor pods")
    if not said.get("selector"):
        raise BadInput(f"service {spec.service} has no selector: somebody else keeps its endpoints")
    if PROXY_LABEL in said["selector"]:
        raise BadInput(f"service {spec.service} leads to the proxy of another run; first: gameday recover")
    if said.get("clusterIP") == "None" and spec.mode == "port":
        raise BadInput(f"service {spec.service} is headless: its callers dial the pods themselves, whatever port it names")


def _routes(spec: ServiceBlackhole, service: Obj, pods: list[Obj], port: dict[str, Any]) -> dict[str, Route | None]:
    """The way that is to fail, and the one past the Service that is not; none for what is no TCP, or has no address."""
    if port.get("protocol", "TCP") != "TCP" or service["spec"].get("clusterIP") == "None":
        if spec.mode == "port":
            raise BadInput(f"port {port['port']} of service {spec.service} is not TCP: nothing could show that nobody listens")
        return {"route": None, "control": None}
    probe = readiness(pods, port)
    name = spec.service
    route = Route(
        name=name, host=name, port=port["port"], scheme=scheme_of(port, probe), path=spec.path or probe.get("path") or "/"
    )
    route = route.model_copy(update={"server_name": name if route.scheme == "https" else ""})
    pod = next((each for each in pods if each.get("status", {}).get("podIP")), None)
    if pod is None:
        return {"route": route, "control": None}
    past = {"name": f"pod {pod['metadata']['name']}", "host": pod["status"]["podIP"], "port": port["target"]}
    return {"route": route, "control": route.model_copy(update=past)}


def permissions(state: State) -> list[Permission]:
    own = {"resource": "services", "namespace": state.namespace, "name": state.service}
    return [
        Permission(verb="patch", **own),
        Permission(verb="patch", use="undo", **own),
        Permission(verb="get", use="undo", **own),
        Permission(verb="list", resource="pods", namespace=state.namespace, use="observe"),
    ]


def undo_words(state: State) -> str:
    if state.mode == "port":
        return f"point service/{state.service} back at port {state.before} of its pods"
    return f"make service/{state.service} select {_words(state.before)} again"


def _words(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in selector.items())


def _patch(state: State, old: Any, new: Any) -> list[Obj]:
    return [
        *state.fixed,
        {"op": "test", "path": state.at, "value": old},
        {"op": "replace", "path": state.at, "value": new},
    ]


def undo_calls(state: State) -> list[Call]:
    patch = _patch(state, state.after, state.before)
    return [PatchBack(kind="Service", name=state.service, namespace=state.namespace, patch=patch)]


def start(state: State, world: World) -> None:
    world.cluster.patch("Service", state.service, state.namespace, _patch(state, state.before, state.after), how="json")


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    return still_changed(undo_calls(state), world)


def dose(state: State) -> Dose:
    """New connections fail while one of the pods answers. Where there is no way to ask, the endpoints tell."""
    expect = []
    if state.route is not None:
        expect.append(Expectation(what="route-fails", route=state.route, connections=["new"]))
    if state.mode == "selector":
        expect.append(Expectation(what="endpoints", namespace=state.namespace, service=state.service, at_most=0))
    control = [state.control] if state.control else []
    return Dose(expect=expect, control=control, within=10.0, words=f"new connections to {state.service} find nobody")
