"""What `cpu-squeeze` and `memory-squeeze` share: pods are resized in place, and back to exactly what they had.

One patch of each pod's `resize` subresource, one patch back, each only if the pod is that very one and its resources are as we
know them. The kubelet does it; nothing is restarted unless the container's own resize policy says so.
Lands in about 3 s. Inconclusive where a kubelet declines or defers it; whether it is felt is for the load to show.
"""

import re
from typing import Any, Literal

from chaos.clients.world import Cluster, Obj, World
from chaos.errors import BadInput, NotFound
from chaos.injectors.base import Aim, FaultState
from chaos.injectors.chosen_pods import ChosenPodsSpec, chosen_of
from chaos.injectors.targets import keep_caps, live_pods, target_of, workloads_of
from chaos.injectors.undoing import put_back, still_changed
from chaos.model.base import Record
from chaos.model.dose import Dose, Expectation
from chaos.model.quantity import Quantity, amount, as_stored, half
from chaos.model.run import Permission
from chaos.model.undo import Call, PatchBack

Resource = Literal["cpu", "memory"]
_OLDEST = 34  # of 1.x: the first whose kubelets lower a memory limit in place
_SETTLE = 30.0  # seconds for a kubelet to carry out the way back
_WITHIN = 20.0


class SqueezeSpec(ChosenPodsSpec):
    """Some pods of a selector have less than they are used to."""

    to: Quantity
    """The limit that they are given: 100m, 64Mi."""
    container: str | None = None
    """Which of the pods' containers; default: the only one."""


class Squeezed(Record):
    """One pod: what its container had, and what we give it."""

    pod: str
    uid: str
    index: int  # of the container
    before: dict[str, str]  # "limits", "requests" -> quantity
    after: dict[str, str]


class SqueezeState(FaultState):
    """All pods, each by its UID."""

    resource: Resource
    container: str
    selector: dict[str, str]
    to: str
    pods: list[Squeezed]
    notes: list[str] = []


# -- prepare -----------------------------------------------------------------------------------------------------------


def prepare(spec: SqueezeSpec, resource: Resource, least: str, aim: Aim) -> dict[str, Any]:
    """The fields of a SqueezeState. Refuses what could not be put back, or would not be felt."""
    cluster, to = aim.world.cluster, as_stored(spec.to)
    _refuse_old(cluster)
    if amount(to) < amount(least):
        raise BadInput(f"{resource} {spec.to} is less than a container can have; the least is {least}")
    pods = live_pods(cluster, aim.namespace, spec.selector)
    chosen = chosen_of(pods, spec, aim.rng)
    keep_caps(pods, chosen, workloads_of(cluster, pods), aim.caps)
    indices = {pod["metadata"]["uid"]: _index(pod, spec.container) for pod in chosen}
    first = chosen[0]
    container = first["spec"]["containers"][indices[first["metadata"]["uid"]]]
    return {
        "namespace": aim.namespace,
        "run": aim.run,
        "step": aim.step,
        "targets": [target_of(pod, "Pod") for pod in chosen],
        "resource": resource,
        "container": container["name"],
        "selector": spec.selector,
        "to": to,
        "pods": [_squeezed(pod, indices[pod["metadata"]["uid"]], resource, to) for pod in chosen],
        "notes": _notes(container, resource, to, sandbox=cluster.environment.kind == "sandbox"),
    }


def _refuse_old(cluster: Cluster) -> None:
    told = re.match(r"v1\.(\d+)", cluster.environment.version)
    if told and int(told[1]) < _OLDEST:
        raise BadInput(f"resizing pods in place needs Kubernetes 1.{_OLDEST}; this is {cluster.environment.version}")


def _index(pod: Obj, wanted: str | None) -> int:
    name, containers = pod["metadata"]["name"], pod["spec"]["containers"]
    known = [each["name"] for each in containers]
    if wanted is None and len(known) > 1:
        raise BadInput(f"pod {name} has several containers ({', '.join(known)}): say which")
    if wanted is not None and wanted not in known:
        raise BadInput(f"pod {name} has no container {wanted}; it has {', '.join(known)}")
    return known.index(wanted) if wanted else 0


def _squeezed(pod: Obj, index: int, resource: Resource, to: str) -> Squeezed:
    name, resources = pod["metadata"]["name"], pod["spec"]["containers"][index].get("resources") or {}
    limit, request = ((resources.get(part) or {}).get(resource) for part in ("limits", "requests"))
    if limit is None:
        raise BadInput(f"pod {name} has no {resource} limit: one that was given to it could not be taken away again in place")
    if amount(limit) <= amount(to):
        raise BadInput(f"pod {name} is limited to {resource} {limit} already: {to} would be no squeeze")
    before, after = {"limits": limit}, {"limits": to}
    if request is not None:
        before["requests"], after["requests"] = request, _request(pod, request, to)
    return Squeezed(pod=name, uid=pod["metadata"]["uid"], index=index, before=before, after=after)


