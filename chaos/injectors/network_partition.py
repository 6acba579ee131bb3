"""`network-partition`: pods can no longer reach each other, by NetworkPolicies that admit everybody but whom they cut off.

Only new connections are sure to feel it: most network plugins leave those that stand alone. Where no plugin enforces policies
nothing is felt, and the dose says so.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput
from chaos.injectors import helpers, policies
from chaos.injectors.base import LABEL_RUN, OWN_LABEL, Aim, FaultSpec, FaultState, Privilege, own_labels
from chaos.injectors.path_ports import readiness, scheme_of, with_target
from chaos.injectors.policies import Way
from chaos.injectors.targets import live_pods, refuse_protected, target_of
from chaos.injectors.undoing import delete_own, put_back, still_changed
from chaos.model.base import Labels, Name
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.selector import selects
from chaos.model.undo import Call
from chaos.probes.dose import ready_endpoints

PRIVILEGE: Privilege = "api"
_SHORTEST = 5.0  # seconds: network plugins take up to a few to obey a policy
_WITHIN = 10.0
_LOOKUP = Route(name="name lookups", host="kubernetes.default.svc", port=53, scheme="dns")


class NetworkPartition(FaultSpec):
    """A cut between pods, or between pods and everybody."""

    kind: Literal["network-partition"]
    callers: Labels | None = Field(default=None, alias="from")
    """Pods whose connections fail; left out: everybody's, to the pods of `to`."""
    called: Labels | None = Field(default=None, alias="to")
    """Pods that cannot be reached; left out: whatever the pods of `from` call."""
    direction: Literal["ingress", "egress", "both"] | None = None
    """Where the policy stands: before the pods that are called, behind those that call, or both; default: ingress with `to`."""
    dns: Literal["allow", "cut"] | None = None
    """Whether pods that are cut off from everything may still look up names. To be said there; elsewhere lookups go on."""
    standing: Literal["may-go-on", "must-end"] = "may-go-on"
    """Whether connections that stood before must be seen to end as well; where they do not, the run is inconclusive."""
    service: Name | None = None
    """By which Service the cut is seen; default: the first that leads to the pods of `to`."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.callers is None and self.called is None:
            raise ValueError("give from, to, or both: labels of the pods to cut off")
        if self.duration < _SHORTEST:
            raise ValueError(f"network plugins take seconds to obey a policy: give a duration of at least {_SHORTEST:.0f}s")
        alone = "egress" if self.called is None else "ingress" if self.callers is None else None
        if alone and self.direction not in (None, alone):
            raise ValueError(f"direction {self.direction} needs both from and to; with one of them alone it is {alone}")
        if self.called is None and self.dns is None:
            raise ValueError("pods cut off from everything: say dns: allow (name lookups go on) or dns: cut")
        if self.called is not None and self.dns is not None:
            raise ValueError("dns is for pods cut off from everything (from without to); here, name lookups go on")
        return self

    @property
    def ways(self) -> list[Way]:
        if self.direction == "both":
            return ["ingress", "egress"]
        return [self.direction or ("ingress" if self.called is not None else "egress")]


class State(FaultState):
    """Whom the policies cut off, and where that is seen."""

    service: str
    policy: str
    callers: dict[str, str] | None
    called: dict[str, str] | None
    ways: list[Way]
    dns: bool
    outside: list[dict[str, object]]
    seen_at: Route
    control: list[Route]
    lookups_fail: bool
    held: bool
    notes: list[str] = []


Spec = NetworkPartition


def prepare(spec: NetworkPartition, aim: Aim) -> State:
    refuse_protected(aim.namespace)
    cluster = aim.world.cluster
    callers = live_pods(cluster, aim.namespace, spec.callers) if spec.callers is not None else None
    called = live_pods(cluster, aim.namespace, spec.called) if spec.called is not None else None
    struck = [*(callers or []), *(called or [])]
    _refuse_what_no_policy_cuts(struck, callers, called)
    _refuse_winners(spec, aim, callers, called)
    has_dns = cluster.environment.kind != "sandbox"  # the sandbox finds Services by URLs in the environment
    seen_at, control = _routes(spec, aim, called)
    lookups_go_on = [_LOOKUP] if has_dns and spec.dns != "cut" and "egress" in spec.ways else []
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        targets=[target_of(pod, "Pod") for pod in struck],
        service=seen_at.name,
        policy=helpers.name_for("partition", aim.run, aim.step),
        callers=spec.callers,
        called=spec.called,
        ways=spec.ways,
        dns=spec.dns == "allow",
        outside=policies.outside(cluster.find("Node"), struck),
        seen_at=seen_at,
        control=lookups_go_on + (control if spec.called is not None else []),
        lookups_fail=has_dns and spec.dns == "cut",
        held=spec.standing == "must-end",
        notes=_notes(spec),
    )


def _refuse_what_no_policy_cuts(struck: list[Obj], callers: list[Obj] | None, called: list[Obj] | None) -> None:
    if hosts := sorted(pod["metadata"]["name"] for pod in struck if pod["spec"].get("hostNetwork")):
        raise BadInput(f"pods {', '.join(hosts)} use their node's network, where no network policy holds")
    both = {pod["metadata"]["uid"] for pod in callers or []} & {pod["metadata"]["uid"] for pod in called or []}
    if both:
        raise BadInput("from and to match the same pods: a cut needs two sides")


def _refuse_winners(spec: NetworkPartition, aim: Aim, callers: list[Obj] | None, called: list[Obj] | None) -> None:
    """Policies add up: where another one admits whom we cut off, ours changes nothing."""
    cluster = aim.world.cluster
    there = cluster.find("NetworkPolicy", aim.namespace)
    labels = cluster.get("Namespace", aim.namespace)["metadata"].get("labels") or {}
    sides: dict[Way, tuple[list[Obj] | None, list[Obj] | None]] = {"ingress": (called, callers), "egress": (callers, called)}
    for way in spec.ways:
        struck, peers = sides[way]
        if winners := policies.winning(there, way, struck or [], peers, dns=spec.dns == "allow", labels=labels):
            raise BadInput(
                f"network policy {policies.names(winners)} admits this traffic ({way}), and a policy that admits always wins: "
                "nothing would be cut"
            )


def _notes(spec: NetworkPartition) -> list[str]:
    standing = "connections that stand already may go on: a caller that keeps its connections may feel nothing"
    return [
        "only what enforces network policies makes this felt; the dose shows whether something does",
        standing
        if spec.standing == "may-go-on"
        else "connections that stand must be seen to end; where they go on, the run is inconclusive",
        *(
            ["a proxy of ours before the pods of `to` is cut off like the callers, and all that pass it"]
            if spec.callers and spec.called
            else []
        ),
    ]


# -- where it is seen ----------------------------------------------------------------------------------------------------


def _routes(spec: NetworkPartition, aim: Aim, called: list[Obj] | None) -> tuple[Route, list[Route]]:
    """The way to a Service of the pods that are called (of any, where everything is), and to one that must go on."""
    cluster = aim.world.cluster
    services = [each for each in cluster.find("Service", aim.namespace) if _can_be_seen(each)]
    leading = [each for each in services if called is None or any(_leads_to(each, pod) for pod in called)]
    serving = [each for each in services if ready_endpoints(cluster, aim.namespace, each["metadata"]["name"])]
    named = [each for each in leading if spec.service in (None, each["metadata"]["name"]) and each in serving]
    if not named:
        which = f"service {spec.service} does not lead" if spec.service else "no service with ready endpoints leads"
        raise BadInput(f"{which} to the pods that are cut off: nobody could see the cut")
    other = [each for each in serving if each not in leading]
    return _route(cluster, named[0]), [_route(cluster, each) for each in other[:1]]


def _can_be_seen(service: Obj) -> bool:
    """Whether a connection to its address tells about its pods."""
    spec, labels = service["spec"], service["metadata"].get("labels") or {}
    ours = labels.items() >= OWN_LABEL.items()
    return bool(spec.get("selector")) and spec.get("clusterIP") != "None" and not ours and bool(_tcp(service))


def _tcp(service: Obj) -> list[Obj]:
    return [each for each in service["spec"].get("ports") or [] if each.get("protocol", "TCP") == "TCP"]


def _leads_to(service: Obj, pod: Obj) -> bool:
    return selects({"matchLabels": service["spec"]["selector"]}, pod["metadata"].get("labels"))


def _route(cluster: Cluster, service: Obj) -> Route:
    name, port = service["metadata"]["name"], _tcp(service)[0]
    pods = cluster.find("Pod", service["metadata"]["namespace"], labels=service["spec"]["selector"])
    number = with_target(port, pods, name)
    probe = readiness(pods, number)
    scheme = scheme_of(number, probe)
    tls_name = name if scheme == "https" else ""
    return Route(name=name, host=name, port=port["port"], scheme=scheme, path=probe.get("path") or "/", server_name=tls_name)


# -- strike and undo -----------------------------------------------------------------------------------------------------


def permissions(state: State) -> list[Permission]:
    space = state.namespace
    kind = {"resource": "networkpolicies", "group": "networking.k8s.io", "namespace": space}
    observed = [("pods", "", space), ("services", "", space), ("endpointslices", "discovery.k8s.io", space), ("nodes", "", "")]
    return [
        Permission(verb="create", **kind),
        Permission(verb="list", use="observe", **kind),
        Permission(verb="get", resource="namespaces", name=space, use="observe"),
        *(
            Permission(verb="list", resource=each, group=group, namespace=where, use="observe")
            for each, group, where in observed
        ),
    ]


def undo_words(state: State) -> str:
    return f"delete our own {', '.join(f'networkpolicy/{name}' for name in _objects(state))}"


def undo_calls(state: State) -> list[Call]:
    return [delete_own(state, "NetworkPolicy", name) for name in _objects(state)]


def _objects(state: State) -> dict[str, Obj]:
    """Name -> policy. Behind the callers' own stands one for the witness, which is no pod of theirs."""
    found: dict[str, tuple[Way, Obj, list[Obj]]] = {}
    if "ingress" in state.ways:
        rules = [{"from": policies.all_but(state.callers, state.namespace, state.outside)}] if state.callers else []
        found[f"{state.policy}-in"] = ("ingress", {"matchLabels": state.called}, rules)
    if "egress" in state.ways:
        everything = [policies.lookups()] if state.dns else []
        rules = [{"to": policies.all_but(state.called, state.namespace, state.outside)}] if state.called else everything
        witness = {"app.kubernetes.io/name": "gameday-witness", LABEL_RUN: state.run}
        found[f"{state.policy}-out"] = ("egress", {"matchLabels": state.callers}, rules)
        found[f"{state.policy}-eye"] = ("egress", {"matchLabels": witness}, rules)
    metas = {name: {"name": name, "namespace": state.namespace, "labels": own_labels(state)} for name in found}
    return {name: policies.policy(metas[name], pods, way, rules) for name, (way, pods, rules) in found.items()}


def start(state: State, world: World) -> None:
    for obj in _objects(state).values():
        helpers.make(world.cluster, obj)


def stop(state: State, world: World) -> None:
    put_back(undo_calls(state), world)


def verify(state: State, world: World) -> list[str]:
    return still_changed(undo_calls(state), world)


def dose(state: State) -> Dose:
    """The witness is cut off like the callers; what it sees over new connections is what their new ones feel."""
    connections: list[Literal["held", "new"]] = ["held", "new"] if state.held else ["new"]
    expect = [Expectation(what="route-fails", route=state.seen_at, connections=connections)]
    if state.lookups_fail:
        expect.append(Expectation(what="route-fails", route=_LOOKUP, connections=["new"]))
    whom = _words(state.callers) if state.callers else "anybody"
    where = _words(state.called) if state.called else "anything" + (" but name lookups" if state.dns else "")
    held = "held and new" if state.held else "new"
    return Dose(
        expect=expect,
        control=state.control,
        within=_WITHIN,
        words=f"{held} connections of {whom} to {where} get no answer (the witness is cut off in the same way)",
    )


def _words(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
