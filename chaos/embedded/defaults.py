"""What the API server fills in: Service addresses, node names, replica counts, quotas."""

import itertools
from typing import Any

from chaos.embedded.addresses import Addresses
from chaos.embedded.problems import ApiProblem, invalid
from chaos.embedded.store import Store

Obj = dict[str, Any]
WORKERS = ("sandbox-worker", "sandbox-worker2", "sandbox-worker3")


class Defaults:
    """Applied to every object on its way into the store."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._turn = itertools.cycle(WORKERS)

    def __call__(self, obj: Obj, store: Store) -> None:
        fill = getattr(self, f"_{obj['kind'].lower()}", None)
        if fill:
            fill(obj, store)

    def _service(self, service: Obj, _store: Store) -> None:
        spec = service.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
            spec["clusterIP"] = self._addresses.service()
            spec["clusterIPs"] = [spec["clusterIP"]]
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port["port"])
            if port["port"] < 1024:
                raise invalid(f"the sandbox serves ports from 1024 on, not {port['port']}")

    def _pod(self, pod: Obj, store: Store) -> None:
        spec = pod.setdefault("spec", {})
        if not spec.get("containers"):
            raise invalid("spec.containers: Required value")
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        pod.setdefault("status", {}).setdefault("phase", "Pending")
        if "nodeName" not in spec:
            self._within_quota(pod, store)
            spec["nodeName"] = self._next_worker(store)

    def _next_worker(self, store: Store) -> str:
        """The next worker that takes pods."""
        for name in itertools.islice(self._turn, len(WORKERS)):
            node = store.peek("Node", "", name)
            if node is not None and not node.get("spec", {}).get("unschedulable"):
                return name
        return ""

    @staticmethod
    def _within_quota(pod: Obj, store: Store) -> None:
        space = pod["metadata"]["namespace"]
        for quota in store.all("ResourceQuota", space):
            limit = quota["spec"].get("hard", {}).get("pods")
            used = sum(1 for _ in store.all("Pod", space))
            if limit is not None and used >= int(limit):
                name = quota["metadata"]["name"]
                raise ApiProblem(
                    403, "Forbidden", f"exceeded quota: {name}, requested: pods=1, used: pods={used}, limited: pods={limit}"
                )

    @staticmethod
    def _deployment(deployment: Obj, _store: Store) -> None:
        spec = deployment.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        if not spec.get("selector") or not spec.get("template"):
            raise invalid("spec.selector and spec.template: Required value")

    @staticmethod
    def _replicaset(replica_set: Obj, _store: Store) -> None:
        replica_set.setdefault("spec", {}).setdefault("replicas", 1)

    @staticmethod
    def _secret(secret: Obj, _store: Store) -> None:
        import base64  # noqa: PLC0415 - only here

        for key, value in (secret.pop("stringData", None) or {}).items():
            secret.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        secret.setdefault("type", "Opaque")


def first_objects(store: Store) -> None:
    """What is there on a new cluster."""
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        store.create({"kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}})
    for name, zone in (("sandbox-control-plane", ""), *zip(WORKERS, ("zone-a", "zone-b", "zone-c"), strict=True)):
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        if zone:
            labels["topology.kubernetes.io/zone"] = zone
        else:
            labels["node-role.kubernetes.io/control-plane"] = ""
        store.create(
            {
                "kind": "Node",
                "metadata": {"name": name, "labels": labels},
                "spec": {},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"kubeletVersion": "v1.36.0+gameday-sandbox"},
                },
            }
        )
