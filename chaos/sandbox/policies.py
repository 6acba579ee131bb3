"""NetworkPolicy: whether a pod may open a connection to another. Established ones are never cut, as on common engines."""

from typing import Any

from chaos.sandbox.selectors import matches
from chaos.sandbox.store import Store

Obj = dict[str, Any]


def allowed(store: Store, source: Obj | None, target: Obj, port: int) -> bool:
    """`source` None = from outside the cluster."""
    if not _one_way(store, target, "Ingress", "ingress", "from", source, port):
        return False
    return source is None or _one_way(store, source, "Egress", "egress", "to", target, port)


def _one_way(  # noqa: PLR0913, PLR0917 - ingress and egress are the same question with other words
    store: Store, subject: Obj, kind: str, rules: str, peers: str, other: Obj | None, port: int
) -> bool:
    """Policies add up: none that selects the subject = open, else one rule of one of them must let it pass."""
    selecting = [policy for policy in store.all("NetworkPolicy", _space(subject)) if _selects(policy, subject, kind)]
    if not selecting:
        return True
    return any(
        _rule_fits(store, policy, rule, peers, other, port) for policy in selecting for rule in policy["spec"].get(rules) or []
    )


def _space(pod: Obj) -> str:
    return str(pod["metadata"]["namespace"])


def _selects(policy: Obj, pod: Obj, kind: str) -> bool:
    spec = policy["spec"]
    kinds = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return kind in kinds and matches(pod["metadata"].get("labels") or {}, spec.get("podSelector") or {})


def _rule_fits(store: Store, policy: Obj, rule: Obj, peers: str, other: Obj | None, port: int) -> bool:
    ports = rule.get("ports") or []
    if ports and port not in [each.get("port", port) for each in ports]:
        return False
    wanted = rule.get(peers) or []
    return not wanted or any(_peer_fits(store, policy, peer, other) for peer in wanted)


def _peer_fits(store: Store, policy: Obj, peer: Obj, other: Obj | None) -> bool:
    if "ipBlock" in peer:
        return bool(peer["ipBlock"].get("cidr") == "0.0.0.0/0")
    if other is None:
        return False
    if "namespaceSelector" in peer:
        space = store.peek("Namespace", "", _space(other))
        if space is None or not matches(space["metadata"].get("labels") or {}, peer["namespaceSelector"] or {}):
            return False
    elif _space(other) != _space(policy):
        return False
    return "podSelector" not in peer or matches(other["metadata"].get("labels") or {}, peer["podSelector"] or {})
