"""What load to make, and what that means for every Locust process that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.errors import BadInput, Problem
from chaos.load.child.setting import Setting, boot_id, clock_offset

RELAY = "GAMEDAY_RELAY"
"""The variable by which a relay is told what it relays."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Where Locust's master runs on a cluster, and how to reach it."""

    kubeconfig: str
    context: str
    namespace: str
    pod: str
    token: str


@dataclass(frozen=True, kw_only=True)
class LoadSpec:
    """What load to make: either `rate` (arrivals a second, whatever the service does) or `users` (each waits for answers)."""

    locustfile: Path
    host: str
    limit: float
    """Seconds after which the child ends by itself."""
    rate: float | None = None
    users: int | None = None
    spawn_rate: float = 100.0
    processes: int = 1
    request_timeout: float = 5.0
    """When a customer gives up."""
    degraded_header: str | None = None
    degraded_json: str | None = None
    seed: int = 0
    random_gaps: bool = False
    """Arrivals at random (exponential gaps, seeded) instead of evenly spaced."""
    in_flight_cap: int = 2000
    """So many customers at once at most; who comes then is not sent, and counts as failed."""
    fresh_connections_every: int = 10
    """A simulated user connects anew after so many customers; 0 = never."""
    remote: Remote | None = None
    """Where Locust runs on the cluster, in `processes` workers; the child here only relays."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the locustfile needs; nothing else of ours is handed down."""

    def check(self) -> None:
        """BadInput where this cannot work: the locustfile is missing or is no Python, or the amounts make no sense."""
        if (self.rate is None) == (self.users is None):
            raise BadInput("load: give either a rate or users")
        path = str(self.locustfile)
        if "," in path:
            raise BadInput(f"{path}: Locust cannot take a path with a comma")
        try:
            source = self.locustfile.read_bytes()
        except OSError as error:
            raise BadInput(f"{path}: cannot read the locustfile: {error.strerror}") from error
        try:
            compile(source, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line, column = getattr(error, "lineno", 0) or 0, getattr(error, "offset", 0) or 0
            raise BadInput(
                Problem(path, line, column, f"the locustfile is not valid Python: {getattr(error, 'msg', error)}")
            ) from error


def users_of(spec: LoadSpec) -> int:
    """Locust's own users; where there is a rate, one a process opens the door for customers."""
    return spec.processes if spec.users is None else spec.users


def setting_of(spec: LoadSpec) -> Setting:
    """What the listener needs, but for where its records go."""
    degraded = {key: value for key, value in (("header", spec.degraded_header), ("json", spec.degraded_json)) if value}
    return Setting(
        rate=spec.rate,
        spawn_rate=spec.spawn_rate,
        processes=spec.processes,
        request_timeout=spec.request_timeout,
        degraded=degraded or None,
        seed=spec.seed,
        random_gaps=spec.random_gaps,
        in_flight_cap=spec.in_flight_cap,
        fresh_connections_every=spec.fresh_connections_every,
        limit=spec.limit,
        control=True,
        boot_id=boot_id(),
        clock_offset=clock_offset(),
    )
