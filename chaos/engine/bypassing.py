"""Before the first strike: do the callers of what is to be struck feel it at all?"""

from collections.abc import Iterable

from chaos.clients.world import World
from chaos.engine.change import Change
from chaos.errors import ClusterError


def bypassed(changes: Iterable[Change], world: World) -> str:
    """Why a strike would miss those who call, in words; "" = it would not. What cannot be found out counts as a miss."""
    found: list[str] = []
    for change in changes:
        if (look := getattr(change.prepared.module, "bypassed", None)) is None:
            continue
        try:
            missed = look(change.prepared.state, world)
        except ClusterError as error:
            missed = f"unknown whether callers go through the proxy: {error}"
        if missed:
            found.append(f"{change.prepared.step}: {missed}")
    return "; ".join(found)
