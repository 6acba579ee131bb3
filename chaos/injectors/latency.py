"""`latency`: answers of a Service come late, slowly, are cut off, or nobody listens, through a Toxiproxy in its path.

Source: Toxiproxy's toxics latency (with jitter), bandwidth and reset_peer, whose toxicity is drawn once a connection, and its
switch for a proxy.
"""

from typing import Literal

from pydantic import model_validator

from chaos.clients.world import World
from chaos.injectors import callers, in_path, path_rights, path_routes
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.in_path import PathSpec, PathState
from chaos.model.base import Record
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.units import Duration, Percent, Size, format_bytes, format_duration

PRIVILEGE: Privilege = "api"
_MOST = 0.8  # of the promised latency must be seen: jitter and the clock take their part
_SMALLEST_ANSWER = 120  # bytes: what even an empty HTTP answer has; a wide line cannot be told from none by it


class Latency(PathSpec):
    """Calls to a Service take longer, or break off, while it is healthy itself."""

    kind: Literal["latency"]
    latency: Duration | None = None
    """Added to each answer."""
    jitter: Duration = 0.0
    """Added or taken away at random."""
    bandwidth: Size | None = None
    """At most so many bytes a second towards the caller."""
    reset: Duration | None = None
    """Connections are reset so long after they were made."""
    down: bool = False
    """Nobody listens: new connections are refused, and those that stand are cut."""
    toxicity: Percent = 1.0
    """Share of connections that feel it."""

    @model_validator(mode="after")
    def _something(self) -> "Latency":
        if self.latency is None and self.bandwidth is None and self.reset is None and not self.down:
            raise ValueError("give at least one of latency, bandwidth, reset, down")
        if self.down and (self.model_fields_set & {"latency", "jitter", "bandwidth", "reset", "toxicity"}):
            raise ValueError("down leaves nothing that could be late, thin or reset, and it strikes every connection")
        if self.jitter and self.latency is None:
            raise ValueError("jitter needs latency")
        if self.latency is not None and self.jitter > self.latency:
            raise ValueError("jitter is larger than latency")
        if self.bandwidth is not None and self.bandwidth < 1000:
            raise ValueError(
                "bandwidth below 1kB (a second) is not possible; a reset or a vendor-outage that is a black hole may be meant"
            )
        if not self.toxicity:
            raise ValueError("toxicity of 0% would strike nothing")
        return self


class LatencyToxic(Record):
    """One toxic to add."""

    name: str
    kind: str
    attributes: dict[str, int]


class State(PathState):
    """The toxics to add; their names tell the step, so that two faults on one Service never touch each other's."""

    toxics: list[LatencyToxic]
    toxicity: float = 1.0
    latency: float = 0.0  # seconds
    bandwidth: int = 0  # bytes a second
    resets: bool = False
    down: bool = False


Spec = Latency
announce, arm, disarm, verify = in_path.make_twin, in_path.arm, in_path.disarm, in_path.verify
bypassed = callers.bypassed
undo_words, undo_calls = in_path.undo_words, in_path.undo_calls
traffic = in_path.traffic


def prepare(spec: Latency, aim: Aim) -> State:
    return State(
        **in_path.prepare(spec, aim),
        toxics=_toxics(spec, aim.step),
        toxicity=spec.toxicity,
        latency=spec.latency or 0.0,
        bandwidth=spec.bandwidth or 0,
        resets=spec.reset is not None,
        down=spec.down,
    )


def _toxics(spec: Latency, step: str) -> list[LatencyToxic]:
    """What is asked for, in Toxiproxy's units: milliseconds, and kilobytes a second."""
    wanted: dict[str, dict[str, int]] = {}
    if spec.latency is not None:
        wanted["latency"] = {"latency": round(spec.latency * 1000), "jitter": round(spec.jitter * 1000)}
    if spec.bandwidth is not None:
        wanted["bandwidth"] = {"rate": spec.bandwidth // 1000}
    if spec.reset is not None:
        wanted["reset_peer"] = {"timeout": round(spec.reset * 1000)}
    return [LatencyToxic(name=f"{step}-{kind}", kind=kind, attributes=attributes) for kind, attributes in wanted.items()]


def permissions(state: State) -> list[Permission]:
    driving = {*(path_rights.ADDING if state.toxics else ()), *(path_rights.SWITCHING if state.down else ())}
    return path_rights.permissions(state, sorted(driving))


def start(state: State, world: World) -> None:
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    if state.down:
        admin.set_enabled(proxy, False)
    for toxic in state.toxics:
        admin.add_toxic(
            proxy, toxic.name, kind=toxic.kind, stream="downstream", attributes=toxic.attributes, toxicity=state.toxicity
        )


def stop(state: State, world: World) -> None:
    if not in_path.is_there(state, world):
        return
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    for toxic in state.toxics:
        admin.remove_toxic(proxy, toxic.name)
    if state.down and proxy in admin.proxies():  # killed before the proxy was set up, there is nothing to enable
        admin.set_enabled(proxy, True)


def dose(state: State) -> Dose:
    """With a share of connections, new ones must show it now and then; the one held connection may be spared."""
    route = path_routes.route_to(state)
    connections: list[Literal["held", "new"]] = ["held", "new"] if state.toxicity == 1.0 else ["new"]
    whose = "on held and new connections" if state.toxicity == 1.0 else f"on {state.toxicity:.0%} of connections"
    slower = state.latency + (_SMALLEST_ANSWER / state.bandwidth if state.bandwidth else 0.0)
    if state.down:
        expect = Expectation(what="route-fails", route=route)
        words = f"connections to {state.service} are refused"
    elif state.resets:  # what is cut off cannot be seen to be late as well
        expect = Expectation(what="route-fails", route=route, connections=connections, share=0.8 * state.toxicity)
        words = f"connections to {state.service} are reset"
    else:
        expect = Expectation(what="route-slower", route=route, connections=connections, by=_MOST * slower)
        words = f"{state.service} answers {' '.join(_said(state))}"
    return Dose(expect=[expect], control=[path_routes.control_route(state)], words=f"{words}, {whose}")


def _said(state: State) -> list[str]:
    late = [f"{format_duration(state.latency)} later"] if state.latency else []
    return late + ([f"at {format_bytes(state.bandwidth)} a second at most"] if state.bandwidth else [])
