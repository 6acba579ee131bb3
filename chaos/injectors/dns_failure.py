"""`dns-failure`: one name no longer resolves, for the pods of some Deployments and for nobody else.

The cluster's own nameserver is never touched: it serves everybody, and every undo. At arming the clients are pointed at a
resolver of ours, which passes every question on (one rollout); a strike tells it to fail one name, which is felt at once and
ends by itself; at disarming they are pointed back (another rollout), and the resolver outlives its deletion while they go.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from chaos.clients.world import Cluster, World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, NotFound, NotReady
from chaos.injectors import dns_limits, helpers, resolver_clients, resolver_objects, rollouts
from chaos.injectors.base import Aim, FaultSpec, FaultState, Privilege
from chaos.injectors.targets import target_of
from chaos.injectors.undoing import delete_own, put_back, still_changed
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

PRIVILEGE: Privilege = "api"
_SHORTEST = 5.0
_SPARE = 30.0  # seconds after its duration until the resolver ends the failure by itself
_ROLLED_WITHIN = 120.0
_GONE_WITHIN = 60.0
_LONGEST_NAME = 52  # of a StatefulSet: its pods carry the name and a digest in one label
_OTHER = "kubernetes.default.svc"
_SEEN_AS: dict[str, str] = {"nxdomain": "nxdomain", "servfail": "servfail", "silence": "timeout"}


class DnsFailure(FaultSpec):
    """A name cannot be looked up."""

    kind: Literal["dns-failure"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?\.?$")]
    """A Service of the namespace, or a full DNS name."""
    clients: Annotated[list[Name], Field(min_length=1, max_length=20)]
    """The Deployments whose pods feel it. Their pods are restarted before the baseline, and again at the end."""
    answer: Literal["nxdomain", "servfail", "silence"] = "nxdomain"
    """What they hear: there is no such name; the nameserver is in trouble; nothing."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.duration < _SHORTEST:
            raise ValueError(f"clients keep addresses for a while: give a duration of at least {_SHORTEST:.0f}s")
        return self


class State(FaultState):
    """The name, the clients, and the resolver."""

    looked_up: str
    clients: list[resolver_clients.Client]
    answer: Literal["nxdomain", "servfail", "silence"]
    seconds: float
    resolver: str  # name of its StatefulSet and ConfigMap; value of the clients' label
    image: str
    notes: list[str] = []

    @property
    def pod(self) -> str:
        return f"{self.resolver}-0"

    @property
    def service(self) -> str:
        """What the clients lose."""
        return self.looked_up


Spec = DnsFailure


def prepare(spec: DnsFailure, aim: Aim) -> State:
    cluster = aim.world.cluster
    if cluster.environment.kind == "sandbox":
        raise BadInput("the sandbox has no names to look up: its pods find Services by URLs in their environment")
    dns_limits.refuse_unknown(spec.name, aim)
    found = [rollouts.deployment(cluster, name, aim.namespace) for name in dict.fromkeys(spec.clients)]
    there = cluster.find("NetworkPolicy", aim.namespace)
    for each in found:
        dns_limits.refuse_unfit(each, spec.name)
        dns_limits.refuse_shut_off(each, there)
        rollouts.keep_caps(each, rollouts.pods_of(cluster, each), aim.caps)
    name = helpers.name_for("dns", aim.run, aim.step)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(each, "Deployment") for each in found],
        looked_up=spec.name,
        clients=[resolver_clients.client_of(each) for each in found],
        answer=spec.answer,
        seconds=spec.duration + _SPARE,
        resolver=name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 9] + name[-9:],
        image=aim.images["python"],
        notes=_notes(spec),
    )


def _notes(spec: DnsFailure) -> list[str]:
    return [
        f"restarts the pods of {', '.join(spec.clients)} before the baseline, and again at the end, by their own rollouts",
        "the cluster's own nameserver is not touched: nobody else feels it",
        "answers that clients keep go on until they expire (often 30 s), and connections that stand need no name",
    ]


# -- rights and undo -----------------------------------------------------------------------------------------------------


def permissions(state: State) -> list[Permission]:
    space = state.namespace
    ours = [("configmaps", ""), ("statefulsets", "apps")]
    return [
        *(Permission(verb="create", resource=kind, group=group, namespace=space) for kind, group in ours),
        *(
            Permission(verb=verb, resource="pods", subresource="proxy", namespace=space, use=use)
            for use, verbs in (("inject", ("get", "update")), ("undo", ("delete", "update")))
            for verb in verbs
        ),
        Permission(verb="get", resource="pods", namespace=space),
        Permission(verb="list", resource="networkpolicies", group="networking.k8s.io", namespace=space, use="observe"),
        Permission(verb="get", resource="services", namespace=space, use="observe"),
        *rollouts.permissions(space, [client.name for client in state.clients]),
    ]


def undo_words(state: State) -> str:
    whom = ", ".join(f"deployment/{client.name}" for client in state.clients)
    return f"point the pods of {whom} back at the cluster's nameserver, delete statefulset/{state.resolver} and its config map"


