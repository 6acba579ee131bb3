"""`latency`: answers of a Service come late, slowly, or are cut off, through a Toxiproxy in its path.

Source: Toxiproxy's toxics latency (with jitter), bandwidth and reset_peer; toxicity is drawn once a connection.
"""

from typing import Literal

from pydantic import model_validator

from chaos.clients.world import World
from chaos.injectors import in_path
from chaos.injectors.base import Aim, FaultSpec, Privilege
from chaos.injectors.in_path import PathState, arm, disarm, traffic, undo_words, verify
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.units import Duration, Percent, Size, format_bytes, format_duration

PRIVILEGE: Privilege = "api"
_PREFIX = "gameday-"
_MOST = 0.8  # of the promised latency must be seen: jitter and the clock take their part


class Latency(FaultSpec):
    """Calls to a Service take longer, or break off, while it is healthy itself."""

    kind: Literal["latency"]
    service: Name
    port: int | None = None
    latency: Duration | None = None
    """Added to each answer."""
    jitter: Duration = 0.0
    """Added or taken away at random."""
    bandwidth: Size | None = None
    """At most so many bytes a second towards the caller."""
    reset: Duration | None = None
    """Connections are reset so long after they were made."""
    toxicity: Percent = 1.0
    """Share of connections that feel it."""
    path: str = "/"
    """What the witness asks for to see the dose."""

    @model_validator(mode="after")
    def _something(self) -> "Latency":
        if self.latency is None and self.bandwidth is None and self.reset is None:
            raise ValueError("give at least one of latency, bandwidth, reset")
        if self.jitter and self.latency is None:
            raise ValueError("jitter needs latency")
        if self.latency is not None and self.jitter > self.latency:
            raise ValueError("jitter is larger than latency")
        return self


class State(PathState):
    """The toxics to add, by name."""

    toxics: dict[str, dict[str, object]]
    toxicity: float
    path: str
    promised: float  # seconds added
    resets: bool
    slow_bytes: int


Spec = Latency
__all__ = ["arm", "disarm", "traffic", "undo_words", "verify"]


def prepare(spec: Latency, aim: Aim) -> State:
    base = in_path.prepare(spec.service, spec.port, aim)
    return State(
        **base.model_dump(),
        toxics=_toxics(spec),
        toxicity=spec.toxicity,
        path=spec.path,
        promised=spec.latency or 0.0,
        resets=spec.reset is not None,
        slow_bytes=spec.bandwidth or 0,
    )


def _toxics(spec: Latency) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    if spec.latency is not None:
        attributes = {"latency": round(spec.latency * 1000), "jitter": round(spec.jitter * 1000)}
        found[_PREFIX + "latency"] = {"kind": "latency", "attributes": attributes}
    if spec.bandwidth is not None:
        found[_PREFIX + "bandwidth"] = {"kind": "bandwidth", "attributes": {"rate": max(1, spec.bandwidth // 1000)}}
    if spec.reset is not None:
        found[_PREFIX + "reset"] = {"kind": "reset_peer", "attributes": {"timeout": round(spec.reset * 1000)}}
    return found


def permissions(state: State) -> list[Permission]:
    return in_path.permissions(state)


def start(state: State, world: World) -> None:
    admin = in_path.admin_of(state, world)
    for name, toxic in state.toxics.items():
        admin.add_toxic(
            in_path.proxy_name(state),
            name,
            kind=str(toxic["kind"]),
            stream="downstream",
            attributes=toxic["attributes"],  # type: ignore[arg-type] # written by `_toxics`
            toxicity=state.toxicity,
        )


def stop(state: State, world: World) -> None:
    if not in_path.is_there(state, world):
        return
    admin = in_path.admin_of(state, world)
    for name in state.toxics:
        admin.remove_toxic(in_path.proxy_name(state), name)


def dose(state: State) -> Dose:
    route = in_path.route_to(state, state.path)
    share = 0.8 * state.toxicity
    expect: list[Expectation] = []
    words: list[str] = []
    if state.promised:
        expect.append(Expectation(what="route-slower", route=route, by=_MOST * state.promised * (state.toxicity == 1.0)))
        words.append(f"{state.service} answers {format_duration(state.promised)} later, on held and new connections")
    if state.resets:
        expect.append(Expectation(what="route-fails", route=route, share=share))
        words.append(f"connections to {state.service} are reset")
    if not expect:
        expect.append(Expectation(what="route-slower", route=route, by=0.0))
        words.append(f"{state.service} answers at {format_bytes(state.slow_bytes)} a second at most")
    return Dose(expect=expect, control=[in_path.control_route(state, state.path)], words=" and ".join(words))
