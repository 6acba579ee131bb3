"""NetworkPolicies: what those that are there admit, and the pieces of those that we write. Pure.

Policies only ever add up: a cut is a policy that admits everybody but whom it cuts off, and any other policy that admits them
wins over it.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from chaos.clients.world import Obj
from chaos.injectors.base import OWN_LABEL
from chaos.model.selector import selects

Way = Literal["ingress", "egress"]
_PEERS = {"ingress": "from", "egress": "to"}
_NAMESPACE = "kubernetes.io/metadata.name"
_DNS_PORTS = (53, 5353)  # of Services and hosts, and of pods that listen as nobody special


def types(policy: Obj) -> list[str]:
    spec = policy["spec"]
    return list(spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])])


def isolating(policies: Iterable[Obj], pod: Mapping[str, str], way: Way) -> list[Obj]:
    """The policies by which a pod of these labels admits only what they name."""
    return [
        each for each in policies if way.capitalize() in types(each) and selects(each["spec"].get("podSelector") or {}, pod)
    ]


def names(policies: Iterable[Obj]) -> str:
    return ", ".join(policy["metadata"]["name"] for policy in policies)


def winning(
    policies: Iterable[Obj],
    way: Way,
    struck: Sequence[Obj],
    peers: Sequence[Obj] | None,
    *,
    dns: bool,
    labels: Mapping[str, str],
) -> list[Obj]:
    """The policies of a struck pod that would go on admitting a peer (None: anybody at all) whatever we add.

    `labels` are the namespace's, all pods being of one; with `dns`, rules for name lookups alone are no trouble.
    """
    found: dict[str, Obj] = {}
    for pod in struck:
        for policy in isolating(policies, pod["metadata"].get("labels") or {}, way):
            rules = [rule for rule in policy["spec"].get(way) or [] if not (dns and _only_dns(rule))]
            if any(_admits(rule, way, peers, labels) for rule in rules):
                found[policy["metadata"]["name"]] = policy
    return list(found.values())


def _only_dns(rule: Obj) -> bool:
    return bool(rule.get("ports")) and all(each.get("port") in _DNS_PORTS for each in rule["ports"])


def _admits(rule: Obj, way: Way, pods: Sequence[Obj] | None, labels: Mapping[str, str]) -> bool:
    peers = rule.get(_PEERS[way])
    return pods is None or not peers or any(_is_peer(peer, pod, labels) for peer in peers for pod in pods)


def _is_peer(peer: Obj, pod: Obj, labels: Mapping[str, str]) -> bool:
    if block := peer.get("ipBlock"):
        return _within(pod["status"].get("podIP", ""), block)
    if peer.get("namespaceSelector") is not None and not selects(peer["namespaceSelector"], labels):
        return False
    return peer.get("podSelector") is None or selects(peer["podSelector"], pod["metadata"].get("labels"))


def _within(address: str, block: Obj) -> bool:
    if not address:
        return True  # it will have one soon, and which is not known
    where = ipaddress.ip_address(address)
    holds = [where in ipaddress.ip_network(each, strict=False) for each in (block["cidr"], *(block.get("except") or ()))]
    return holds[0] and not any(holds[1:])


# -- pieces of ours ------------------------------------------------------------------------------------------------------


def all_but(labels: Mapping[str, str], namespace: str, outside: Sequence[Obj]) -> list[Obj]:
    """Peers: every pod of the namespace that lacks one of these labels, but none of our own helpers, which stand for those
    cut off; every pod of other namespaces; and what is no pod.
    """
    (mark, ours), *_ = OWN_LABEL.items()
    not_ours = {"key": mark, "operator": "NotIn", "values": [ours]}
    others = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in labels.items()]
    elsewhere = {"matchExpressions": [{"key": _NAMESPACE, "operator": "NotIn", "values": [namespace]}]}
    return [
        *({"podSelector": {"matchExpressions": [each, not_ours]}} for each in others),
        {"namespaceSelector": elsewhere},
        *({"ipBlock": block} for block in outside),
    ]


def outside(nodes: Iterable[Obj], pods: Iterable[Obj]) -> list[Obj]:
    """Blocks of all addresses that are no pod's: without the nodes' pod ranges or, where none is told, these pods' own."""
    ranges = {cidr for node in nodes for cidr in node["spec"].get("podCIDRs") or []}
    known = ranges or {str(ipaddress.ip_network(pod["status"]["podIP"])) for pod in pods if pod["status"].get("podIP")}
    blocks = [{"cidr": "0.0.0.0/0", "except": sorted(each for each in known if ":" not in each)}]
    if six := sorted(each for each in known if ":" in each):
        blocks.append({"cidr": "::/0", "except": six})
    return blocks


def lookups() -> Obj:
    """A rule for name lookups, at whatever address a cluster keeps its nameservers."""
    return {"ports": [{"protocol": protocol, "port": port} for port in _DNS_PORTS for protocol in ("UDP", "TCP")]}


def policy(meta: Obj, pods: Mapping[str, Any], way: Way, rules: Sequence[Obj]) -> Obj:
    """A policy for pods (a label selector) that admits nothing but these rules."""
    spec = {"podSelector": pods, "policyTypes": [way.capitalize()], way: list(rules)}
    return {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": meta, "spec": spec}
