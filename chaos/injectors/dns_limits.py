"""Whose name lookups cannot fail by way of a resolver of ours, and why: told before anything is touched."""

from chaos.clients.world import Obj
from chaos.errors import BadInput, NotFound
from chaos.injectors import policies
from chaos.injectors.base import Aim
from chaos.injectors.resolver_objects import DNS_PORT, MARK


def refuse_unknown(name: str, aim: Aim) -> None:
    if "." in name:
        return
    try:
        aim.world.cluster.get("Service", name, aim.namespace)
    except NotFound:
        raise BadInput(
            f"there is no service {name} in namespace {aim.namespace}; a name elsewhere is given in full, with its dots"
        ) from None


def refuse_unfit(found: Obj, looked_up: str) -> None:
    """Pods that have a way of their own to find names would not feel it, or would lose that way."""
    name, spec = found["metadata"]["name"], found["spec"]["template"]["spec"]
    if MARK in (found["spec"]["template"]["metadata"].get("labels") or {}):
        raise BadInput(f"deployment/{name} asks the resolver of another run; first: gameday recover")
    if spec.get("dnsConfig") or spec.get("dnsPolicy", "ClusterFirst") != "ClusterFirst" or spec.get("hostNetwork"):
        raise BadInput(
            f"deployment/{name} looks up names in its own way (dnsPolicy, dnsConfig or hostNetwork): it is left alone"
        )
    if any(looked_up in (each.get("hostnames") or []) for each in spec.get("hostAliases") or []):
        raise BadInput(f"deployment/{name} has an address for {looked_up} in hostAliases: it never looks it up")


def refuse_shut_off(found: Obj, there: list[Obj]) -> None:
    """A policy that lets pods ask the cluster's nameserver only would leave them without any."""
    labels = found["spec"]["template"]["metadata"].get("labels") or {}
    if named := [each for each in policies.isolating(there, labels, "egress") if not _open_for_lookups(each)]:
        raise BadInput(
            f"network policy {policies.names(named)} names what deployment/{found['metadata']['name']} may call; a resolver in "
            "this namespace is not among them"
        )


def _open_for_lookups(policy: Obj) -> bool:
    """Whether a rule lets pods ask anybody's port 53."""
    rules = [rule for rule in policy["spec"].get("egress") or [] if not rule.get("to")]
    ports = [{(each.get("protocol", "TCP"), each.get("port")) for each in rule.get("ports") or []} for rule in rules]
    return any(not each or ("UDP", DNS_PORT) in each for each in ports)
