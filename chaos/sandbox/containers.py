"""One container: started, probed, restarted as the policy says, and described as a status describes it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.sandbox import images, probing
from chaos.sandbox.accounts import Account
from chaos.sandbox.addresses import Addresses
from chaos.sandbox.events import Events
from chaos.sandbox.podspec import Files, NotYet, environment
from chaos.sandbox.processes import Log, Process
from chaos.sandbox.store import Obj, Store, timestamp

_BY = "kubelet"
_BACK_OFF, _BACK_OFF_MOST, _FORGIVEN = 10.0, 300.0, 600.0  # seconds, as a kubelet has them
_ASK_AGAIN = 0.5  # seconds until something that is missing is looked for again
_PULL_BACK_OFF = 0.3
_AFTER_TROUBLE = 1.0


@dataclass(frozen=True)
class Host:
    """What containers share: the cluster's state, and where their files go."""

    store: Store
    addresses: Addresses
    events: Events
    folder: Path
    server: Callable[[Account], str]  # where an account finds the API


class Container:
    """The life of one container of one pod; `changed` is called after every change of its state."""

    def __init__(self, host: Host, pod: Callable[[], Obj], name: str, changed: Callable[[], None]) -> None:
        self.name = name
        self.ready = self.started = self.finished = False
        self.restarts = 0
        self.state: Obj = {"waiting": {"reason": "ContainerCreating"}}
        self.last: Obj = {}
        self.process: Process | None = None
        self._host = host
        self._pod = pod
        self._changed = changed
        self._grace_after_probe: float | None = None
        meta = pod()["metadata"]
        self.folder = host.folder / "pods" / meta["uid"] / name
        self._log_folder = host.folder / "logs" / meta["uid"]
        self._image = ""
        self._resources: Obj = {}  # as they are now; the spec says what they are to be

    @property
    def spec(self) -> Obj:
        return next(each for each in self._pod()["spec"]["containers"] if each["name"] == self.name)

    def log(self, *, previous: bool = False) -> Log | None:
        """The log of this run, or of the one before."""
        number = self.restarts - 1 if previous else self.restarts
        path = self._log_folder / f"{self.name}.{number}.log"
        return Log(path) if path.exists() else None

    async def live(self) -> None:
        """Until its restart policy lets it rest. Cancelled when the pod ends."""
        delay = 0.0
        while True:
            began = time.monotonic()
            code = await self._run_once()
            policy = self._pod()["spec"]["restartPolicy"]
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                self.finished = True
                self._changed()
                return
            if time.monotonic() - began > _FORGIVEN:
                delay = 0.0
            if delay:
                message = f"back-off {delay:.0f}s restarting failed container={self.name} pod={self._pod()['metadata']['name']}"
                self._wait("CrashLoopBackOff", message)
                self._host.events.warning(self._pod(), "BackOff", message, by=_BY)
                await asyncio.sleep(delay)
            delay = min(delay * 2 or _BACK_OFF, _BACK_OFF_MOST)
            self.restarts += 1

    async def _run_once(self) -> int:
        self.process = process = await self._start()
        since = timestamp()
        self.state = {"running": {"startedAt": since}}
        spec = self.spec
        self.started = not spec.get("startupProbe")
        self.ready = self.started and not spec.get("readinessProbe")
        self._changed()
        probes = asyncio.ensure_future(self._probe(spec, process))
        try:
            code = await process.ended()
        finally:
            probes.cancel()
        self.ready = self.started = False
        reason = "Completed" if code == 0 else "Error"
        ended = {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": timestamp()}
        self.state = self.last = {"terminated": ended}
        self.process = None
        self._changed()
        return code

    async def _start(self) -> Process:
        """The process, once everything that it needs is there."""
        tried = 0
        while True:
            try:
                env = self._prepare()
                return self._spawn(env)
            except NotYet as missing:
                if missing.reason == "ContainerCreating":
                    self._host.events.warning(self._pod(), "FailedMount", str(missing), by=_BY)
                self._wait(missing.reason, str(missing))
                await asyncio.sleep(_ASK_AGAIN)
            except OSError as error:
                self._wait("RunContainerError", str(error))
                await asyncio.sleep(_AFTER_TROUBLE)
            except images.UnknownImage as unknown:
                await self._no_image(str(unknown), tried)
                tried += 1

    def _prepare(self) -> dict[str, str]:
        """Its environment, once its image is known and its files are written; NotYet tells what is in the way."""
        try:
            return self._prepared()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotYet("CreateContainerConfigError", f"this container makes no sense here: {error!r}") from error

    def _prepared(self) -> dict[str, str]:
        pod, spec = self._pod(), self.spec
        env = environment(self._host.store, self._host.addresses, pod, spec)
        images.argv(spec["image"], env, pod["status"]["podIP"])
        Files(self._host.store, pod, spec, self.folder).write()
        if images.program(env) in images.API_PROGRAMS:
            account = (pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default"))
            env["GAMEDAY_API"] = self._host.server(account)
        return env

    def _spawn(self, env: dict[str, str]) -> Process:
        pod, spec = self._pod(), self.spec
        self._image, self._resources = spec["image"], spec["resources"]
        self._log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = Log(self._log_folder / f"{self.name}.{self.restarts}.log")
        process = Process(images.argv(spec["image"], env, pod["status"]["podIP"]), env, self.folder, log)
        self._host.events.normal(pod, "Started", f"Started container {self.name}", by=_BY)
        return process

    async def _no_image(self, why: str, tried: int) -> None:
        image = self.spec["image"]
        if not tried:
            self._host.events.normal(self._pod(), "Pulling", f'Pulling image "{image}"', by=_BY)
            self._host.events.warning(self._pod(), "Failed", f'Failed to pull image "{image}": {why}', by=_BY)
            self._wait("ErrImagePull", why)
            await asyncio.sleep(_PULL_BACK_OFF)
        message = f'Back-off pulling image "{image}"'
        self._host.events.warning(self._pod(), "Failed", "Error: ImagePullBackOff", by=_BY)
        self._wait("ImagePullBackOff", f"{message}: {why}")
        while self.spec["image"] == image:  # the table is closed: only another image helps
            await asyncio.sleep(_ASK_AGAIN)

    def _wait(self, reason: str, message: str = "") -> None:
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self._changed()

    # -- probes ------------------------------------------------------------------------------------------------------

    async def _probe(self, spec: Obj, process: Process) -> None:
        """Startup first; then readiness and liveness side by side."""
        if startup := spec.get("startupProbe"):
            watching = asyncio.ensure_future(self._watch(startup, self._told_started(process), eager=True))
            try:
                while not self.started:
                    await asyncio.sleep(0.05)
            finally:
                watching.cancel()
            self.ready = not spec.get("readinessProbe")
            self._changed()
        async with asyncio.TaskGroup() as group:
            if readiness := spec.get("readinessProbe"):
                group.create_task(self._watch(readiness, self._told_ready, eager=True))
            if liveness := spec.get("livenessProbe"):
                group.create_task(self._watch(liveness, self._told_alive(process, "Liveness"), eager=False))

    async def _watch(self, probe: Obj, told: Callable[[bool, str], None], *, eager: bool) -> None:
        await probing.watch(probe, self._pod(), self.spec, told, eager=eager)

    def _told_ready(self, good: bool, why: str) -> None:
        if self.ready and not good:
            self._host.events.warning(self._pod(), "Unhealthy", f"Readiness probe failed: {why}", by=_BY)
        if self.ready != good:
            self.ready = good
            self._changed()

    def _told_started(self, process: Process) -> Callable[[bool, str], None]:
        failed = self._told_alive(process, "Startup")

        def told(good: bool, why: str) -> None:
            if good:
                self.started = True
            else:
                failed(good, why)

        return told

    def _told_alive(self, process: Process, word: str) -> Callable[[bool, str], None]:
        def told(good: bool, why: str) -> None:
            if not good:
                self._host.events.warning(self._pod(), "Unhealthy", f"{word} probe failed: {why}", by=_BY)
                message = f"Container {self.name} failed {word.lower()} probe, will be restarted"
                self._host.events.normal(self._pod(), "Killing", message, by=_BY)
                self._killing = asyncio.ensure_future(process.end(self._pod()["spec"]["terminationGracePeriodSeconds"]))

        return told

    # -- what others ask of it -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Mounted ConfigMaps and Secrets follow their source, resources their pod; a changed image restarts the container."""
        if self.process is None:
            return
        with suppress(NotYet):  # a source that is gone leaves the files as they are
            Files(self._host.store, self._pod(), self.spec, self.folder).write()
        if self.spec["resources"] != self._resources:
            self._resources = self.spec["resources"]
            self._changed()
        if self.spec["image"] != self._image:
            self._killing = asyncio.ensure_future(self.process.end(self._pod()["spec"]["terminationGracePeriodSeconds"]))

    async def end(self, grace: float) -> None:
        if self.process is not None:
            await self.process.end(grace)

    def status(self) -> Obj:
        image = self.spec["image"]
        status: dict[str, Any] = {
            "name": self.name,
            "image": image,
            "imageID": f"sandbox/{images.repository(image)}" if self.process else "",
            "lastState": self.last if self.restarts or "terminated" not in self.state else {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": self.started,
            "state": self.state,
        }
        if self.process:
            status["containerID"] = f"process://{self.process.pid}"
            status["resources"] = self._resources
            status["allocatedResources"] = self._resources.get("requests", {})
        return status
