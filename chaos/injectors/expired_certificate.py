"""`expired-certificate`: a TLS Secret holds a certificate that ran out yesterday, as when nobody renewed it.

The certificate is of our own making: same names, signed by an authority that is thrown away. A server shows it once it reads
the Secret anew: many do so at their start only (`restart: true`). The undo puts the very old one back.
Useful from the time on that a server takes to start, or 100 s without a restart. Inconclusive where the witness is shown a
valid one to the end.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from chaos.clients.world import Cluster, Obj
from chaos.errors import BadInput
from chaos.injectors import consumers, expired_pair, felt_at, stored_data
from chaos.injectors.base import Aim, FaultSpec, Privilege
from chaos.injectors.consumers import Consumer
from chaos.injectors.stored_data import DataState
from chaos.model.base import Name
from chaos.model.dose import Dose, Expectation, Route
from chaos.model.run import Permission

PRIVILEGE: Privilege = "api"
_CERTIFICATE, _KEY = "tls.crt", "tls.key"
_AFTER_A_START, _AFTER_A_SYNC = 30.0, 100.0  # seconds: see `consumed.py`
_NOTES = (
    "clients that verify refuse the handshake; some say unknown authority rather than expired, for ours is thrown away",
    "connections that stand already go on with the certificate they were made with",
)


class ExpiredCertificate(FaultSpec):
    """A server shows a certificate that ran out: nobody renewed it."""

    kind: Literal["expired-certificate"]
    secret: Name
    """A Secret with tls.crt and tls.key."""
    service: Name | None = None
    """The Service that shows it; default: the only one that leads to pods with this Secret."""
    port: int | None = None
    """Which of the Service's ports; default: the only one."""
    restart: bool = False
    """Whether the Deployments that serve with it are rolled, so that they read it: at the strike, and again at the undo."""


class State(DataState):
    """The route over which the certificate is shown."""

    service: str
    route: Route
    within: float
    notes: list[str] = []


Spec = ExpiredCertificate
start, stop, verify = stored_data.start, stored_data.stop, stored_data.verify
undo_words, undo_calls = stored_data.undo_words, stored_data.undo_calls


def prepare(spec: ExpiredCertificate, aim: Aim) -> State:
    cluster, now = aim.world.cluster, datetime.now(UTC)
    found = stored_data.read(cluster, "Secret", spec.secret, aim.namespace)
    pair = _expired(found, spec.secret, now)
    stored_data.refuse_change(found, "Secret", pair)
    servers = consumers.consumers(cluster, "Secret", spec.secret, aim.namespace, [_KEY])
    restarts = [each.workload for each in servers if each.workload["kind"] == "Deployment"] if spec.restart else []
    if spec.restart and not restarts:
        raise BadInput(f"no deployment serves with secret {spec.secret}: there is nothing to restart")
    fields = stored_data.fields(found, "Secret", pair, restarts, aim)
    within = _AFTER_A_START if spec.restart else _AFTER_A_SYNC
    route = _route(cluster, spec, servers, aim)
    return State(**fields, service=route.name, route=route, within=within, notes=_notes(servers))


def _expired(found: Obj, name: str, now: datetime) -> dict[str, str | None]:
    """The two keys with our own certificate; BadInput where there is none to stand in for."""
    data = found.get("data") or {}
    if missing := [key for key in (_CERTIFICATE, _KEY) if key not in data]:
        raise BadInput(f"secret {name} has no {' and no '.join(missing)}: there is no certificate in it that could run out")
    pair = expired_pair.like(data[_CERTIFICATE], now - timedelta(days=1), name)
    return {_CERTIFICATE: pair.certificate, _KEY: pair.key}


def _route(cluster: Cluster, spec: ExpiredCertificate, servers: list[Consumer], aim: Aim) -> Route:
    services = [spec.service] if spec.service else felt_at.services_of(cluster, [each.workload for each in servers])
    if len(services) != 1:
        found = f"services {', '.join(services)} lead" if services else "no service leads"
        raise BadInput(f"{found} to pods that serve with secret {spec.secret}: say which service shows it")
    route = felt_at.route_of(cluster, aim.namespace, services[0], port=spec.port)
    return route.model_copy(update={"scheme": "https", "server_name": services[0], "certificate": "valid"})


def _notes(servers: list[Consumer]) -> list[str]:
    return [*consumers.notes(servers), *_NOTES]


def permissions(state: State) -> list[Permission]:
    seen: dict[str, Any] = {"resource": "services", "namespace": state.namespace, "use": "observe"}
    return [*stored_data.permissions(state), Permission(verb="get", **seen), Permission(verb="list", **seen)]


def dose(state: State) -> Dose:
    """New connections are shown a certificate that is out of its dates, by the witness's clock."""
    shown = Expectation(what="route-fails", route=state.route, connections=["new"], error="certificate-expired")
    return Dose(expect=[shown], within=state.within, words=f"{state.route.name} shows a certificate that ran out yesterday")
