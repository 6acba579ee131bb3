"""Nodes, and the scheduler: a pod goes where its selector allows and where its own kind, then all pods, are fewest."""

from chaos.sandbox.addresses import Addresses
from chaos.sandbox.controllers import Context, owner_of
from chaos.sandbox.discovery import VERSION
from chaos.sandbox.store import Obj, Store, timestamp

_ZONE = "topology.kubernetes.io/zone"
_CAPACITY = 110
NODES = ("sandbox-control-plane", "sandbox-worker", "sandbox-worker2", "sandbox-worker3")


def add_nodes(store: Store, addresses: Addresses) -> None:
    """One control plane, and three workers that are a zone each."""
    for number, name in enumerate(NODES):
        labels = {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        cidr = addresses.pod_range(number)
        spec: Obj = {"podCIDR": cidr, "podCIDRs": [cidr], "providerID": f"sandbox://{name}"}
        if number == 0:
            labels["node-role.kubernetes.io/control-plane"] = ""
            spec["taints"] = [{"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}]
        else:
            labels[_ZONE] = f"zone-{'abc'[number - 1]}"
        store.add(
            "Node",
            {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": _status(addresses.node(number), name)},
        )


def _status(address: str, name: str) -> Obj:
    now = timestamp()
    conditions = [("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True")]
    reason = {"True": "KubeletReady", "False": "KubeletHasEnough"}
    room = {"cpu": "2", "memory": "4Gi", "pods": str(_CAPACITY)}
    return {
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "capacity": room,
        "allocatable": room,
        "conditions": [
            {
                "type": kind,
                "status": value,
                "reason": reason[value],
                "message": "",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            for kind, value in conditions
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "processes://1",
            "kernelVersion": "",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION["gitVersion"],
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "gameday sandbox",
            "systemUUID": "",
        },
    }


def reconcile(context: Context) -> None:
    """Give every pod without a node one, or say why none fits."""
    waiting = [
        pod
        for pod in context.store.all("Pod")
        if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
    ]
    if not waiting:
        return
    nodes = context.store.all("Node")
    placed = [pod for pod in context.store.all("Pod") if pod["spec"].get("nodeName")]
    loads: dict[str, int] = {node["metadata"]["name"]: 0 for node in nodes}
    kin: dict[tuple[str, str], int] = {}
    for pod in placed:
        node = pod["spec"]["nodeName"]
        loads[node] = loads.get(node, 0) + 1
        kin[(node, owner_of(pod))] = kin.get((node, owner_of(pod)), 0) + 1
    for pod in waiting:
        fitting = [node for node in nodes if _fits(pod, node) and loads[node["metadata"]["name"]] < _CAPACITY]
        if not fitting:
            _unschedulable(context, pod, len(nodes))
            continue
        owner = owner_of(pod)
        names = [node["metadata"]["name"] for node in fitting]
        best = min(names, key=lambda name: (kin.get((name, owner), 0) if owner else 0, loads[name], name))
        loads[best] += 1
        kin[(best, owner)] = kin.get((best, owner), 0) + 1
        _bind(context, pod, next(node for node in nodes if node["metadata"]["name"] == best))


def _fits(pod: Obj, node: Obj) -> bool:
    labels = node["metadata"]["labels"]
    if node["spec"].get("unschedulable"):
        return False
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    tolerations = pod["spec"].get("tolerations") or []
    hard = [taint for taint in node["spec"].get("taints") or () if taint["effect"] in ("NoSchedule", "NoExecute")]
    return all(any(_tolerates(each, taint) for each in tolerations) for taint in hard)


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _bind(context: Context, pod: Obj, node: Obj) -> None:
    meta, name = pod["metadata"], node["metadata"]["name"]
    if zone := node["metadata"]["labels"].get(_ZONE):  # as the pod-binding admission of 1.36 does
        meta = meta | {"labels": (meta.get("labels") or {}) | {_ZONE: zone}}
    done = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp()}
    status = pod["status"] | {"conditions": [done]}
    context.store.put("Pod", pod | {"metadata": meta, "spec": pod["spec"] | {"nodeName": name}, "status": status})
    message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {name}"
    context.events.normal(pod, "Scheduled", message, by="default-scheduler")


def _unschedulable(context: Context, pod: Obj, nodes: int) -> None:
    if pod["status"].get("conditions"):
        return
    message = f"0/{nodes} nodes are available: none fits the pod's node selector and taints, is schedulable and has room."
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    times = {"lastProbeTime": None, "lastTransitionTime": timestamp()}
    context.store.put("Pod", pod | {"status": pod["status"] | {"conditions": [why | times]}})
    context.events.warning(pod, "FailedScheduling", message, by="default-scheduler")
