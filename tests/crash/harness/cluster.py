"""A real cluster under runs that are killed: one wire before its API server, one before Docker, and an oracle that sees both.

`kubectl proxy` speaks plain HTTP on a port of its own, so that a wire can stand before it; a run must be told that it may
strike there. Nodes are struck on kind clusters alone, where they are containers of this machine.
"""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from harness.ground import Ground, Patience, Runner
from harness.oracle import Oracle
from harness.wire import Wire, connection_to, pass_on

IMAGE = "python:3.13-slim"
KIND_LABEL = "io.x-k8s.kind.cluster"
FAULTS = {
    "pod-kill": "{kind: pod-kill, selector: {app: web}, count: 1, duration: 2s, back_within: 60s}",
    "latency": "{kind: latency, service: web, latency: 200ms, duration: 2s}",
    "vendor-outage": "{kind: vendor-outage, service: web, mode: refuse, duration: 2s}",
    "node-stop": "{kind: node-stop, hosting: {app: web}, duration: 3s, back_within: 240s}",
    "network-partition": "{kind: network-partition, to: {app: web}, duration: 5s}",
    "scale-to-zero": "{kind: scale-to-zero, deployment: web, to: 1, duration: 2s}",
}
CAPS = """\
caps:
  docker: {because: these nodes are there to be struck}
  last_replica: {because: a node takes along whatever runs on it}
  workload_share: {value: 100%, because: a node takes along whatever runs on it}
"""
_WIDE = (
    *("nodes", "persistentvolumes", "clusterroles", "clusterrolebindings", "customresourcedefinitions", "priorityclasses"),
    *("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies"),
)
"""What could be left cluster-wide. Namespaces, certificates and the like come and go by themselves."""


@dataclass
class Cluster:
    """The one that KUBECONFIG names, as far as runs and the oracle need it. Close it."""

    kubeconfig: Path
    server: str = field(init=False)  # kubectl's proxy
    docker: str = ""  # Docker's own socket; "" = its nodes are no containers of this machine
    name: str = ""  # of the kind cluster

    def __post_init__(self) -> None:
        kubectl = ["kubectl", "--kubeconfig", str(self.kubeconfig), "proxy", "--port=0", "--reject-paths=^$"]
        self._proxy = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *kubectl],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # each client that hangs up; here that is what they are for
            text=True,
        )
        assert self._proxy.stdout is not None
        said = self._proxy.stdout.readline()  # "Starting to serve on 127.0.0.1:34567"
        assert "Starting to serve on " in said, f"kubectl proxy did not start: {said!r}"
        self.server = "http://" + said.split()[-1]
        provider = str(ask(self.server, "/api/v1/nodes")["items"][0]["spec"].get("providerID", ""))
        if provider.startswith("kind://"):
            self.name = provider.split("/")[-2]
            self.docker = _docker_with(self.name)

    @property
    def kinds(self) -> list[str]:
        """Faults that can be let loose here."""
        return [kind for kind in FAULTS if self.docker or kind != "node-stop"]

    @property
    def words(self) -> str:
        nodes = ask(self.server, "/api/v1/nodes")["items"]
        version = ask(self.server, "/version")["gitVersion"]
        return f"Kubernetes {version}, {len(nodes)} nodes" + (" made by kind" if self.name else "")

    def containers(self) -> dict[str, Any]:
        """The nodes' containers: which one, in what state, under which addresses, and whether a kubelet answers there.

        For 40 s after its end a node still reads Ready: only who asks the node itself knows.
        """
        found = {}
        for each in _nodes_of(self.docker, self.name) if self.docker else ():
            addresses = {net: one["IPAddress"] for net, one in each["NetworkSettings"]["Networks"].items()}
            kubelet = each["State"] == "running" and any(map(_answers, addresses.values()))
            name = each["Names"][0].lstrip("/")
            found[f"containers//{name}"] = {
                "id": each["Id"],
                "state": each["State"],
                "addresses": addresses,
                "kubelet": "answers" if kubelet else "is silent",
            }
        return found

    def close(self) -> None:
        self._proxy.kill()
        self._proxy.communicate()


