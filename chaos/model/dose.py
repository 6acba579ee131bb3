"""What readings to expect while a fault is in effect. An injector only says it; the engine has `probes/` take them.

Reading back the object that we wrote is never dose: the readings come from where the fault is felt.
"""

from typing import Literal

from chaos.model.base import Record


class Route(Record):
    """A way to a Service or a pod as its callers see it; with `dns`, the look-up of a name."""

    name: str
    host: str  # a Service's name, an address, or a DNS name, as seen from inside the cluster
    port: int
    scheme: Literal["http", "https", "tcp", "dns"] = "http"
    path: str = "/"
    server_name: str = ""  # TLS server name, where it is not the host
    server: str = ""  # dns: the nameserver that is asked; "" = the witness's own
    certificate: Literal["any", "valid"] = "any"  # https: whether one out of its dates fails a new connection
    timeout: float = 1.0  # seconds after which a reading counts as unanswered


class Expectation(Record):
    """One thing that must be seen from outside the injector.

    `route-fails`: requests over `route` get no answer (with `status`: exactly that status; with `error`: for exactly that
    reason, such as `nxdomain`, `certificate-expired` or `refused`).
    `route-slower`: the median of `connection` readings is at least `by` seconds above what it was before the strike.
    `route-differs`: the body's digest differs from all seen before the strike (wrong schema, wrong answers).
    `route-changes`: no answer as before the strike: other bodies (where they were steady), other statuses, or none at all.
    `pods-gone`: none of `uids` is alive (deleted, or terminating).
    `endpoints`: the Service `service` has at most `at_most` ready endpoints.
    `refused-eviction`: some of `uids` stay, behind a disruption budget that allows none now.
    `evicted`: each of `uids` (pods of `workloads`) is gone, or stays behind a disruption budget that allows none now, or that
    allowed none any more once it had let some of them go. `name` is the budget that guards them, as far as there is one.
    `new-pods`: at least `at_least` pods of `selector` that are not among `uids` were taken up by the kubelet: a container
    started, or is held up (with `reasons`: is held up for one of these).
    `pods-resized`: each of `uids` has its container `name` limited to `value` of `field` (cpu or memory), as the kubelet says.
    `pod-refused`: a pod that somebody tries to create (dry run) is declined in the name of the quota `name`.
    `object`: the object's `field` reads `value` in an independent read (for faults whose effect is on an object that
    others act on, such as a cordon); never used where a reading of behaviour is possible.
    """

    what: Literal[
        "route-fails",
        "route-slower",
        "route-differs",
        "route-changes",
        "pods-gone",
        "endpoints",
        "refused-eviction",
        "evicted",
        "new-pods",
        "pods-resized",
        "pod-refused",
        "object",
    ]
    route: Route | None = None
    route_ends: bool = False  # the route is of our own making and goes with the fault: afterwards it tells nothing
    connections: list[Literal["held", "new"]] = ["held", "new"]
    share: float = 0.8  # at least this share of the readings must show it
    by: float = 0.0
    status: int | None = None
    error: str = ""
    uids: list[str] = []
    namespace: str = ""
    workloads: list[str] = []
    service: str = ""
    at_most: int = 0
    at_least: int = 1
    selector: dict[str, str] = {}
    reasons: list[str] = []
    kind: str = ""
    name: str = ""
    field: str = ""
    value: str | None = None


class Dose(Record):
    """All of `expect` must show within `within` seconds of the strike; every control route must stay healthy meanwhile."""

    expect: list[Expectation]
    control: list[Route] = []
    within: float = 5.0
    words: str  # for people: what the dose is
