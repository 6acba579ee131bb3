"""What the kubelet and the API server make of a fault: pods held up, resized, or declined. Never what we wrote ourselves."""

from chaos.clients.world import Cluster, Obj
from chaos.errors import Forbidden
from chaos.model.dose import Expectation
from chaos.model.quantity import amount
from chaos.probes.dose_rules import Proof

_ON_ITS_WAY = ("ContainerCreating", "PodInitializing")
_LITTLE = {"cpu": "1m", "memory": "1Mi"}
_NO_RIGHTS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_MODEST_POD: Obj = {
    "kind": "Pod",
    "apiVersion": "v1",
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": "gameday.invalid/probe",
                "resources": {"requests": _LITTLE, "limits": _LITTLE},
                "securityContext": _NO_RIGHTS,
            }
        ],
    },
}
"""Such that nothing but a lack of room speaks against it."""


def new_pods(expected: Expectation, cluster: Cluster) -> Proof:
    """Pods that are not among `uids` were taken up by a kubelet: started, or held up."""
    pods = [
        pod
        for pod in cluster.find("Pod", expected.namespace, labels=expected.selector)
        if pod["metadata"]["uid"] not in expected.uids
    ]
    mounts = _failed_mounts(cluster, expected.namespace) if pods else {}
    fates = [_fate(pod, mounts) for pod in pods]
    met = [fate for fate in fates if fate and (not expected.reasons or fate in expected.reasons)]
    told = ", ".join(f"{fate} {fates.count(fate)}" for fate in sorted({fate for fate in fates if fate}))
    whose = ",".join(f"{key}={value}" for key, value in expected.selector.items())
    words = f"{len(pods)} new pod{'' if len(pods) == 1 else 's'} of {whose}"
    return Proof(len(met) >= expected.at_least, words + (f" ({told})" if told else ""))


def _fate(pod: Obj, mounts: dict[str, str]) -> str:
    """Why a pod is held up, or `started`; "" while neither is known."""
    for container in pod.get("status", {}).get("containerStatuses") or []:
        if container.get("restartCount") or container.get("state", {}).keys() & {"running", "terminated"}:
            return "started"
        reason = str(container.get("state", {}).get("waiting", {}).get("reason", ""))
        if reason and reason not in _ON_ITS_WAY:
            return reason
    return mounts.get(pod["metadata"]["uid"], "")


def _failed_mounts(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Pod UID -> FailedMount, where its kubelet could not give it a volume."""
    events = cluster.find("Event", namespace, fields="reason=FailedMount")
    return {each["involvedObject"].get("uid", ""): "FailedMount" for each in events}


def pods_resized(expected: Expectation, cluster: Cluster) -> Proof:
    """The kubelets say that the containers have the limits that they were to have."""
    wanted = amount(expected.value or "0")
    found = {pod["metadata"]["uid"]: _limit(pod, expected) for pod in cluster.find("Pod", expected.namespace)}
    limits = [found.get(uid, "") for uid in expected.uids]
    so = [limit for limit in limits if limit and amount(limit) == wanted]
    seen = ", ".join(sorted({limit or "not told" for limit in limits}))
    return Proof(
        len(so) == len(limits) > 0, f"{len(so)} of {len(limits)} pods have {expected.field} {expected.value} (seen: {seen})"
    )


def _limit(pod: Obj, expected: Expectation) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    own: Obj = next((each for each in statuses if each["name"] == expected.name), {})
    return str(((own.get("resources") or {}).get("limits") or {}).get(expected.field, ""))


def pod_refused(expected: Expectation, cluster: Cluster) -> Proof:
    """A pod is declined, and in the name of the quota that was to decline it. Asked as a dry run: none is ever made."""
    pod = {**_MODEST_POD, "metadata": {"generateName": "gameday-probe-", "namespace": expected.namespace}}
    try:
        cluster.create(pod, dry=True)
    except Forbidden as error:
        why = str(error).partition("forbidden: ")[2] or str(error)
        return Proof(expected.name in why, f"a pod is declined: {why}")
    return Proof(False, "a pod would be admitted")
