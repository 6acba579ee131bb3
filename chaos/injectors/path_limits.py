"""Before which Services a proxy cannot stand, and why: told before anything is touched."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaos.clients.world import Obj
from chaos.errors import BadInput
from chaos.injectors.policies import isolating, names, types
from chaos.model.selector import selects

ADMIN_PORT = 8474


def refuse_unfit(service: Obj, proxy_label: str) -> None:
    """BadInput with the reason where a proxy in the path would be bypassed, could not forward, or stands already."""
    spec, name = service["spec"], service["metadata"]["name"]
    if spec.get("type") == "ExternalName":
        raise BadInput(f"service {name} is an ExternalName: there is no address that a proxy could stand behind")
    if spec.get("clusterIP") == "None":
        raise BadInput(f"service {name} is headless: its clients find pods by themselves and would bypass a proxy")
    if not spec.get("selector"):
        raise BadInput(f"service {name} has no selector that could be pointed at a proxy")
    if proxy_label in spec["selector"]:
        whose = spec["selector"][proxy_label]
        raise BadInput(f"service {name} leads to {whose}, the proxy of another run; first: gameday recover")
    if any(port.get("protocol", "TCP") != "TCP" for port in spec["ports"]):
        raise BadInput(f"service {name} has a port that is not TCP; Toxiproxy forwards TCP only")
    if "Local" in (spec.get("internalTrafficPolicy"), spec.get("externalTrafficPolicy")):
        raise BadInput(
            f"service {name} sends traffic to pods of the same node only (Local): one proxy cannot stand on all nodes"
        )


def refuse_admin_port(service: str, numbers: Sequence[int]) -> None:
    if ADMIN_PORT in numbers:
        raise BadInput(f"service {service} leads to port {ADMIN_PORT}, which Toxiproxy needs for itself")


def refuse_shut_out(
    policies: Sequence[Obj], *, target: Mapping[str, str], proxy: Mapping[str, str], ports: Sequence[object]
) -> None:
    """BadInput when the NetworkPolicies would not let traffic pass a pod labelled `proxy` on its way to `target`."""
    into_target = isolating(policies, target, "ingress")
    if into_target and not _admitted(into_target, "ingress", "from", proxy, ports):
        raise BadInput(f"network policy {names(into_target)} admits named callers only: the proxy is shut out")
    into_proxy = isolating(policies, proxy, "ingress")
    if into_proxy and not _admitted(into_proxy, "ingress", "from", None, ports):
        raise BadInput(f"network policy {names(into_proxy)} also holds for the proxy's pod: its callers are shut out")
    out_of_proxy = isolating(policies, proxy, "egress")
    if out_of_proxy and not _admitted(out_of_proxy, "egress", "to", target, ports):
        raise BadInput(f"network policy {names(out_of_proxy)} also holds for the proxy's pod: it cannot reach the target")
    for policy in policies:
        callers = policy["spec"].get("podSelector") or {}
        if "Egress" not in types(policy) or selects(callers, proxy) or selects(callers, target):
            continue
        if _admitted([policy], "egress", "to", target, ports) and not _admitted([policy], "egress", "to", proxy, ports):
            raise BadInput(f"network policy {names([policy])} lets callers reach the target, but not the proxy before it")


def _admitted(policies: Sequence[Obj], way: str, peers: str, pod: Mapping[str, str] | None, ports: Sequence[object]) -> bool:
    """Whether one rule names this pod (None: anybody) as a peer, on all the ports."""
    rules: list[dict[str, Any]] = [rule for policy in policies for rule in policy["spec"].get(way) or []]
    return any(_names_peer(rule.get(peers), pod) and _names_ports(rule.get("ports"), ports) for rule in rules)


def _names_peer(peers: Sequence[Obj] | None, pod: Mapping[str, str] | None) -> bool:
    if not peers:
        return True
    own_namespace = [each["podSelector"] for each in peers if "podSelector" in each and "namespaceSelector" not in each]
    return pod is not None and any(selects(selector or {}, pod) for selector in own_namespace)


def _names_ports(named: Sequence[Obj] | None, ports: Sequence[object]) -> bool:
    return not named or {str(port) for port in ports} <= {str(each.get("port")) for each in named}
