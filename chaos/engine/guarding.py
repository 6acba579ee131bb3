"""What the plan knows of guard and safeguards: when a guard is needed, over what, and what ends each fault without us."""

from collections.abc import Sequence
from typing import Any

from chaos.engine import lease
from chaos.engine.cluster_ledger import ledger_name
from chaos.engine.owner import owner_name
from chaos.engine.prepared import Prepared
from chaos.model.run import Permission
from chaos.model.units import format_duration

TTL = 30.0
"""Seconds without a sign of life after which a run counts as gone."""


def needed(changes: Sequence[Prepared]) -> bool:
    """Whether anything is changed that was there before; what is only made goes with its owner."""
    return not all(change.only_makes for change in changes)


def over(changes: Sequence[Prepared], run: str, ttl: float) -> dict[str, Any]:
    """What the guard's spec says."""
    calls = [call for change in changes for call in change.calls]
    struck = sorted({target.name for change in changes for target in change.state.targets if target.kind == "Node"})
    names = {"ledger": ledger_name(run), "lease": lease.NAME, "owner": owner_name(run)}
    return {"ttl": ttl, **names, "calls": calls, "avoid": struck}


def ttl_words(fault: Prepared, guard: Prepared | None) -> str:
    """What ends this fault when the runner, its watchdog and its machine are gone, and after how long."""
    if fault.module.PRIVILEGE == "docker":
        return "none: what ends it is the watchdog on this machine, or gameday recover"
    if fault.module.PRIVILEGE == "net-admin":
        return "its own timer in the pod"
    if not fault.calls:
        return "not needed: nothing of it stays"
    if guard is not None:
        return f"{format_duration(getattr(guard.state, 'ttl', TTL))} of silence, by the guard in the cluster"
    if fault.only_makes:
        return f"{format_duration(TTL)} of silence, by its owner in the cluster"
    return "none: without the guard, what ends it is the watchdog on this machine, or gameday recover"


def notes(changes: Sequence[Prepared], guard: Prepared | None) -> list[str]:
    if guard is not None or not needed(changes):
        return []
    return ["no guard in the cluster (--no-guard): should this machine go down, what is changed stays until gameday recover"]


def permissions(namespace: str, *, guarded: bool) -> list[Permission]:
    """What lease, owner and the ledger in the cluster need of the API."""
    rarely = {("get", "jobs"): "the answer to its creation was lost"}
    if not guarded:  # the guard's word is read from there
        rarely["get", "configmaps"] = "recover, from a ledger in the cluster that is too large for one config map"
    wanted = {
        ("leases", "coordination.k8s.io"): {"inject": "create", "undo": "get update delete"},
        ("configmaps", ""): {"inject": "create", "undo": "get list patch delete"},
        ("jobs", "batch"): {"inject": "create", "undo": "get patch delete"},
    }
    return [
        Permission(
            verb=verb,
            resource=resource,
            group=group,
            namespace=namespace,
            use=use,
            trouble=rarely.get((verb, resource), ""),
        )
        for (resource, group), uses in wanted.items()
        for use, verbs in uses.items()
        for verb in verbs.split()
    ]
