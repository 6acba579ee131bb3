"""How connections that stood before the proxy came break, and lead through it: the pods restart one by one, or hang up."""

from typing import TYPE_CHECKING, Literal

from chaos.clients.world import Cluster, Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput, NotFound, NotReady, Refused
from chaos.injectors import net_admin, net_agents
from chaos.injectors.base import Aim
from chaos.injectors.net_admin import NetState
from chaos.injectors.targets import workloads_of
from chaos.model.caps import Caps
from chaos.probes.pods_ready import is_ready

if TYPE_CHECKING:
    from chaos.injectors.in_path import PathState

_BACK_WITHIN = 60.0  # seconds a pod
Renew = Literal["wait", "roll-target", "cut"]


def prepared(renew: Renew, aim: Aim, pods: list[Obj], service: str, ports: list[int]) -> NetState | None:
    """What cutting needs; refuses what may not be done to these pods."""
    if renew == "roll-target":
        refuse_to_roll(aim.world.cluster, pods, service, aim.caps)
    if renew != "cut":
        return None
    if not pods:
        raise BadInput(f"service {service} has no pods at which renew: cut could cut anything")
    return net_admin.cutters(aim, pods, ports)


def renew(state: "PathState", world: World) -> None:
    """Once the proxy is in the path."""
    if state.renew == "roll-target":
        roll(world.cluster, state.namespace, state.selector)
    if state.cutter:
        net_agents.arm(state.cutter, world)
        net_agents.start(state.cutter, world)
        net_agents.disarm(state.cutter, world)


def refuse_to_roll(cluster: Cluster, pods: list[Obj], service: str, caps: Caps) -> None:
    """BadInput where restarting the pods one by one would be a fault of its own that nobody has asked for."""
    if not pods:
        raise BadInput(f"service {service} has no pods that renew: roll-target could restart")
    workloads_of(cluster, pods)
    if sum(map(is_ready, pods)) < 2 and not caps.last_replica:
        raise BadInput(
            f"renew: roll-target would restart the last ready pod of service {service}; "
            "raise caps.last_replica with a reason if that is meant"
        )


def roll(cluster: Cluster, namespace: str, selector: dict[str, str]) -> None:
    """Evict every pod in turn, as its PodDisruptionBudget allows, and wait until as many are ready as before."""
    pods = [pod for pod in cluster.find("Pod", namespace, labels=selector) if not pod["metadata"].get("deletionTimestamp")]
    before = sum(map(is_ready, pods))
    for pod in pods:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        if not wait_until(lambda: _evicted(cluster, namespace, name, uid), clock=RealClock(), within=_BACK_WITHIN, every=0.5):  # noqa: B023
            raise NotReady(f"pod/{name} could not be evicted within {_BACK_WITHIN:.0f} s: a disruption budget declines")
        if not wait_until(lambda: _all_back(cluster, namespace, selector, uid, before), clock=RealClock(), within=_BACK_WITHIN):  # noqa: B023
            raise NotReady(f"after the restart of pod/{name} fewer than {before} pods are ready again")


def _evicted(cluster: Cluster, namespace: str, name: str, uid: str) -> bool:
    try:
        cluster.evict(name, namespace, uid=uid)
    except NotFound:
        return True
    except Refused:
        return False
    return True


def _all_back(cluster: Cluster, namespace: str, selector: dict[str, str], gone: str, before: int) -> bool:
    pods = cluster.find("Pod", namespace, labels=selector)
    return all(pod["metadata"]["uid"] != gone for pod in pods) and sum(map(is_ready, pods)) >= before
