"""`vendor-outage`: a provider is dark, slow, or answers as providers do on a bad day, for the callers of one Service.

Below HTTP (refuse, black-hole, slow, reset) a Toxiproxy in the path does it. With HTTP (429, 503, revoked key, wrong schema,
partial) the proxy leads to a stand-in, whose modes end by themselves and which counts the calls it gets.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from chaos.clients.world import World
from chaos.errors import BadInput, NotFound, ProxyError
from chaos.injectors import helpers, in_path
from chaos.injectors.base import Aim, FaultSpec, Privilege
from chaos.injectors.in_path import PathState
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation
from chaos.model.run import Permission
from chaos.model.units import Duration, Percent, format_duration

PRIVILEGE: Privilege = "api"
Mode = Literal["refuse", "black-hole", "slow", "reset", "http-429", "http-503", "auth-revoked", "wrong-schema", "partial"]
_HTTP_STATUS = {"http-429": 429, "http-503": 503, "auth-revoked": 401, "wrong-schema": 200, "partial": 500}
_PORT, _ADMIN_PORT = 8443, 8471
_PROGRAM = Path(__file__).with_name("standin_program.py")
_TOXIC = "gameday-outage"
_SPARE = 30.0  # seconds that a mode outlives its fault at most, should nobody undo it


class VendorOutage(FaultSpec):
    """A provider's bad day."""

    kind: Literal["vendor-outage"]
    service: Name
    """The Service by which the provider is called."""
    port: int | None = None
    mode: Mode
    latency: Duration | None = None
    """slow: added to each answer."""
    retry_after: Duration | None = None
    """http-429: the provider's Retry-After."""
    share: Percent | None = None
    """partial: share of the calls that fail."""
    tls_secret: Name | None = None
    """The Secret with the provider's certificate (tls.crt, tls.key), where its callers use TLS."""
    path: str = "/"
    """What the witness asks for to see the dose."""

    @model_validator(mode="after")
    def _fitting(self) -> "VendorOutage":
        needs = {"latency": "slow", "retry_after": "http-429", "share": "partial"}
        for key, mode in needs.items():
            if getattr(self, key) is not None and self.mode != mode:
                raise ValueError(f"{key} is for mode {mode} only")
        if self.mode == "slow" and self.latency is None:
            raise ValueError("mode slow needs latency")
        if self.mode == "partial" and self.share is None:
            raise ValueError("mode partial needs share")
        return self


class State(PathState):
    """The mode, and the stand-in where it takes one."""

    mode: str
    latency: float = 0.0
    share: float = 1.0
    retry_after: int | None = None
    seconds: float
    standin: str = ""  # name of the pod; "" = not needed
    standin_image: str
    tls_secret: str = ""
    path: str


Spec = VendorOutage


def prepare(spec: VendorOutage, aim: Aim) -> State:
    base = in_path.prepare(spec.service, spec.port, aim, https=spec.tls_secret is not None)
    if spec.tls_secret:
        _known_secret(spec.tls_secret, aim)
    if spec.mode in _HTTP_STATUS and base.scheme == "https" and not spec.tls_secret:
        raise BadInput(
            f"service {spec.service} speaks TLS: mode {spec.mode} needs tls_secret, to answer in the provider's name"
        )
    return State(
        **base.model_dump(),
        mode=spec.mode,
        latency=spec.latency or 0.0,
        share=spec.share if spec.share is not None else 1.0,
        retry_after=None if spec.retry_after is None else round(spec.retry_after),
        seconds=spec.duration + _SPARE,
        standin=helpers.name_for("standin", aim.run, spec.service) if spec.mode in _HTTP_STATUS else "",
        standin_image=aim.images["python"],
        tls_secret=spec.tls_secret or "",
        path=spec.path,
    )


def _known_secret(name: str, aim: Aim) -> None:
    try:
        keys = aim.world.cluster.get("Secret", name, aim.namespace).get("data") or {}
    except NotFound:
        raise BadInput(f"there is no secret {name} in namespace {aim.namespace}") from None
    if missing := {"tls.crt", "tls.key"} - keys.keys():
        raise BadInput(f"secret {name} has no {' and no '.join(sorted(missing))}")


def permissions(state: State) -> list[Permission]:
    wanted = in_path.permissions(state)
    if state.standin:
        wanted.append(Permission(verb="create", resource="configmaps", namespace=state.namespace))
        wanted += [
            Permission(verb=verb, resource="configmaps", namespace=state.namespace, use="undo") for verb in ("get", "delete")
        ]
        wanted.append(Permission(verb="update", resource="pods", subresource="proxy", namespace=state.namespace))
    return wanted


