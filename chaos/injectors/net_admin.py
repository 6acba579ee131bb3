"""What the network faults of single pods share: which pods and port, and what their agents are told.

An agent (`net_agent/`) runs in an ephemeral container with NET_ADMIN in each chosen pod, on the plain Python image. It speaks
netlink itself: nothing is installed, and its rules are bound to its process by the kernel, so that they cannot outlive it.
"""

import hashlib
import secrets
from typing import Annotated, Any, Literal

from pydantic import Field

from chaos.clients.world import Obj
from chaos.errors import BadInput
from chaos.injectors.base import Aim, FaultState
from chaos.injectors.chosen_pods import ChosenPodsSpec, chosen_of
from chaos.injectors.path_ports import readiness, scheme_of
from chaos.injectors.targets import Workload, keep_caps, live_pods, target_of, workload_of
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.model.units import Duration, format_duration

MARGIN = 15.0  # seconds after its end at which a strike ends by itself
LIFE = 7200.0  # seconds after its start at which an idle agent ends by itself
_CUT_LIFE = 300.0
_CONTAINER = "gameday-net-"
_MOST_BEFORE = 20  # ended agents that a pod may carry: each stays in the pod's description
_FIRST_PORT, _PORTS = 27_000, 2_000  # where agents take orders, by run and step


class NetSpec(ChosenPodsSpec):
    """Some pods of a selector, at one of their ports."""

    port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """The pods' own port whose callers feel it; default: the only one."""
    duration: Duration = 30.0
    path: str | None = None
    """What the witness asks for to see the dose; default: the path of the pods' own readiness probe."""


class NetState(FaultState):
    """The pods with their addresses, and the orders for the agents in them."""

    selector: dict[str, str]
    image: str
    container: str  # name of the ephemeral container
    orders: dict[str, Any]  # what the agent is told at its start
    addresses: dict[str, str]  # of the pods, by name
    spared: str = ""  # address of a pod of the selector that is not struck
    port: int
    scheme: Literal["http", "https", "tcp"]
    path: str
    notes: list[str]


def prepare(spec: NetSpec, aim: Aim, **wanted: Any) -> dict[str, Any]:
    """The fields of a NetState. `wanted` is what the agents do: act, share, latency, jitter, whole (all of a pod's ports)."""
    refuse_unallowed(spec.kind, aim)
    pods = live_pods(aim.world.cluster, aim.namespace, spec.selector)
    chosen = _chosen(spec, aim, pods)
    names = [pod["metadata"]["name"] for pod in chosen]
    port = _port(spec.port, pods)
    probe = readiness(pods, port)
    orders = _orders(aim, None if wanted.pop("whole", False) else port["target"], spec.duration) | wanted
    image, container = aim.images["python"], f"{_CONTAINER}{orders['mark'][-10:]}"
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(pod, "Pod") for pod in chosen],
        "selector": spec.selector,
        "image": image,
        "container": container,
        "orders": orders,
        "addresses": {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in chosen},
        "spared": next((pod["status"].get("podIP", "") for pod in pods if pod["metadata"]["name"] not in names), ""),
        "port": port["target"],
        "scheme": scheme_of(port, probe),
        "path": spec.path or probe.get("path") or "/",
        "notes": _notes(container, image, names, spec.duration),
    }


def refuse_unallowed(what: str, aim: Aim) -> None:
    """BadInput where pods have no network of their own, or nobody has allowed NET_ADMIN in the file."""
    if aim.world.cluster.environment.kind == "sandbox":
        raise BadInput(f"{what} needs pods with a network of their own, which those of the sandbox do not have")
    if aim.caps.net_admin is None:
        raise BadInput(
            f"{what} runs a container with NET_ADMIN in the pods that it strikes; where that is meant: "
            "caps: {net_admin: {because: ...}}"
        )


def _chosen(spec: NetSpec, aim: Aim, pods: list[Obj]) -> list[Obj]:
    chosen = chosen_of(pods, spec, aim.rng)
    keep_caps(pods, chosen, {pod["metadata"]["uid"]: _keeper(pod, aim) for pod in pods}, aim.caps)
    refuse_unfit(chosen)
    return chosen


def refuse_unfit(pods: list[Obj]) -> None:
    if problems := [problem for pod in pods if (problem := _unfit(pod))]:
        raise BadInput(*problems)


def _orders(aim: Aim, port: int | None, duration: float) -> dict[str, Any]:
    """What every agent of the step is told; mark, port and handle follow from run and step, the key from nothing."""
    run, step = (hashlib.sha256(each.encode()).hexdigest() for each in (aim.run, f"{aim.run}/{aim.step}"))
    return {
        "mark": f"gameday-{run[:10]}-{step[:10]}",
        "key": secrets.token_hex(16),
        "admin_port": _FIRST_PORT + int(step[:8], 16) % _PORTS,
        "handle": 0x7000 | int(step[:8], 16) & 0xFFE,
        "port": port,
        "peers": [],
        "share": 1.0,
        "latency": 0.0,
        "jitter": 0.0,
        "hold": duration + MARGIN,
        "life": LIFE,
    }


