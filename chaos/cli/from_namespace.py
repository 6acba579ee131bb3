"""A first scenario out of a live namespace: its entrance, its dependencies, one pod that dies. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chaos.errors import BadInput

if TYPE_CHECKING:
    from chaos.clients.world import Cluster

Obj = dict[str, Any]

_ENTRANCES = ("storefront", "frontend", "front-end", "gateway", "ingress", "web", "edge", "proxy", "api", "app")
"""Names that entrances bear, likeliest first; a Service that is published outside the cluster comes before all of them."""


@dataclass(frozen=True)
class Found:
    """A Service with the Deployment behind it, where there is one."""

    service: Obj
    deployment: Obj | None

    @property
    def name(self) -> str:
        return str(self.service["metadata"]["name"])

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"].get("replicas", 1)) if self.deployment else 0

    @property
    def selector(self) -> dict[str, str]:
        return dict(self.service["spec"].get("selector") or {})

    @property
    def is_vendor(self) -> bool:
        """Whether it stands for something outside: an ExternalName, or a Service whose endpoints are not pods."""
        return self.service["spec"].get("type") == "ExternalName" or not self.selector


def files_for(name: str, cluster: "Cluster", namespace: str, *, entry: str = "") -> dict[str, str]:
    """Path -> text of a scenario, its service and its locustfile, all made for this namespace."""
    found = look(cluster, namespace)
    entrance = _entrance(found, entry, namespace)
    struck = max(found, key=lambda each: (each.name == entrance.name and each.replicas > 1, each.replicas))
    if not struck.deployment:
        raise BadInput(
            f"no Service of namespace {namespace} has a Deployment behind it: there is nothing to kill and come back"
        )
    return {
        f"scenarios/{name}.yaml": _scenario(name, namespace, entrance, struck),
        f"scenarios/services/{namespace}.yaml": _service(namespace, found),
        f"scenarios/load/{namespace}.py": _locustfile(namespace),
    }


def look(cluster: "Cluster", namespace: str) -> list[Found]:
    """Every Service of the namespace, by name."""
    deployments = cluster.find("Deployment", namespace)
    services = [each for each in cluster.find("Service", namespace) if each["metadata"]["name"] != "kubernetes"]
    if not services:
        raise BadInput(f"namespace {namespace} has no Service: there is no entrance for customers")
    return sorted((Found(each, _behind(each, deployments)) for each in services), key=lambda each: each.name)


def _behind(service: Obj, deployments: Sequence[Obj]) -> Obj | None:
    selector = (service["spec"].get("selector") or {}).items()
    for each in deployments:
        if selector and selector <= each["spec"]["template"]["metadata"].get("labels", {}).items():
            return each
    return None


def _entrance(found: Sequence[Found], entry: str, namespace: str) -> Found:
    if entry:
        by_name = {each.name: each for each in found}
        if entry not in by_name:
            raise BadInput(f"namespace {namespace} has no Service {entry}; it has {', '.join(by_name)}")
        return by_name[entry]

    def likelihood(each: Found) -> tuple[bool, int, int]:
        published = each.service["spec"].get("type") in ("NodePort", "LoadBalancer")
        named = next((len(_ENTRANCES) - rank for rank, word in enumerate(_ENTRANCES) if word in each.name), 0)
        return (published, named, each.replicas)

    return max(found, key=likelihood)


def _service(namespace: str, found: Sequence[Found]) -> str:
    lines = [f"  - {{id: {each.name}, kind: {'vendor' if each.is_vendor else 'internal'}}}" for each in found]
    dependencies = "dependencies:\n" + "\n".join(lines)
    return f"""\
format: service/v1
id: {namespace}
title: {namespace} # what a customer calls it
team: unassigned
owner: unassigned # who answers for what is found
description: Say what a customer buys here, and what it means when it is gone.

# The most disruption that is tolerable, in your customers' units. These are only a beginning: ask the people who own it.
tolerances:
  - {{id: answered, measure: availability, at_least: 99%}}
  - {{id: fast, measure: latency, percentile: 95, at_most: 1s}}
  - {{id: no-long-outage, measure: longest-outage, at_most: 3s}}
  - {{id: back-soon, measure: time-to-recover, at_most: 10s}}

{dependencies}
"""


def _scenario(name: str, namespace: str, entrance: Found, struck: Found) -> str:
    selector = ", ".join(
        f"{key}: {value!r}" if not value.isidentifier() else f"{key}: {value}" for key, value in struck.selector.items()
    )
    caps = "" if struck.replicas > 1 else _LAST_REPLICA.format(name=struck.name)
    return f"""\
format: scenario/v1
id: {name}
title: A pod of {struck.name} dies under load
story: >-
  In the middle of a busy hour a node runs out of memory and the kernel kills a pod of {struck.name}. Kubernetes starts
  another one. Do customers notice?
service: {namespace}
severity: SEV-3
severe_because: A pod that dies is the smallest thing that happens; a service that notices will not stand anything larger.
plausibility: # replace this by something that did happen to you, or to somebody like you
  - {{kind: exercise, date: {datetime.now(UTC):%Y-%m-%d}, ref: First look at namespace {namespace}}}
namespace: {namespace}
load:
  target: {{service: {entrance.name}, port: {entrance.service["spec"]["ports"][0]["port"]}}}
  locustfile: load/{namespace}.py
  rate: 10/s
  request_timeout: 3s
  warm_up: 3s
  baseline: 10s
  recovery: 20s
steps:
  - id: pod-dies
    fault: {{kind: pod-kill, selector: {{{selector}}}, count: 1, duration: 10s}}
{caps}stop_conditions:
  - {{id: far-too-much, measure: availability, below: 20%, over: 5s}}
tags: [first]
"""


_LAST_REPLICA = """\
caps:
  last_replica:
    because: {name} runs as a single pod, and a single pod can die at any time.
"""


def _locustfile(namespace: str) -> str:
    return f'''\
"""Customers of {namespace}. Replace the request by what they really do; name each kind of it as a transaction."""

from locust import FastHttpUser, task


class Customer(FastHttpUser):
    @task
    def enter(self) -> None:
        self.client.get("/", name="enter", context={{"transaction": "enter"}})
'''
