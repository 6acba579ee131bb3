"""Looks at the cluster twice a second while the story runs: the evidence from which causes are chosen."""

from collections.abc import Callable, Sequence
from functools import partial

from chaos.clients.world import World
from chaos.clock import Clock
from chaos.engine.change import Change
from chaos.engine.recorder import Recorder
from chaos.engine.watching import OBSERVE_EVERY, Rhythm
from chaos.probes.observe import Observer

Traffic = Callable[[], dict[str, float]]


def observer_rhythm(world: World, namespace: str, changes: Sequence[Change], *, clock: Clock, recorder: Recorder) -> Rhythm:
    """One `observe` event every half second."""
    observer = Observer(world.cluster, namespace, traffic=_counters(world, changes))

    def beat() -> None:
        recorder.tell(observer.look(), source="probe")

    return Rhythm("observer", OBSERVE_EVERY, clock, beat)


def _counters(world: World, changes: Sequence[Change]) -> dict[str, Traffic]:
    """Service -> a reader of its traffic counters, for every Service that has something of ours in its path."""
    found: dict[str, Traffic] = {}
    for change in changes:
        traffic = getattr(change.prepared.module, "traffic", None)
        service = getattr(change.prepared.state, "service", "")
        if traffic and service:
            found[service] = partial(traffic, change.prepared.state, world)
    return found