def _request(pod: Obj, request: str, to: str) -> str:
    """At most the limit; equal to it only where the pod's quality of service wants so, for that must not change."""
    if pod.get("status", {}).get("qosClass") == "Guaranteed":
        return to
    return request if amount(request) < amount(to) else half(to)


def _notes(container: Obj, resource: Resource, to: str, *, sandbox: bool) -> list[str]:
    policies = {each["resourceName"]: each["restartPolicy"] for each in container.get("resizePolicy") or []}
    request = ((container.get("resources") or {}).get("requests") or {}).get(resource)
    found = ["pods that are made meanwhile are not squeezed"]
    if policies.get(resource) == "RestartContainer":
        found.append(f"container {container['name']} is restarted by its resize policy, at the strike and again at the undo")
    if request and amount(request) >= amount(to):
        found.append(
            "what they ask for goes down with the limit: should the node give that room away, the way back has to wait"
        )
    if sandbox:
        found.append("the sandbox tells limits, and enforces none")
    return found


# -- strike and undo ---------------------------------------------------------------------------------------------------


def permissions(state: SqueezeState) -> list[Permission]:
    space = state.namespace
    return [
        Permission(verb="patch", resource="pods", subresource="resize", namespace=space),
        Permission(verb="patch", resource="pods", subresource="resize", namespace=space, use="undo"),
        Permission(verb="get", resource="pods", namespace=space, use="undo"),
        Permission(verb="list", resource="pods", namespace=space, use="observe"),
        Permission(verb="get", resource="replicasets", group="apps", namespace=space, use="observe"),
    ]


def undo_words(state: SqueezeState) -> str:
    limits = ", ".join(sorted({each.before["limits"] for each in state.pods}))
    return f"resize {len(state.pods)} pods back to {state.resource} {limits}"


def _patch(state: SqueezeState, each: Squeezed, old: dict[str, str], new: dict[str, str]) -> list[Obj]:
    here = f"/spec/containers/{each.index}"
    at = {part: f"{here}/resources/{part}/{state.resource}" for part in old}
    return [
        {"op": "test", "path": "/metadata/uid", "value": each.uid},
        {"op": "test", "path": f"{here}/name", "value": state.container},
        *({"op": "test", "path": at[part], "value": value} for part, value in old.items()),
        *({"op": "replace", "path": at[part], "value": value} for part, value in new.items()),
    ]


def undo_calls(state: SqueezeState) -> list[Call]:
    return [
        PatchBack(
            kind="Pod",
            name=each.pod,
            namespace=state.namespace,
            subresource="resize",
            patch=_patch(state, each, each.after, each.before),
        )
        for each in state.pods
    ]


def start(state: SqueezeState, world: World) -> None:
    for each in state.pods:
        patch = _patch(state, each, each.before, each.after)
        world.cluster.patch("Pod", each.pod, state.namespace, patch, how="json", subresource="resize")


def stop(state: SqueezeState, world: World) -> None:
    put_back(undo_calls(state), world)


def settle(state: SqueezeState) -> float:
    """Seconds that `verify` may take: the kubelets need theirs."""
    return _SETTLE


def verify(state: SqueezeState, world: World) -> list[str]:
    """What the pods ask for, and what their kubelets say they have."""
    if left := still_changed(undo_calls(state), world):
        return left
    return [words for each in state.pods if (words := _not_carried_out(state, each, world))]


def _not_carried_out(state: SqueezeState, each: Squeezed, world: World) -> str:
    try:
        pod = world.cluster.get("Pod", each.pod, state.namespace)
    except NotFound:
        return ""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    told = next((one.get("resources") or {} for one in statuses if one["name"] == state.container), {})
    has = (told.get("limits") or {}).get(state.resource)
    if pod["metadata"]["uid"] != each.uid or has is None or amount(has) == amount(each.before["limits"]):
        return ""
    return f"pod/{each.pod} asks for {state.resource} {each.before['limits']} again, its kubelet still gives it {has}"


def dose(state: SqueezeState) -> Dose:
    """The kubelets say that they carried it out: they refuse, for example, a memory limit below what is in use."""
    resized = Expectation(
        what="pods-resized",
        namespace=state.namespace,
        uids=[each.uid for each in state.pods],
        name=state.container,
        field=state.resource,
        value=state.to,
    )
    words = f"{len(state.pods)} pods are limited to {state.resource} {state.to}"
    return Dose(expect=[resized], within=_WITHIN, words=words)
