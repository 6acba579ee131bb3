"""NetworkPolicies: may a source address open a connection to a pod's port."""

import ipaddress
from typing import Any

from chaos.sandbox.selectors import matches
from chaos.sandbox.store import Obj, Store


class Policies:
    """The verdict on new connections; rebuilt when pods, namespaces or policies change, and free while there is no policy."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pods: dict[str, Obj] = {}
        self._policies: list[Obj] = []
        self._spaces: dict[str, dict[str, str]] = {}

    def rebuild(self) -> None:
        self._policies = self._store.all("NetworkPolicy")
        if not self._policies:
            return
        pods = self._store.all("Pod")
        self._pods = {pod["status"]["podIP"]: pod for pod in pods if pod["status"].get("podIP")}
        self._spaces = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in self._store.all("Namespace")}

    def allow(self, source: str, target: str, port: int) -> bool:
        """Whether egress from the source and ingress to the target both allow it."""
        if not self._policies:
            return True
        sender, receiver = self._pods.get(source), self._pods.get(target)
        out = self._admits("Egress", "to", sender, (receiver, target), port)
        return out and self._admits("Ingress", "from", receiver, (sender, source), port)

    def _admits(self, way: str, key: str, pod: Obj | None, other: tuple[Obj | None, str], port: int) -> bool:
        """A pod that no policy selects admits all; else one rule of one of them must."""
        if pod is None:
            return True
        chosen = [each for each in self._policies if way in each["spec"]["policyTypes"] and _selects(each, pod)]
        return not chosen or any(
            self._fits(policy, rule, key, pod, other, port)
            for policy in chosen
            for rule in policy["spec"].get(way.lower()) or ()
        )

    def _fits(self, policy: Obj, rule: Obj, key: str, pod: Obj, other: tuple[Obj | None, str], port: int) -> bool:
        receiver = pod if key == "from" else other[0]
        if rule.get("ports") and not any(_port_fits(each, port, receiver) for each in rule["ports"]):
            return False
        peers = rule.get(key) or []
        return not peers or any(self._is_peer(peer, policy["metadata"]["namespace"], *other) for peer in peers)

    def _is_peer(self, peer: Obj, space: str, pod: Obj | None, address: str) -> bool:
        if block := peer.get("ipBlock"):
            where = ipaddress.ip_address(address)
            inside = where in ipaddress.ip_network(block["cidr"], strict=False)
            return inside and not any(where in ipaddress.ip_network(each, strict=False) for each in block.get("except") or ())
        if pod is None:
            return False
        meta = pod["metadata"]
        if peer.get("namespaceSelector") is None:
            if meta["namespace"] != space:
                return False
        elif not matches(peer["namespaceSelector"], self._spaces.get(meta["namespace"])):
            return False
        return peer.get("podSelector") is None or matches(peer["podSelector"], meta.get("labels"))


def _selects(policy: Obj, pod: Obj) -> bool:
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and matches(policy["spec"]["podSelector"], pod["metadata"].get("labels"))


def _port_fits(wanted: Obj, port: int, receiver: Obj | None) -> bool:
    if wanted.get("protocol", "TCP") != "TCP":
        return False
    first: Any = wanted.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        containers = receiver["spec"]["containers"] if receiver else ()
        named = [each for container in containers for each in container.get("ports") or () if each.get("name") == first]
        return any(each["containerPort"] == port for each in named)
    return bool(first <= port <= wanted.get("endPort", first))
