"""Every right that a run needs: to plan, watch, strike, prove, and undo. What undo and dose need follows from them.

The preflight asks the API server for exactly these, and `gameday rbac` prints exactly these: a run that starts may also undo.
"""

from collections.abc import Iterable, Iterator, Sequence

from chaos.clients.kinds import KINDS
from chaos.engine import lever
from chaos.injectors.base import FaultState, Injector
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.undo import Call, DeleteOwn, PatchBack
from chaos.probes.pods_ready import PodsReady
from chaos.story import Story

_OBSERVED = ("Service", "EndpointSlice", "Deployment", "Pod")
_SEEN_BY: dict[str, tuple[str, ...]] = {
    "pods-gone": ("Pod",),
    "endpoints": ("EndpointSlice",),
    "refused-eviction": ("Pod", "PodDisruptionBudget"),
    "evicted": ("Pod", "PodDisruptionBudget"),
    "new-pods": ("Pod", "Event"),
    "pods-resized": ("Pod",),
}


def of_run(story: Story) -> list[Permission]:
    """What any run of this story needs before it strikes anything: to know the cluster, to watch, and to be stopped."""
    found = [
        Permission(verb="get", resource="namespaces", name="kube-system", use="observe"),
        Permission(verb="get", resource="namespaces", name=story.namespace, use="observe"),
        Permission(verb="list", resource="nodes", use="observe"),
        lever.PERMISSION,
        *(_right("list", kind, story.namespace, use="observe") for kind in _OBSERVED),
    ]
    if story.load and story.load.target:
        found.append(_right("get", "Service", story.namespace, story.load.target.service, use="observe"))
    asked = [probe.namespace or story.namespace for probe in story.probes if isinstance(probe, PodsReady)]
    return unique([*found, *(_right("list", "Pod", namespace, use="observe") for namespace in asked)])


def of_change(module: Injector, state: FaultState, dose: Dose | None) -> list[Permission]:
    """What one fault or fitting needs: what it says itself, and what its undo and its dose come to."""
    return unique([*module.permissions(state), *_of_undo(module.undo_calls(state)), *_of_dose(dose)])


def of_callers(faults: Iterable[tuple[Injector, FaultState]]) -> list[Permission]:
    """What it takes to see, under load, whether callers go through the proxy: its log says who they are."""
    seen = [state.namespace for module, state in faults if hasattr(module, "bypassed") and hasattr(state, "proxy")]
    return [Permission(verb="get", resource="pods", subresource="log", namespace=space, use="observe") for space in seen]


def unique(permissions: Iterable[Permission]) -> list[Permission]:
    """Each once, in their order; what one says is for trouble only, and another is not, is not."""
    found: dict[str, Permission] = {}
    for each in permissions:
        key = each.model_copy(update={"trouble": ""}).model_dump_json()
        if key not in found or not each.trouble:
            found[key] = each
    return list(found.values())


def _of_undo(calls: Sequence[Call]) -> Iterator[Permission]:
    for call in calls:
        if isinstance(call, DeleteOwn):  # its name follows from the run, so no role can know it beforehand
            yield _right("get", call.kind, call.namespace)
            yield _right("delete", call.kind, call.namespace)
            continue
        yield _right("get", call.kind, call.namespace, call.name)
        if isinstance(call, PatchBack):
            yield _right("patch", call.kind, call.namespace, call.name, subresource=call.subresource)
            if call.subresource == "scale" or any(step.get("path") == "/spec/replicas" for step in call.patch):
                found = _right("list", "HorizontalPodAutoscaler", call.namespace, use="observe")
                yield found.model_copy(update={"trouble": "something else changes the number of replicas meanwhile"})
            continue
        right = _right("patch", call.kind, call.namespace, call.name)
        yield right.model_copy(update={"trouble": "it was struck in part"}) if call.recreate else right
        if call.recreate:
            yield _right("create", call.kind, call.namespace)
        for verb in ("create", "get", "delete"):
            yield _right(verb, "Secret", call.namespace)


def _of_dose(dose: Dose | None) -> Iterator[Permission]:
    for expected in dose.expect if dose else ():
        yield from _of_reading(expected)


def _of_reading(expected: Expectation) -> Iterator[Permission]:
    for kind in _SEEN_BY.get(expected.what, ()):
        right = _right("list", kind, expected.namespace, use="observe")
        yield right.model_copy(update={"trouble": "a new pod is held up"}) if kind == "Event" else right
    if expected.what == "object":
        yield _right("get", expected.kind, expected.namespace, expected.name, use="observe")
    if expected.what == "pod-refused":
        yield _right("create", "Pod", expected.namespace, use="observe")


def _right(verb: str, kind: str, namespace: str, name: str = "", *, subresource: str = "", use: str = "undo") -> Permission:
    where = KINDS[kind]
    return Permission(
        verb=verb,
        resource=where.plural,
        group=where.group,
        namespace=namespace if where.namespaced else "",
        name=name,
        subresource=subresource,
        use=use,
    )
