"""Who calls a Service through our proxy, by the proxy's own log: it names the client of every connection that it takes.

Nobody cuts a connection that stood before the proxy came, so a caller that keeps its connections feels nothing of a strike.
Toxiproxy's byte counters cannot tell: they count a connection when it ends.
"""

import json
from collections.abc import Iterable

from chaos.clients.world import Obj, World
from chaos.injectors import in_path, path_objects
from chaos.injectors.base import OWN_LABEL
from chaos.injectors.in_path import PathState
from chaos.probes.pods_ready import is_ready

_ADVICE = (
    "; give them time (load.warm_up), or make them connect anew when the proxy stands: by restarts of the target's pods "
    "(renew: roll-target), or by cutting what stands in them (renew: cut)"
)
_LINES = 5000  # of the log, the newest: one for each connection


def bypassed(state: PathState, world: World) -> str:
    """Why a strike would miss the Service's callers, in words; "" when enough of them call through the proxy.

    A caller's peers are the pods of the same owner: of three checkout pods of which one has connected through the proxy, two
    still talk past it. Clients that are no pods of this namespace count as callers, and have no peers.
    """
    clients = _clients(state, world)
    pods = [pod for pod in world.cluster.find("Pod", state.namespace) if not pod["metadata"].get("deletionTimestamp")]
    ours = {_address(pod) for pod in pods if _is_ours(pod)}
    callers = [pod for pod in pods if _address(pod) in clients - ours]
    if not clients - ours:
        return (
            f"nobody has called service/{state.service} through the proxy since it was put before it: callers keep "
            f"connections that stood before{_ADVICE}"
        )
    for owner in sorted({_owner(pod) for pod in callers}):
        peers = [pod for pod in pods if _owner(pod) == owner and is_ready(pod)]
        passing = [pod for pod in peers if _address(pod) in clients]
        if len(passing) < state.through * len(peers):
            names = ", ".join(sorted(pod["metadata"]["name"] for pod in peers if pod not in passing))
            return (
                f"{len(passing)} of {len(peers)} calling pods reach service/{state.service} through the proxy, "
                f"{state.through:.0%} are asked for; {names} keep connections that stood before{_ADVICE}"
            )
    return ""


def _clients(state: PathState, world: World) -> set[str]:
    """The addresses that have connected to the proxy of our port."""
    pods = in_path.proxy_pods(state, world)
    proxy = path_objects.PROXY
    log = world.cluster.pod_log(state.namespace, pods[0]["metadata"]["name"], container=proxy, tail=_LINES) if pods else ""
    return {
        str(line["client"]).rpartition(":")[0].strip("[]")
        for line in _json_lines(log.splitlines())
        if line.get("message") == "Accepted client" and line.get("name") == in_path.proxy_name(state)
    }


def _json_lines(lines: Iterable[str]) -> Iterable[Obj]:
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # the first one may be cut off
        if isinstance(value, dict):
            yield value


def _address(pod: Obj) -> str:
    return str(pod.get("status", {}).get("podIP", ""))


def _is_ours(pod: Obj) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in OWN_LABEL.items())


def _owner(pod: Obj) -> str:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(each["uid"]) for each in owners if each.get("controller")), str(pod["metadata"]["uid"]))
