"""A Service's ports as a proxy needs them: the numbers behind them, how to speak to them, and what to ask for."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Literal

from chaos.clients.world import Obj
from chaos.errors import BadInput

_FIRST_FREE = 18474


def chosen_port(service: str, port: int | None, ports: list[dict[str, Any]]) -> dict[str, Any]:
    known = ", ".join(str(each["port"]) for each in ports)
    if port is None and len(ports) > 1:
        raise BadInput(f"service {service} has several ports ({known}): say which")
    chosen = [each for each in ports if port in (None, each["port"])]
    if not chosen:
        raise BadInput(f"service {service} has no port {port}; it has {known}")
    return chosen[0]


def with_target(port: Obj, pods: list[Obj], service: str) -> dict[str, Any]:
    """A Service's port with the number behind it: a named target port is looked up in the pods."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return {**port, "target": target}
    for container in (each for pod in pods for each in pod["spec"]["containers"]):
        for own in container.get("ports") or []:
            if own.get("name") == target:
                return {**port, "target": own["containerPort"], "targetName": target}
    raise BadInput(f"service {service}: no pod says which number port {target} has")


def readiness(pods: list[Obj], port: dict[str, Any]) -> Obj:
    """The HTTP readiness probe of the pods, where it asks the port that we are about."""
    for container in (each for pod in pods for each in pod["spec"]["containers"]):
        probe: Obj = (container.get("readinessProbe") or {}).get("httpGet") or {}
        if probe.get("port") in (port["target"], port.get("targetName", port["target"])):
            return probe
    return {}


def scheme_of(port: dict[str, Any], probe: Obj) -> Literal["http", "https", "tcp"]:
    said = f"{port.get('appProtocol', '')} {port.get('name', '')} {probe.get('scheme', '')}".lower()
    if "https" in said or "tls" in said or port["port"] in (443, 8443):
        return "https"
    return "http" if probe or "http" in said or port["port"] in (80, 8000, 8080) else "tcp"


def free_ports(taken: Sequence[int]) -> Iterator[int]:
    """Numbers that no port of the Service has, for what stands beside the proxy; always the same ones."""
    return (number for number in count(_FIRST_FREE) if number not in taken)
