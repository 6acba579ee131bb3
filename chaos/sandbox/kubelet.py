"""Pods as local processes: started, probed, restarted, ended; none outlives the supervisor."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.sandbox.addresses import Addresses
from chaos.sandbox.images import program_of
from chaos.sandbox.podspec import Unready, environment, mount
from chaos.sandbox.problems import ApiProblem
from chaos.sandbox.store import Store, now

Obj = dict[str, Any]
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_BACK_OFF = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)  # seconds before restart n; shorter than on a cluster


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class _Running:
    """One pod that this kubelet looks after."""

    uid: str
    key: tuple[str, str]
    task: asyncio.Task[None]
    process: asyncio.subprocess.Process | None = None
    ending: bool = False
    started: float = field(default_factory=time.monotonic)


class Kubelet:
    """Looks after every pod in the store."""

    def __init__(self, store: Store, addresses: Addresses, folder: Path) -> None:
        self._store = store
        self._addresses = addresses
        self._folder = folder
        self._pods: dict[str, _Running] = {}

    def reconcile(self) -> None:
        """Start what is new, end what is being deleted or is gone."""
        present = set()
        for pod in list(self._store.all("Pod")):
            uid = pod["metadata"]["uid"]
            present.add(uid)
            if uid not in self._pods and not pod["metadata"].get("deletionTimestamp"):
                self._begin(pod)
            elif pod["metadata"].get("deletionTimestamp"):
                self._end(pod)
        for uid in set(self._pods) - present:
            self._kill(self._pods.pop(uid))

    def log_path(self, uid: str) -> Path:
        return self._folder / "logs" / f"{uid}.log"

    async def stop(self) -> None:
        for running in self._pods.values():
            self._kill(running)
        for running in self._pods.values():
            if running.process:
                await running.process.wait()

    # -- one pod's life ----------------------------------------------------------------------------------------------

    def _begin(self, pod: Obj) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        status: Obj = {"phase": "Pending", "podIP": self._addresses.pod(), "hostIP": "127.0.0.1", "startTime": now()}
        status["podIPs"] = [{"ip": status["podIP"]}]
        self._store.set_status(pod, status)
        task = asyncio.get_running_loop().create_task(self._live(meta["uid"], key))
        self._pods[meta["uid"]] = _Running(meta["uid"], key, task)

    def _end(self, pod: Obj) -> None:
        running = self._pods.get(pod["metadata"]["uid"])
        if running is None:
            self._forget(pod["metadata"]["uid"], (pod["metadata"]["namespace"], pod["metadata"]["name"]))
        elif not running.ending:
            running.ending = True
            running.task.cancel()
            grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            asyncio.get_running_loop().create_task(self._terminate(running, grace))

    async def _terminate(self, running: _Running, grace: float) -> None:
        if running.process and running.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                running.process.terminate()
            try:
                await asyncio.wait_for(running.process.wait(), grace)
            except TimeoutError:
                self._kill(running)
                await running.process.wait()
        self._pods.pop(running.uid, None)
        self._forget(running.uid, running.key)

    def _forget(self, uid: str, key: tuple[str, str]) -> None:
        with contextlib.suppress(ApiProblem):
            self._store.remove("Pod", *key, uid=uid)
        shutil.rmtree(self._folder / "pods" / uid, ignore_errors=True)

    def _kill(self, running: _Running) -> None:
        running.task.cancel()
        if running.process and running.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                running.process.kill()
        shutil.rmtree(self._folder / "pods" / running.uid, ignore_errors=True)

    async def _live(self, uid: str, key: tuple[str, str]) -> None:
        """Start the container; restart it as the policy says, until the pod is deleted."""
        restarts = 0
        while True:
            pod = self._store.peek("Pod", *key)
            if pod is None or pod["metadata"]["uid"] != uid:
                return
            process = await self._start_container(pod, restarts)
            if process is None:
                await asyncio.sleep(1.0)
                continue
            self._pods[uid].process = process
            code = await self._attend(pod, process, restarts)
            policy = pod["spec"].get("restartPolicy", "Always")
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                self._finished(pod, code, restarts)
                return
            restarts += 1
            self._report(pod, ready=False, restarts=restarts, waiting="CrashLoopBackOff", exit_code=code)
            await asyncio.sleep(_BACK_OFF[min(restarts - 1, len(_BACK_OFF) - 1)])

    async def _start_container(self, pod: Obj, restarts: int) -> asyncio.subprocess.Process | None:
        container = pod["spec"]["containers"][0]
        try:
            env = environment(self._store, pod, container)
            program = program_of(container["image"], env, pod["status"]["podIP"])
            if program is None:
                self._report(pod, ready=False, restarts=restarts, waiting="ImagePullBackOff")
                return None
            root = self._folder / "pods" / pod["metadata"]["uid"]
            mount(self._store, pod, container, root)
        except Unready as error:
            self._report(pod, ready=False, restarts=restarts, waiting="CreateContainerConfigError", message=str(error))
            return None
        base = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": _PACKAGE_ROOT, "LANG": "C.UTF-8", "POD_ROOT": str(root)}
        log = self.log_path(pod["metadata"]["uid"])
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *program, env=base | env, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
            )
        self._report(pod, ready=not container.get("readinessProbe"), restarts=restarts, running=True)
        return process

    async def _attend(self, pod: Obj, process: asyncio.subprocess.Process, restarts: int) -> int:
        """Probe the container until it ends, or until it must be ended."""
        container = pod["spec"]["containers"][0]
        probes = []
        if readiness := container.get("readinessProbe"):
            probes.append(
                self._probe(pod, readiness, lambda good: self._report(pod, ready=good, restarts=restarts, running=True))
            )
        if liveness := container.get("livenessProbe"):
            probes.append(self._probe(pod, liveness, lambda good: None if good else self._end_container(process)))
        tasks = [asyncio.get_running_loop().create_task(probe) for probe in probes]
        try:
            return await process.wait()
        finally:
            for task in tasks:
                task.cancel()

    @staticmethod
    def _end_container(process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _probe(self, pod: Obj, probe: Obj, tell: Callable[[bool], None]) -> None:
        """Ask at the probe's pace; tell when the threshold of successes or failures is reached."""
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        good = bad = 0
        while True:
            healthy = await self._ask(pod, probe)
            good, bad = (good + 1, 0) if healthy else (0, bad + 1)
            if good >= probe.get("successThreshold", 1):
                tell(True)
            elif bad >= probe.get("failureThreshold", 3):
                tell(False)
            await asyncio.sleep(probe.get("periodSeconds", 10) if good else min(1.0, probe.get("periodSeconds", 10)))

    async def _ask(self, pod: Obj, probe: Obj) -> bool:
        action = probe.get("httpGet") or probe.get("tcpSocket")
        if action is None:
            return True
        try:
            return await asyncio.wait_for(_answers(pod, action, "httpGet" in probe), probe.get("timeoutSeconds", 1))
        except (OSError, TimeoutError):
            return False

    # -- status ------------------------------------------------------------------------------------------------------

    def _finished(self, pod: Obj, code: int, restarts: int) -> None:
        self._report(pod, ready=False, restarts=restarts, exit_code=code)
        self._store.set_status(pod, {"phase": "Succeeded" if code == 0 else "Failed"})

    def _report(  # noqa: PLR0913 - keyword-only: what is to be said of one container
        self,
        pod: Obj,
        *,
        ready: bool,
        restarts: int,
        running: bool = False,
        waiting: str = "",
        message: str = "",
        exit_code: int | None = None,
    ) -> None:
        current = self._store.peek("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        old = {each["type"]: each for each in current.get("status", {}).get("conditions", [])}
        since = now()

        def condition(kind: str, value: bool) -> Obj:
            status = "True" if value else "False"
            same = old.get(kind, {}).get("status") == status
            return {"type": kind, "status": status, "lastTransitionTime": old[kind]["lastTransitionTime"] if same else since}

        state: Obj = {"terminated": {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error"}}
        if running:
            started = (
                (current["status"].get("containerStatuses") or [{}])[0].get("state", {}).get("running", {}).get("startedAt")
            )
            state = {"running": {"startedAt": started or since}}
        elif waiting:
            state = {"waiting": {"reason": waiting, **({"message": message} if message else {})}}
        container = pod["spec"]["containers"][0]
        entry = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "started": running,
            "restartCount": restarts,
            "state": state,
        }
        if exit_code is not None:
            entry["lastState"] = {"terminated": {"exitCode": exit_code}}
        kinds = [("PodScheduled", True), ("Initialized", True), ("ContainersReady", ready), ("Ready", ready)]
        self._store.set_status(
            current,
            {
                "phase": "Running" if running or restarts else current["status"].get("phase", "Pending"),
                "conditions": [condition(kind, value) for kind, value in kinds],
                "containerStatuses": [entry],
            },
        )


def _any_certificate() -> ssl.SSLContext:
    """As a kubelet does: a probe asks whether the pod answers, not who it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _answers(pod: Obj, action: Obj, http: bool) -> bool:
    ports = {port.get("name"): port["containerPort"] for port in pod["spec"]["containers"][0].get("ports") or []}
    port = action["port"] if isinstance(action["port"], int) else ports[action["port"]]
    reader, writer = await asyncio.open_connection(
        pod["status"]["podIP"], port, ssl=_any_certificate() if action.get("scheme") == "HTTPS" else None
    )
    try:
        if not http:
            return True
        writer.write(f"GET {action.get('path', '/')} HTTP/1.0\r\nHost: kubelet\r\nConnection: close\r\n\r\n".encode())
        status = await reader.readline()
        return status.split()[1:2] != [] and 200 <= int(status.split()[1]) < 400
    finally:
        writer.close()
