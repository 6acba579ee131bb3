"""Where a change of a ConfigMap or Secret is felt: the route of a Service, or the pods that start with it."""

from collections.abc import Sequence

from chaos.clients.world import Cluster, Obj
from chaos.errors import BadInput
from chaos.injectors.path_ports import chosen_port, readiness, scheme_of, with_target
from chaos.injectors.targets import named
from chaos.model.dose import Route


def route_of(cluster: Cluster, namespace: str, service: str, *, port: int | None = None, path: str | None = None) -> Route:
    """The Service as its callers see it; BadInput where there is no such way."""
    found = named(cluster, "Service", service, namespace)
    if not found["spec"].get("ports"):
        raise BadInput(f"service {service} has no port that could be asked")
    selector = found["spec"].get("selector")
    pods = cluster.find("Pod", namespace, labels=selector) if selector else []
    chosen = chosen_port(service, port, found["spec"]["ports"])
    if isinstance(chosen.get("targetPort"), str):
        chosen = with_target(chosen, pods, service)
    probe = readiness(pods, {"target": chosen.get("targetPort", chosen["port"]), **chosen})
    scheme = scheme_of(chosen, probe)
    return Route(
        name=service,
        host=service,
        port=chosen["port"],
        scheme=scheme,
        path=path or probe.get("path") or "/",
        server_name=service if scheme == "https" else "",
    )


def services_of(cluster: Cluster, workloads: Sequence[Obj]) -> list[str]:
    """The Services that lead to the pods of these workloads of one namespace, by name."""
    labels = [each["spec"]["template"]["metadata"].get("labels") or {} for each in workloads]
    found = cluster.find("Service", workloads[0]["metadata"]["namespace"]) if workloads else []
    wanted = {each["metadata"]["name"]: (each["spec"].get("selector") or {}).items() for each in found}
    return sorted(name for name, selector in wanted.items() if selector and any(selector <= own.items() for own in labels))
