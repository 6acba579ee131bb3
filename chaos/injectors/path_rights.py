"""What a fault in the path of a Service needs to be allowed, to inject and to undo; and how it drives the proxy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos.injectors import net_admin
from chaos.model.run import Permission

if TYPE_CHECKING:
    from chaos.injectors.in_path import PathState


LOOKING = ("get",)
SWITCHING = ("get", "create")
"""Toxiproxy is told by POST whether a proxy is open; by PATCH where it leads; toxics come by POST, and go by DELETE."""
ADDING = ("get", "create", "delete")
LEADING = ("get", "patch", "delete")


def permissions(state: "PathState", driving: Sequence[str] = LOOKING) -> list[Permission]:
    """Every right to arm, strike, undo and disarm, with the verbs by which the proxy is driven."""
    space = state.namespace
    kinds = (("services", ""), ("configmaps", ""), ("deployments", "apps"))
    wanted = [Permission(verb="create", resource=kind, group=group, namespace=space) for kind, group in kinds]
    wanted += [
        Permission(verb=verb, resource=kind, group=group, namespace=space, use="undo")
        for kind, group in kinds
        for verb in ("get", "delete")
    ]
    for use in ("inject", "undo"):
        wanted.append(Permission(verb="patch", resource="services", namespace=space, name=state.service, use=use))
        wanted += [Permission(verb=verb, resource="pods", subresource="proxy", namespace=space, use=use) for verb in driving]
    if state.renew == "roll-target":
        wanted.append(Permission(verb="create", resource="pods", subresource="eviction", namespace=space))
    if state.cutter:
        wanted += net_admin.of_agents(state.cutter)
    observed = (("pods", ""), ("endpointslices", "discovery.k8s.io"), ("networkpolicies", "networking.k8s.io"))
    return wanted + [
        Permission(verb="list", resource=kind, group=group, namespace=space, use="observe") for kind, group in observed
    ]