def undo_words(state: State) -> str:
    return in_path.undo_words(state) + (f", delete pod/{state.standin}" if state.standin else "")


def arm(state: State, world: World) -> None:
    in_path.arm(state, world)
    if state.standin:
        helpers.make(world.cluster, helpers.program_map(state, state.standin, _PROGRAM))
        env = {"UPSTREAM": f"{in_path.twin_address(state, world)}:{state.port}", "PORT": str(_PORT)}
        pod = helpers.program_pod(
            state,
            state.standin,
            image=state.standin_image,
            program="standin",
            port=_ADMIN_PORT,
            env=env,
            secret=state.tls_secret,
        )
        helpers.make(world.cluster, pod)
        helpers.await_ready(world.cluster, state.namespace, state.standin)


def start(state: State, world: World) -> None:
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    if state.standin:
        address = helpers.await_ready(world.cluster, state.namespace, state.standin)["status"]["podIP"]
        _ask(state, world, "PUT", "/mode", _mode(state))
        admin.set_upstream(proxy, f"{address}:{_PORT}")
    elif state.mode == "refuse":
        admin.set_enabled(proxy, False)
    elif state.mode == "black-hole":
        for stream in ("upstream", "downstream"):
            admin.add_toxic(proxy, f"{_TOXIC}-{stream}", kind="timeout", stream=stream, attributes={"timeout": 0})
    elif state.mode == "slow":
        attributes = {"latency": round(state.latency * 1000), "jitter": 0}
        admin.add_toxic(proxy, f"{_TOXIC}-downstream", kind="latency", stream="downstream", attributes=attributes)
    else:
        admin.add_toxic(proxy, f"{_TOXIC}-downstream", kind="reset_peer", stream="downstream", attributes={"timeout": 0})


def _mode(state: State) -> dict[str, Any]:
    return {"mode": state.mode, "seconds": state.seconds, "share": state.share, "retry_after": state.retry_after}


def stop(state: State, world: World) -> None:
    if not in_path.is_there(state, world):
        return
    admin, proxy = in_path.admin_of(state, world), in_path.proxy_name(state)
    if proxy not in admin.proxies():
        return  # killed before the proxy was set up: nothing was struck
    for stream in ("upstream", "downstream"):
        admin.remove_toxic(proxy, f"{_TOXIC}-{stream}")
    if state.standin:
        admin.set_upstream(proxy, f"{in_path.twin_address(state, world)}:{state.port}")
    admin.set_enabled(proxy, True)


def disarm(state: State, world: World) -> None:
    in_path.disarm(state, world)
    helpers.remove(world, state, *_objects(state))


def verify(state: State, world: World) -> list[str]:
    return in_path.verify(state, world) + helpers.left_of(world, state, *_objects(state))


def _objects(state: State) -> tuple[tuple[str, str], ...]:
    return (("Pod", state.standin), ("ConfigMap", state.standin)) if state.standin else ()


def traffic(state: State, world: World) -> dict[str, float]:
    """Bytes at the proxy and, with a stand-in, the calls that it got and their distinct idempotency keys."""
    found = in_path.traffic(state, world)
    if state.standin:
        found.update(_ask(state, world, "GET", "/calls"))
    return found


def _ask(state: State, world: World, method: str, path: str, body: object | None = None) -> dict[str, float]:
    status, content = world.cluster.pod_request(state.namespace, state.standin, _ADMIN_PORT, method, path, body)
    if status != 200:
        raise ProxyError(f"the stand-in answered {status} to {method} {path}")
    answer: dict[str, float] = json.loads(content)
    return answer


def dose(state: State) -> Dose:
    route, control = in_path.route_to(state, state.path), [in_path.control_route(state, state.path)]
    said = {
        "refuse": "refuses connections",
        "black-hole": "never answers",
        "reset": "resets connections",
        "slow": f"answers {format_duration(state.latency)} later",
        "wrong-schema": "answers with another schema",
        "partial": f"fails {state.share:.0%} of the calls",
    }
    words = f"{state.service} {said.get(state.mode, f'answers {_HTTP_STATUS.get(state.mode)}')}, on held and new connections"
    if state.mode == "slow":
        expect = Expectation(what="route-slower", route=route, by=0.8 * state.latency)
    elif state.mode == "wrong-schema":
        expect = Expectation(what="route-differs", route=route)
    elif state.mode == "partial":
        expect = Expectation(what="route-fails", route=route, status=500, share=0.01)
    else:
        expect = Expectation(what="route-fails", route=route, status=_HTTP_STATUS.get(state.mode))
    return Dose(expect=[expect], control=control, words=words)
