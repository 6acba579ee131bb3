"""`config-map` and `secret`, which differ in nothing but the kind: corrupt some keys, or lose them, or the whole object."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from chaos.clients.world import Cluster, Obj
from chaos.errors import BadInput
from chaos.injectors import consumers, felt_at, stored_data
from chaos.injectors.base import Aim, FaultSpec
from chaos.injectors.consumers import Consumer
from chaos.injectors.stored_data import DataState, Kind
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission
from chaos.model.units import format_duration

Key = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
_AFTER_A_START = 30.0  # seconds in which restarted pods must be seen
_AFTER_A_SYNC = 100.0  # seconds in which a kubelet must have brought new files


class ConsumedSpec(FaultSpec):
    """What is struck, and where it is felt."""

    mode: Literal["corrupt", "lose"]
    """corrupt: keys have wrong values; lose: keys are gone or, without `keys`, the whole object."""
    keys: Annotated[list[Key], Field(min_length=1)] | None = None
    """corrupt: overwritten with garbled text. lose: taken away."""
    values: Annotated[dict[Key, str], Field(min_length=1)] | None = None
    """corrupt: overwritten with these texts."""
    restart: bool = False
    """Whether the Deployments that consume it are rolled, so that they read it: at the strike, and again at the undo."""
    service: Name | None = None
    """The Service whose answers change by it. Without one, pods that start with it are what shows the fault."""
    port: int | None = None
    """Which of the Service's ports; default: the only one."""
    path: str | None = None
    """What the witness asks the Service for; default: the path of the pods' own readiness probe."""

    @model_validator(mode="after")
    def _fitting(self) -> "ConsumedSpec":
        if self.mode == "corrupt" and not self.keys and not self.values:
            raise ValueError("mode corrupt needs keys (to be garbled) or values (key: text)")
        if self.mode == "lose" and self.values:
            raise ValueError("values is for mode corrupt only")
        if set(self.keys or ()) & set(self.values or ()):
            raise ValueError("a key is either in keys or in values")
        if self.service is None and (self.port is not None or self.path is not None):
            raise ValueError("port and path are those of service")
        return self


class ConsumedState(DataState):
    """What shows that it is felt."""

    service: str = ""
    watched: list[dict[str, Any]] = []  # selector and known UIDs of the pods that must start
    route: Route | None = None
    within: float
    notes: list[str] = []


def prepare(spec: ConsumedSpec, kind: Kind, name: str, aim: Aim) -> dict[str, Any]:
    """The fields of a ConsumedState. Refuses what cannot be changed, what nobody consumes, and what nothing could show."""
    cluster = aim.world.cluster
    found = stored_data.read(cluster, kind, name, aim.namespace)
    left = _left(spec, aim)
    if left:
        stored_data.refuse_change(found, kind, left)
    users = consumers.consumers(cluster, kind, name, aim.namespace, list(left))
    what = f"{kind.lower()} {name}"
    if not users and spec.service is None:
        raise BadInput(f"no workload in namespace {aim.namespace} consumes {what}; if it is felt by another way, say service")
    restarts = [each.workload for each in users if each.workload["kind"] == "Deployment"] if spec.restart else []
    if spec.restart and not restarts:
        raise BadInput(f"no deployment consumes {what}: there is nothing to restart")
    fields = stored_data.fields(found, kind, left, restarts, aim)
    route = felt_at.route_of(cluster, aim.namespace, spec.service, port=spec.port, path=spec.path) if spec.service else None
    watched = [each.model_dump() for each in fields["restarts"]]
    if route is None and not watched:
        watched = [_watched(cluster, users, what)]
    within = _AFTER_A_START if spec.restart else _AFTER_A_SYNC
    return {
        **fields,
        "service": spec.service or "",
        "route": route,
        "watched": watched,
        "within": within,
        "notes": _notes(users, spec),
    }


def _left(spec: ConsumedSpec, aim: Aim) -> dict[str, str | None]:
    """Key -> what we leave there; nothing where the whole object goes."""
    if spec.mode == "lose":
        return dict.fromkeys(spec.keys or ())
    return {**{key: stored_data.garbled(aim, key) for key in spec.keys or ()}, **(spec.values or {})}


def _watched(cluster: Cluster, users: list[Consumer], what: str) -> dict[str, Any]:
    """The pods of the one workload that consumes it: they show it when they start, for whatever reason."""
    if len(users) > 1:
        names = ", ".join(each.name for each in users)
        raise BadInput(f"{names} consume {what}: say where it is felt (service), or restart: true")
    workload: Obj = users[0].workload
    selector = workload["spec"]["selector"].get("matchLabels") or {}
    pods = cluster.find("Pod", workload["metadata"]["namespace"], labels=selector)
    return {"selector": selector, "known": [pod["metadata"]["uid"] for pod in pods]}


def _notes(users: list[Consumer], spec: ConsumedSpec) -> list[str]:
    told = consumers.notes(users)
    if spec.restart:
        others = [each.name for each in users if each.workload["kind"] != "Deployment"]
        return [*told, *(f"{name} is not restarted: only deployments are" for name in others)]
    if spec.service is None:
        told.append(
            "nothing restarts them here: without a pod that starts meanwhile (restart: true, pod-kill) it is inconclusive"
        )
    elif spec.duration < _AFTER_A_SYNC:
        told.append(f"it holds for {format_duration(spec.duration)}: too short for a kubelet to bring new files, as a rule")
    if any(way != "volume" for each in users for way in each.ways):
        told.append("a pod that starts meanwhile keeps what it read after the undo as well: restart: true rolls it then")
    return told


def permissions(state: ConsumedState) -> list[Permission]:
    wanted = stored_data.permissions(state)
    if state.route is not None:
        name = state.route.name
        wanted.append(Permission(verb="get", resource="services", namespace=state.namespace, name=name, use="observe"))
    return wanted


def dose(state: ConsumedState) -> Dose:
    """The Service's answers change, or a kubelet takes up new pods that consume what is struck."""
    what = f"{state.kind.lower()}/{state.name}"
    if state.route is not None:
        expect = [Expectation(what="route-changes", route=state.route)]
        return Dose(expect=expect, within=state.within, words=f"{state.route.name} answers otherwise since {what} is struck")
    expect = [
        Expectation(what="new-pods", namespace=state.namespace, selector=each["selector"], uids=each["known"])
        for each in state.watched
    ]
    return Dose(expect=expect, within=state.within, words=f"new pods start, or are held up, with {what} as it is now")
