"""A Job without pods that owns what a run makes: its deadline moves while the run lives; when it passes, all goes with it.

No image, no rights, no program of ours: the cluster's own controllers end the Job and collect what it owns. It only ever
owns what nothing else of the cluster leads through: taking a proxy away under its Service would be an outage of its own.
"""

import math

from chaos.clients.world import Cluster, Obj
from chaos.clock import since_boot
from chaos.errors import Conflict, NotFound
from chaos.injectors.base import LABEL_RUN, OWN_LABEL
from chaos.injectors.helpers import name_for


def owner_name(run: str) -> str:
    return name_for("owner", run)


class Owner:
    """The Job of one run in its namespace. It lives for `life` seconds after its last beat."""

    def __init__(self, cluster: Cluster, namespace: str, run: str, life: float) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._run = run
        self._life = life
        self._since = since_boot()
        self.reference: Obj = {}

    def make(self) -> None:
        self._since = since_boot()
        try:
            made = self._cluster.create(self._job())
        except Conflict:
            made = self._cluster.get("Job", owner_name(self._run), self._namespace)
        self.reference = reference_to(made)

    def beat(self) -> None:
        """Move the deadline; one that is not there any more stays away, for what it owned is gone as well."""
        deadline = math.ceil(since_boot() - self._since + self._life)
        try:
            self._cluster.patch("Job", owner_name(self._run), self._namespace, {"spec": {"activeDeadlineSeconds": deadline}})
        except NotFound:
            return

    def _job(self) -> Obj:
        container = {"name": "nothing", "image": "nothing.invalid/never-pulled"}
        meta = {"name": owner_name(self._run), "namespace": self._namespace, "labels": {**OWN_LABEL, LABEL_RUN: self._run}}
        spec = {
            "parallelism": 0,
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(self._life),
            "ttlSecondsAfterFinished": 0,
            "template": {"spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}},
        }
        return {"kind": "Job", "apiVersion": "batch/v1", "metadata": meta, "spec": spec}


def reference_to(obj: Obj) -> Obj:
    """As an entry of `ownerReferences`."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
    }


def forget(cluster: Cluster, namespace: str, run: str) -> None:
    """Delete the Job, and with it all that it owns."""
    try:
        cluster.delete("Job", owner_name(run), namespace, propagation="Background")
    except NotFound:
        return