def undo_calls(state: State) -> list[Call]:
    back = (resolver_clients.back(each, state.resolver) for each in state.clients)
    return [*back, *(delete_own(state, kind, state.resolver) for kind in ("StatefulSet", "ConfigMap"))]


# -- arm and disarm ------------------------------------------------------------------------------------------------------


def arm(state: State, world: World) -> None:
    cluster = world.cluster
    helpers.make(cluster, resolver_objects.config(state))
    helpers.make(cluster, resolver_objects.stateful_set(state))
    if not wait_until(lambda: _is_there(cluster, state), clock=RealClock(), within=helpers.READY_WITHIN):
        raise NotReady(f"statefulset/{state.resolver} makes no pod")
    helpers.await_ready(cluster, state.namespace, state.pod)
    told = _ask(state, world, "GET", "/config")
    dns = {
        "nameservers": [told["address"]],
        "searches": told["search"],
        "options": [{"name": "ndots", "value": str(told["ndots"])}],
    }
    for client in state.clients:
        resolver_clients.point(client, state.resolver, dns, cluster)
    late: list[str] = []

    def all_moved() -> bool:
        nonlocal late
        late = [each.name for each in state.clients if not resolver_clients.moved(each, state.resolver, cluster)]
        return not late

    if not wait_until(all_moved, clock=RealClock(), within=_ROLLED_WITHIN, every=0.5):
        raise NotReady(f"the pods of {', '.join(late)} are not ready with our resolver within {_ROLLED_WITHIN:.0f} s")


def _is_there(cluster: Cluster, state: State) -> bool:
    """Whether the resolver's pod lives and is not on its way out."""
    try:
        return "deletionTimestamp" not in cluster.get("Pod", state.pod, state.namespace)["metadata"]
    except NotFound:
        return False


def disarm(state: State, world: World) -> None:
    """Clients first; the resolver ends at once when nobody needs it any more, and lingers otherwise."""
    calls = undo_calls(state)
    put_back([each for each in calls if isinstance(each, PatchBack)], world)

    def unneeded() -> bool:
        return not resolver_clients.pods_of(state.resolver, state.namespace, world.cluster)

    if _is_there(world.cluster, state) and wait_until(unneeded, clock=RealClock(), within=_GONE_WITHIN, every=0.5):
        _tell(state, world, "PUT", "/end")
    put_back([each for each in calls if not isinstance(each, PatchBack)], world)


def settle(state: State) -> float:
    """Seconds that `verify` may take: the clients' rollouts need theirs."""
    return _ROLLED_WITHIN


def verify(state: State, world: World) -> list[str]:
    left = still_changed(undo_calls(state), world) + helpers.left_of(world, state, ("Pod", state.pod))
    pods = resolver_clients.pods_of(state.resolver, state.namespace, world.cluster)
    return left + [f"pod/{pod['metadata']['name']} in {state.namespace} still asks our resolver" for pod in pods]


# -- strike --------------------------------------------------------------------------------------------------------------


def start(state: State, world: World) -> None:
    _ask(state, world, "PUT", "/mode", {"name": state.looked_up, "answer": state.answer, "seconds": state.seconds})


def stop(state: State, world: World) -> None:
    if _is_there(world.cluster, state):
        _tell(state, world, "DELETE", "/mode")


def bypassed(state: State, world: World) -> str:
    """Why a strike would miss the clients, in words: pods that have looked up nothing since they were pointed at us."""
    asked = _ask(state, world, "GET", "/asked")["clients"]
    pods = resolver_clients.pods_of(state.resolver, state.namespace, world.cluster)
    silent = sorted(pod["metadata"]["name"] for pod in pods if pod["status"].get("podIP") not in asked)
    if not silent:
        return ""
    return f"{', '.join(silent)} have looked up no name since they were started: a failing one would not be felt"


def dose(state: State) -> Dose:
    """The witness asks the clients' nameserver as they do, for the name that fails and for one that must go on resolving."""
    route = Route(
        name=f"lookup of {state.looked_up}",
        host=state.looked_up,
        port=resolver_objects.DNS_PORT,
        scheme="dns",
        server=state.pod,
    )
    other = route.model_copy(update={"name": "lookup of another name", "host": _OTHER})
    expect = Expectation(what="route-fails", route=route, connections=["new"], error=_SEEN_AS[state.answer], route_ends=True)
    whom = ", ".join(client.name for client in state.clients)
    return Dose(
        expect=[expect],
        control=[other],
        words=f"the nameserver of {whom} answers {_SEEN_AS[state.answer]} for {state.looked_up}",
    )


def _tell(state: State, world: World, method: str, path: str) -> None:
    """Where the resolver is on its way out there is nothing left to tell it."""
    try:
        _ask(state, world, method, path)
    except NotReady:
        if _is_there(world.cluster, state):
            raise


def _ask(state: State, world: World, method: str, path: str, body: object | None = None) -> dict[str, Any]:
    port = resolver_objects.ADMIN_PORT
    status, content = world.cluster.pod_request(state.namespace, state.pod, port, method, path, body)
    if status != 200:
        raise NotReady(f"the resolver answered {status} to {method} {path}: {content[:200].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(content)
    return answer