def ask(server: str, path: str) -> Any:
    connection = connection_to(server, 10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": "localhost"})
        return json.loads(connection.getresponse().read())


def _answers(address: str) -> bool:
    """Whether a kubelet shakes hands there; who it is does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, 10250), 0.5) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


def _nodes_of(docker: str, cluster: str) -> list[dict[str, Any]]:
    filters = quote(json.dumps({"label": [f"{KIND_LABEL}={cluster}"]}))
    found: list[dict[str, Any]] = ask(docker, f"/containers/json?all=1&filters={filters}")
    return found


def _docker_with(cluster: str) -> str:
    """Docker's socket, if the cluster's nodes are containers there."""
    docker = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        return docker if docker.startswith("unix://") and _nodes_of(docker, cluster) else ""
    except OSError:
        return ""


@dataclass
class WideOracle(Oracle):
    """Looks at one namespace, at what is cluster-wide, at the cluster's own pods, at the nodes' containers; asks the app's pods."""

    cluster: Cluster = field(kw_only=True)
    cluster_wide: ClassVar[tuple[str, ...]] = _WIDE

    def _find_kinds(self) -> None:
        super()._find_kinds()
        self._lists.append(("pods", "/api/v1/namespaces/kube-system/pods"))

    def snapshot(self) -> dict[str, Any]:
        return super().snapshot() | self.cluster.containers() | {f"pods/{self.namespace}/ that answer": self._answering()}

    def _answering(self) -> int:
        """How many of the app's pods answer when they are asked: whether they read ready is another matter."""
        query = f"labelSelector={quote('app in (web,bystander)')}"
        pods = self.ask(f"/api/v1/namespaces/{self.namespace}/pods?{query}").get("items") or []
        return sum(self._answers(each["metadata"]["name"]) for each in pods)

    def _answers(self, pod: str) -> bool:
        connection = connection_to(self.server, 1.0)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8080/proxy/")
            return connection.getresponse().status == 200
        return False


@dataclass
class ClusterGround(Ground):
    """The app on a real cluster: the two pods on nodes of their own, and a bystander that nobody strikes."""

    cluster: Cluster = field(kw_only=True)
    faults: ClassVar[dict[str, str]] = FAULTS
    patience: ClassVar[Patience] = Patience(run=300.0, watchdog=120.0, guard=120.0, at_last=60.0, every=0.1)

    def app(self) -> list[tuple[str, Any]]:
        core, apps = f"/api/v1/namespaces/{self.namespace}", f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        config = {"metadata": {"name": "settings"}, "data": {"color": "blue"}}
        ports = [{"name": "http", "port": 8080, "targetPort": "web"}]
        service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
        return [
            (f"{core}/configmaps", {"kind": "ConfigMap", "apiVersion": "v1", **config}),
            (apps, _deployment("web", 2)),
            (apps, _deployment("bystander", 1)),
            (f"{core}/services", {"kind": "Service", "apiVersion": "v1", **service}),
        ]

    def watched_by(self) -> Oracle:
        return WideOracle(self.server, self.namespace, cluster=self.cluster)

    def runner(self, folder: Path) -> Runner:
        return ClusterRunner(self, Wire(self.server), folder, docker=Wire(self.cluster.docker) if self.cluster.docker else None)

    def ready(self) -> bool:
        """All pods of the app, and of the cluster itself: nothing may be on its way while it is taken for calm."""
        pods = {key: many for key, many in self.oracle.snapshot().items() if key.startswith("pods/")}
        answer = pods.pop(f"pods/{self.namespace}/ that answer")
        mine = sum(many for key, many in pods.items() if key.startswith(f"pods/{self.namespace}/"))
        return mine == answer == 3 and all(key.endswith("} ready") for key in pods)


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "http.server", "8080"],
        "ports": [{"containerPort": 8080, "name": "web"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "env": [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}],
    }
    apart = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "topologySpreadConstraints": [{**apart, "labelSelector": {"matchLabels": labels}}],
            "containers": [container],
        },
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name}, "spec": spec}


@dataclass
class ClusterRunner(Runner):
    """Reaches the API server and Docker through a wire each, and nothing past them."""

    docker: Wire | None = field(kw_only=True)
    on: ClassVar[str] = "wire"
    kept: ClassVar[tuple[str, ...]] = ("trust.json",)

    @property
    def wires(self) -> Sequence[Wire]:
        return (self.wire, self.docker) if self.docker else (self.wire,)

    @property
    def environment(self) -> dict[str, str]:
        docker = {"DOCKER_HOST": self.docker.url.replace("http:", "tcp:")} if self.docker else {}
        return super().environment | {"KUBECONFIG": str(self.folder / "kubeconfig")} | docker

    def start(self, fault: str, *options: str, more: str = "") -> "Runner":
        return super().start(fault, *options, more=CAPS + more)

    def allow(self, kubeconfig: Path) -> None:
        rule = self.wire.rule
        self.wire.rule = pass_on  # these requests are not the run's
        trust = self.gameday("trust", "--on", self.on, "--kubeconfig", str(kubeconfig))
        assert trust.wait(30) == 0, self.said("trust")
        self.wire.rule = rule
