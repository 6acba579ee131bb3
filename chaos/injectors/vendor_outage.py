"""`vendor-outage`: a provider is dark, slow, or answers as providers do on a bad day, for the callers of one Service.

Below HTTP (refuse, black-hole, slow, reset) a Toxiproxy in the path does it. With HTTP (429, 503, revoked key, wrong schema,
partial) the proxy leads to a stand-in, whose modes end by themselves and which counts the calls it gets.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from chaos.clients.world import World
from chaos.errors import BadInput, NotFound, ProxyError
from chaos.injectors import callers, helpers, in_path, path_rights, path_routes
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.in_path import PathSpec, PathState
from chaos.injectors.path_objects import joined
from chaos.injectors.undoing import delete_own, put_back
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.model.units import Duration, Percent, format_duration

PRIVILEGE: Privilege = "api"
Mode = Literal["refuse", "black-hole", "slow", "reset", "http-429", "http-503", "auth-revoked", "wrong-schema", "partial"]
STATUS = {"http-429": 429, "http-503": 503, "auth-revoked": 401, "wrong-schema": 200, "partial": 500}
_PORT, _ADMIN_PORT = 8443, 8471
_PROGRAM = Path(__file__).with_name("standin_program.py")
_STREAMS = ("upstream", "downstream")
_SPARE = 30.0  # seconds that a mode outlives its fault at most, should nobody undo it


class VendorOutage(PathSpec):
    """A provider fails, in one of nine ways: from refusing to wrong answers."""

    kind: Literal["vendor-outage"]
    mode: Mode
    latency: Duration | None = None
    """slow: added to each answer."""
    retry_after: Duration | None = None
    """http-429: the provider's Retry-After."""
    share: Percent | None = None
    """partial: share of the calls that fail."""
    tls_secret: Name | None = None
    """The Secret with the provider's certificate (tls.crt, tls.key), where its callers use TLS."""

    @model_validator(mode="after")
    def _fitting(self) -> "VendorOutage":
        needs = {"latency": "slow", "retry_after": "http-429", "share": "partial"}
        for key, mode in needs.items():
            if getattr(self, key) is not None and self.mode != mode:
                raise ValueError(f"{key} is for mode {mode} only")
        if self.mode == "slow" and self.latency is None:
            raise ValueError("mode slow needs latency")
        if self.mode == "partial" and not self.share:
            raise ValueError("mode partial needs share, and more than 0%")
        return self


class State(PathState):
    """The mode, and the stand-in where it takes one."""

    mode: Mode
    latency: float = 0.0
    share: float = 1.0
    retry_after: int | None = None
    seconds: float  # after which the stand-in drops the mode by itself
    standin: str = ""  # name of the pod; "" = not needed
    standin_image: str = ""
    tls_secret: str = ""


Spec = VendorOutage
announce = in_path.make_twin
bypassed = callers.bypassed


def prepare(spec: VendorOutage, aim: Aim) -> State:
    fields = in_path.prepare(spec, aim, https=spec.tls_secret is not None)
    if spec.tls_secret:
        _known_secret(spec.tls_secret, aim)
    if spec.mode in STATUS and fields["scheme"] == "https" and not spec.tls_secret:
        raise BadInput(
            f"service {spec.service} speaks TLS: mode {spec.mode} needs tls_secret, to answer in the provider's name"
        )
    return State(
        **fields,
        mode=spec.mode,
        latency=spec.latency or 0.0,
        share=spec.share if spec.share is not None else 1.0,
        retry_after=None if spec.retry_after is None else math.ceil(spec.retry_after),
        seconds=spec.duration + _SPARE,
        standin=helpers.name_for("standin", aim.run, f"{spec.service}-{aim.step}") if spec.mode in STATUS else "",
        standin_image=aim.images["python"],
        tls_secret=spec.tls_secret or "",
    )


def _known_secret(name: str, aim: Aim) -> None:
    try:
        keys = aim.world.cluster.get("Secret", name, aim.namespace).get("data") or {}
    except NotFound:
        raise BadInput(f"there is no secret {name} in namespace {aim.namespace}") from None
    if missing := {"tls.crt", "tls.key"} - keys.keys():
        raise BadInput(f"secret {name} has no {' and no '.join(sorted(missing))}")


def permissions(state: State) -> list[Permission]:
    wanted = path_rights.permissions(state, path_rights.LEADING if state.standin else path_rights.ADDING)
    space = state.namespace
    if state.standin:
        closed = "somebody else closed the proxy"
        wanted.append(
            Permission(verb="create", resource="pods", subresource="proxy", namespace=space, use="undo", trouble=closed)
        )
    if state.tls_secret:
        wanted.append(Permission(verb="get", resource="secrets", namespace=space, name=state.tls_secret, use="observe"))
    if state.standin:
        wanted.append(Permission(verb="create", resource="pods", namespace=space))
        wanted += [Permission(verb=verb, resource="pods", namespace=space, use="undo") for verb in ("get", "delete")]
        wanted.append(Permission(verb="update", resource="pods", subresource="proxy", namespace=space))
    return wanted


def undo_words(state: State) -> str:
    return in_path.undo_words(state) + (f", delete pod/{state.standin} and its config map" if state.standin else "")