def cutters(aim: Aim, pods: list[Obj], ports: list[int]) -> NetState:
    """Agents that cut what stands at the ports of these pods, once, and end; of the caller's step, not a step of their own."""
    refuse_unallowed("renew: cut", aim)
    refuse_unfit(pods)
    orders = {**_orders(aim, None, 0.0), "act": "cut", "ports": ports, "life": _CUT_LIFE}
    image, container = aim.images["python"], f"{_CONTAINER}{orders['mark'][-10:]}"
    return NetState(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(pod, "Pod") for pod in pods],
        selector={},
        image=image,
        container=container,
        orders=orders,
        addresses={pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods},
        port=ports[0],
        scheme="tcp",
        path="/",
        notes=_notes(container, image, [pod["metadata"]["name"] for pod in pods], 0.0)[:1],
    )


def _keeper(pod: Obj, aim: Aim) -> Workload:
    """A bare pod is a workload of one: what strikes its network does not end it."""
    return workload_of(aim.world.cluster, pod) or Workload("Pod", pod["metadata"]["name"], pod["metadata"]["uid"])


def _unfit(pod: Obj) -> str:
    name = pod["metadata"]["name"]
    if pod["spec"].get("hostNetwork"):
        return f"pod {name} uses its node's own network: a strike would hit the whole node"
    if pod["status"].get("phase") != "Running" or not pod["status"].get("podIP"):
        return f"pod {name} is not running yet"
    before = [each for each in pod["spec"].get("ephemeralContainers") or [] if each["name"].startswith(_CONTAINER)]
    if len(before) >= _MOST_BEFORE:
        return f"pod {name} carries {len(before)} ended containers of earlier strikes, which only go with it: replace the pod"
    return ""


def _port(wanted: int | None, pods: list[Obj]) -> dict[str, Any]:
    """A port of the pods as `path_ports` describes one; a number that no container declares is as good."""
    declared = [each for container in pods[0]["spec"]["containers"] for each in container.get("ports") or []]
    known = {each["containerPort"]: str(each.get("name", "")) for each in declared if each.get("protocol", "TCP") == "TCP"}
    if wanted is None and len(known) != 1:
        raise BadInput(f"these pods declare {'several ports' if known else 'no port'}: say which `port` callers use")
    number = wanted or next(iter(known))
    name = known.get(number, "")
    return {"port": number, "name": name, "target": number, "targetName": name or number}


def _notes(container: str, image: str, pods: list[str], duration: float) -> list[str]:
    return [
        f"an ephemeral container {container} ({image}, user 0, capability NET_ADMIN alone) runs in {', '.join(pods)}; "
        "when it has ended it stays listed there until the pod is replaced",
        f"when nobody is left to undo it, it ends by itself {format_duration(duration + MARGIN)} after the strike, and the "
        "kernel removes its rules whenever it ends",
    ]


def permissions(state: NetState) -> list[Permission]:
    owners = Permission(verb="get", resource="replicasets", group="apps", namespace=state.namespace, use="observe")
    return [*of_agents(state), owners]


def of_agents(state: NetState) -> list[Permission]:
    """What it takes to put agents into pods that are chosen already, and to tell them what to do."""

    def right(verb: str, subresource: str, use: Literal["inject", "undo", "observe"]) -> Permission:
        return Permission(verb=verb, resource="pods", subresource=subresource, namespace=state.namespace, use=use)

    return [
        right("patch", "ephemeralcontainers", "inject"),
        right("create", "proxy", "inject"),
        right("get", "proxy", "inject"),
        right("create", "proxy", "undo"),
        right("get", "", "undo"),
        right("list", "", "observe"),
    ]


def undo_words(state: NetState) -> str:
    pods = ", ".join(sorted(state.addresses))
    return f"tell the agent in {pods} to remove its rules, to read back that they are gone, and to end"


def undo_calls(state: NetState) -> list[Call]:
    """Nothing that a request to the API server could do: the agents end by their own timers."""
    return []


def settle(state: NetState) -> float:
    """An agent that cannot be reached ends by its own timer; until then nothing is called clean."""
    return float(state.orders["hold"]) + 10.0


def whose(state: NetState) -> str:
    """The struck pods, for people."""
    names = sorted(state.addresses)
    return f"pod {names[0]}" if len(names) == 1 else f"{len(names)} pods"


def seen(state: NetState, what: Literal["route-fails", "route-slower"], words: str, **expected: Any) -> Dose:
    """The dose: at every struck pod, on held and new connections; a pod that is not struck stays healthy."""
    timeout = expected.pop("timeout", 1.0)
    routes = [_route(state, f"pod-{name}", address, timeout) for name, address in sorted(state.addresses.items())]
    expect = [Expectation(what=what, route=route, **expected) for route in routes]
    control = [_route(state, "pod-spared", state.spared, 1.0)] if state.spared else []
    return Dose(expect=expect, control=control, within=10.0, words=words)


def _route(state: NetState, name: str, address: str, timeout: float) -> Route:
    return Route(
        name=f"{name}-{state.step}", host=address, port=state.port, scheme=state.scheme, path=state.path, timeout=timeout
    )
