"""The kubelet of all nodes: a pod that was given a node lives as local processes until it is deleted."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chaos.sandbox.accounts import Account
from chaos.sandbox.addresses import Addresses
from chaos.sandbox.containers import Container, Host
from chaos.sandbox.events import Events
from chaos.sandbox.processes import Log
from chaos.sandbox.scheduling import NODES
from chaos.sandbox.store import Change, Obj, Store, timestamp

_TRIM_EVERY = 5.0


class Kubelet:
    """Starts, describes and ends pods as the store says."""

    def __init__(
        self, store: Store, addresses: Addresses, events: Events, folder: Path, server: Callable[[Account], str]
    ) -> None:
        self._host = Host(store, addresses, events, folder, server)
        self._pods: dict[str, _Pod] = {}
        self._ending: set[asyncio.Task[None]] = set()
        store.listen(self._changed)

    def _changed(self, change: Change) -> None:
        if change.kind == "Pod":
            self._pod_changed(change)
        elif change.kind in ("ConfigMap", "Secret"):
            space = change.after["metadata"]["namespace"]
            for pod in self._pods.values():
                if pod.namespace == space:
                    pod.refresh()

    def _pod_changed(self, change: Change) -> None:
        obj, uid = change.after, change.after["metadata"]["uid"]
        known = self._pods.get(uid)
        if change.type == "DELETED":
            if known:
                self._begin_end(known, 0.0)
        elif known is None:
            if obj["spec"].get("nodeName") in NODES and "deletionTimestamp" not in obj["metadata"]:
                self._pods[uid] = _Pod(self._host, obj)
        elif "deletionTimestamp" in obj["metadata"]:
            self._begin_end(known, obj["metadata"].get("deletionGracePeriodSeconds", 0))
        elif change.before and change.before["spec"] != obj["spec"]:
            known.refresh()

    def _begin_end(self, pod: "_Pod", grace: float) -> None:
        if pod.ends_within is not None and grace >= pod.ends_within:
            return
        pod.ends_within = grace
        task = asyncio.ensure_future(self._end(pod, grace))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, pod: "_Pod", grace: float) -> None:
        await pod.end(grace)
        self._pods.pop(pod.uid, None)
        current = self._host.store.find("Pod", pod.namespace, pod.name)
        if current is not None and current["metadata"]["uid"] == pod.uid:
            if current["metadata"].get("finalizers"):
                done = current["metadata"] | {"deletionGracePeriodSeconds": 0}
                self._host.store.put("Pod", current | {"metadata": done})
            else:
                self._host.store.remove("Pod", current)

    async def trim_logs(self) -> None:
        """Keep the logs of all containers bounded, for ever."""
        while True:
            await asyncio.sleep(_TRIM_EVERY)
            for pod in list(self._pods.values()):
                for container in pod.containers:
                    if log := container.log():
                        log.trim()

    def log(self, uid: str, container: str, *, previous: bool = False) -> Log | None:
        pod = self._pods.get(uid)
        found = next((each for each in pod.containers if each.name == container), None) if pod else None
        return found.log(previous=previous) if found else None

    async def stop(self) -> None:
        """End all pods at once, without grace."""
        await asyncio.gather(*(pod.end(0.0) for pod in list(self._pods.values())), *self._ending, return_exceptions=True)


class _Pod:
    """One pod: its address, its containers, and its status as they change."""

    def __init__(self, host: Host, obj: Obj) -> None:
        meta = obj["metadata"]
        self.uid, self.namespace, self.name = meta["uid"], meta["namespace"], meta["name"]
        self.ends_within: float | None = None
        self.containers: list[Container] = []
        self._host = host
        self._obj = obj
        self._began = timestamp()
        node = NODES.index(obj["spec"]["nodeName"])
        self._node_address = host.addresses.node(node)
        self._address = host.addresses.pod(node)
        self._told = False
        self._life = asyncio.ensure_future(self._live())

    async def _live(self) -> None:
        names = [each["name"] for each in self._obj["spec"]["containers"]]
        self._obj = self._latest() | {"status": self._latest()["status"] | {"podIP": self._address}}
        self.containers = [Container(self._host, self._latest, name, self._changed) for name in names]
        self._tell()
        async with asyncio.TaskGroup() as group:
            for container in self.containers:
                group.create_task(container.live())

    def _latest(self) -> Obj:
        """The pod as it is stored; when it is gone already, as it was last."""
        found = self._host.store.find("Pod", self.namespace, self.name)
        if found is not None and found["metadata"]["uid"] == self.uid and found["status"].get("podIP"):
            self._obj = found
        return self._obj

    def refresh(self) -> None:
        for container in self.containers:
            container.refresh()

    async def end(self, grace: float) -> None:
        """SIGTERM to all containers, SIGKILL after the grace; then nothing of the pod is left."""
        self._life.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._life
        await asyncio.gather(*(container.end(grace) for container in self.containers))
        self._host.addresses.free_pod(self._address)
        for folder in ("pods", "logs"):
            shutil.rmtree(self._host.folder / folder / self.uid, ignore_errors=True)

    # -- status ------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Tell once for all that changes in this turn of the loop."""
        if not self._told:
            self._told = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._told = False
        current = self._host.store.find("Pod", self.namespace, self.name)
        if current is None or current["metadata"]["uid"] != self.uid:
            return
        statuses = [container.status() for container in self.containers]
        unready = [each["name"] for each in statuses if not each["ready"]]
        old = {each["type"]: each for each in current["status"].get("conditions") or ()}
        generation = current["metadata"]["generation"]
        trouble = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else None
        conditions = [
            _condition(old, "PodReadyToStartContainers", generation, None),
            _condition(old, "Initialized", generation, None),
            _condition(old, "Ready", generation, trouble),
            _condition(old, "ContainersReady", generation, trouble),
            _condition(old, "PodScheduled", generation, None),
        ]
        status = current["status"] | {
            "phase": self._phase(),
            "conditions": conditions,
            "containerStatuses": statuses,
            "hostIP": self._node_address,
            "hostIPs": [{"ip": self._node_address}],
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "startTime": self._began,
            "observedGeneration": generation,
        }
        self._host.store.put("Pod", current | {"status": status})

    def _phase(self) -> str:
        if self.containers and all(each.finished for each in self.containers):
            codes = [each.state["terminated"]["exitCode"] for each in self.containers]
            return "Failed" if any(codes) else "Succeeded"
        begun = all(each.process or each.restarts or each.last for each in self.containers)
        return "Running" if begun else "Pending"


def _condition(old: dict[str, Obj], kind: str, generation: int, trouble: tuple[str, str] | None) -> Obj:
    status = "False" if trouble else "True"
    before = old.get(kind, {})
    since = before["lastTransitionTime"] if before.get("status") == status else timestamp()
    words = {"reason": trouble[0], "message": trouble[1]} if trouble else {}
    times = {"lastProbeTime": None, "lastTransitionTime": since, "observedGeneration": generation}
    return {"type": kind, "status": status} | times | words