def undo_calls(state: State) -> list[Call]:
    return in_path.undo_calls(state) + _own(state)


def claims(state: State) -> list[str]:
    """Where the proxy of this port leads, and whether it is open at all: one outage at a time says that."""
    return [f"the proxy before service/{state.service} port {state.port}"]


def _own(state: State) -> list[Call]:
    return [delete_own(state, kind, name) for kind, name in _objects(state)]


def arm(state: State, world: World) -> None:
    if state.standin:  # first, so that it starts while the proxy does
        in_path.make_twin(state, world)
        _make_standin(state, world)
    in_path.arm(state, world)
    if state.standin:
        helpers.await_ready(world.cluster, state.namespace, state.standin)


def _make_standin(state: State, world: World) -> None:
    """It passes everything on to the twin while it has no mode; before the strike nobody calls it."""
    helpers.make(world.cluster, helpers.program_map(state, state.standin, _PROGRAM))
    pod = helpers.program_pod(
        state,
        state.standin,
        image=state.standin_image,
        program="standin",
        port=_ADMIN_PORT,
        env={"PORT": str(_PORT), "UPSTREAM": in_path.twin_upstream(state, world)},
        secret=state.tls_secret,
    )
    helpers.make(world.cluster, pod)


def start(state: State, world: World) -> None:
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    if state.standin:
        address = helpers.await_ready(world.cluster, state.namespace, state.standin)["status"]["podIP"]
        _ask(state, world, "PUT", "/mode", _mode(state))
        admin.set_upstream(proxy, joined(address, _PORT))
    elif state.mode == "refuse":
        admin.set_enabled(proxy, False)
    else:
        for stream, kind, attributes in _toxics(state):
            admin.add_toxic(proxy, _toxic(state, stream), kind=kind, stream=stream, attributes=attributes)


def _toxics(state: State) -> list[tuple[str, str, dict[str, int]]]:
    """Stream, type and attributes."""
    if state.mode == "black-hole":  # both ways: what was asked never arrives either
        return [(stream, "timeout", {"timeout": 0}) for stream in _STREAMS]
    if state.mode == "slow":
        return [("downstream", "latency", {"latency": round(state.latency * 1000), "jitter": 0})]
    return [("downstream", "reset_peer", {"timeout": 0})]


def _toxic(state: State, stream: str) -> str:
    return f"{state.step}-{stream}"


def _mode(state: State) -> dict[str, Any]:
    return {"mode": state.mode, "seconds": state.seconds, "share": state.share, "retry_after": state.retry_after}


def stop(state: State, world: World) -> None:
    """The proxy back to what it does while idle; it passes everything on again before the stand-in is told."""
    if not in_path.is_there(state, world):
        return
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    if proxy not in admin.proxies():
        return  # killed before the proxy was set up: nothing was struck
    for stream in _STREAMS:
        admin.remove_toxic(proxy, _toxic(state, stream))
    if state.standin:
        admin.set_upstream(proxy, in_path.idle_upstream(state, world))
    admin.set_enabled(proxy, True)


def disarm(state: State, world: World) -> None:
    in_path.disarm(state, world)
    put_back(_own(state), world)


def verify(state: State, world: World) -> list[str]:
    return in_path.verify(state, world) + helpers.left_of(world, state, *_objects(state))


def _objects(state: State) -> tuple[tuple[str, str], ...]:
    return (("Pod", state.standin), ("ConfigMap", state.standin)) if state.standin else ()


def traffic(state: State, world: World) -> dict[str, float]:
    """Bytes at the proxy and, with a stand-in, the calls that it got and their distinct idempotency keys."""
    found = in_path.traffic(state, world)
    if state.standin:
        counted = calls(state, world)
        found.update(calls=float(counted["calls"]), keys=float(counted["keys"]))
    return found


def calls(state: State, world: World) -> dict[str, Any]:
    """What the stand-in counted: `calls`, `keys` (distinct Idempotency-Keys), `by_second` [[age, calls, new keys], ...]."""
    return _ask(state, world, "GET", "/calls")


def _ask(state: State, world: World, method: str, path: str, body: object | None = None) -> dict[str, Any]:
    status, content = world.cluster.pod_request(state.namespace, state.standin, _ADMIN_PORT, method, path, body)
    if status != 200:
        raise ProxyError(f"the stand-in answered {status} to {method} {path}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def dose(state: State) -> Dose:
    route = path_routes.route_to(state)
    status = STATUS.get(state.mode)
    if state.mode == "slow":
        expect = Expectation(what="route-slower", route=route, by=0.8 * state.latency)
    elif state.mode == "wrong-schema":
        expect = Expectation(what="route-differs", route=route)
    else:  # of partial, one failing reading among the latest is enough: most calls may well succeed
        expect = Expectation(what="route-fails", route=route, status=status, share=0.01 if state.mode == "partial" else 0.8)
    said = {
        "refuse": "refuses connections",
        "black-hole": "never answers",
        "reset": "resets connections",
        "slow": f"answers {format_duration(state.latency)} later",
        "wrong-schema": "answers with another schema",
        "partial": f"fails {state.share:.0%} of the calls",
    }.get(state.mode, f"answers {status}")
    words = f"{state.service} {said}, on held and new connections"
    return Dose(expect=[expect], control=[path_routes.control_route(state)], words=words)
