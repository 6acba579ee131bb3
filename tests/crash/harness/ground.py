"""Where runs are let loose: a small app in a namespace of its own on a sandbox, and runners as processes of their own."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from harness.oracle import Oracle, differences, processes_with
from harness.wire import Request, Rule, Wire

ROOT = Path(os.environ.get("GAMEDAY_UNDER_TEST") or Path(__file__).parents[3])
"""The product that is put to the test; a copy of it with one layer broken must make the tests fail."""

FAULTS = {
    "pod-kill": "{kind: pod-kill, selector: {app: web}, count: 1, duration: 800ms, back_within: 20s}",
    "latency": "{kind: latency, service: web, latency: 200ms, duration: 800ms}",
    "vendor-outage": "{kind: vendor-outage, service: web, mode: refuse, duration: 800ms}",
    "config-map": "{kind: config-map, config_map: settings, mode: corrupt, keys: [color], duration: 800ms}",
    "network-partition": "{kind: network-partition, to: {app: web}, duration: 5s}",
    "scale-to-zero": "{kind: scale-to-zero, deployment: web, to: 1, duration: 800ms}",
}
EXPERIMENT = """\
format: experiment/v1
id: crash
title: A fault whose runner is killed
hypothesis: Nothing is left behind.
namespace: {namespace}
baseline: 1500ms
recovery: 100ms
fault: {fault}
probes:
  - {{id: ready, kind: pods-ready, selector: {{app: web}}, at_least: 0}}
{more}"""


def until(holds: Callable[[], Any], within: float, every: float = 0.02) -> Any:
    """What `holds` gives as soon as it gives something, or its last answer."""
    deadline = time.monotonic() + within
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(every)
    return found


def send(server: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    where = urlsplit(server)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, where.path + path, json.dumps(body).encode() if body else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


@dataclass(frozen=True)
class Patience:
    """Seconds that are waited at most until something is as it should be."""

    run: float = 60.0
    watchdog: float = 15.0
    guard: float = 60.0
    at_last: float = 5.0
    every: float = 0.05  # between two looks


@dataclass
class Ground:
    """One namespace with an app: two pods behind a Service, and a ConfigMap."""

    server: str
    namespace: str
    faults: ClassVar[dict[str, str]] = FAULTS
    patience: ClassVar[Patience] = Patience()
    oracle: Oracle = field(init=False)
    calm: dict[str, Any] = field(init=False)  # how it looks with nothing going on
    restored_at: float = 0.0  # when, last time, all that was there before was as before (pods take their own time)

    def __post_init__(self) -> None:
        space = {"metadata": {"name": self.namespace, "labels": {"gameday.dev/opt-in": "true"}}}
        send(self.server, "POST", "/api/v1/namespaces", {"kind": "Namespace", "apiVersion": "v1"} | space)
        for path, obj in self.app():
            status, answer = send(self.server, "POST", path, obj)
            assert status == 201, answer
        self.oracle = self.watched_by()
        assert until(self.ready, 60.0, 0.1), "the app did not become ready"
        self.calm = self.oracle.snapshot()

    def app(self) -> list[tuple[str, Any]]:
        return _app(self.namespace)

    def watched_by(self) -> Oracle:
        return Oracle(self.server, self.namespace)

    def runner(self, folder: Path) -> "Runner":
        """One that has not started yet; all that it keeps is in the folder."""
        return Runner(self, Wire(self.server), folder)

    def ready(self) -> bool:
        return self.oracle.snapshot().get(f'pods/{self.namespace}/{{"app": "web"}} ready') == 2

    def left(self, within: float, *, but: Sequence[str] = ()) -> list[str]:
        """What is not as it was, when that long has been waited for it; new objects with these words do not count."""
        found: list[str] = []
        self.restored_at = 0.0

        def clean() -> bool:
            nonlocal found
            seen = differences(self.calm, self.oracle.snapshot())
            found = [each for each in seen if not (each.endswith(": new") and any(word in each for word in but))]
            if not self.restored_at and all(each.startswith("pods/") or each.endswith(": new") for each in found):
                self.restored_at = time.monotonic()
            return not found

        until(clean, within, self.patience.every)
        return found

    def away(self) -> None:
        self.oracle.close()
        send(self.server, "DELETE", f"/api/v1/namespaces/{self.namespace}")


def _app(namespace: str) -> list[tuple[str, Any]]:
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": "gameday-echo",
        "ports": [{"containerPort": 8080, "name": "web"}],
        "readinessProbe": probe,
        "env": [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}],
    }
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        },
    }
    service = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 8080, "targetPort": "web"}]}
    core = f"/api/v1/namespaces/{namespace}"
    return [
        (f"{core}/configmaps", {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}}),
        (
            f"/apis/apps/v1/namespaces/{namespace}/deployments",
            {"kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
        ),
        (f"{core}/services", {"kind": "Service", "metadata": {"name": "web"}, "spec": service}),
    ]


@dataclass
class Runner:
    """`gameday run` as a process of its own, whose every request passes a wire; with a state folder of its own."""

    ground: Ground
    wire: Wire
    folder: Path
    state_at: Path | None = None  # elsewhere than in its folder; then it is not made
    path: Sequence[Path] = ()  # before everything else on Python's path: an observer's
    mute: bool = False  # what it says is not kept
    more: dict[str, str] = field(default_factory=dict)  # of its environment
    token: str = ""  # in its kubeconfig
    process: subprocess.Popen[bytes] = field(init=False)
    killed_at: float = 0.0
    on: ClassVar[str] = "sandbox"
    kept: ClassVar[tuple[str, ...]] = ()  # files of its state that may stay

    @property
    def wires(self) -> Sequence[Wire]:
        """All that it can reach anything through."""
        return (self.wire,)

    def met_by(self, rule: Rule) -> None:
        for each in self.wires:
            each.rule = rule

    def mutations(self, since: float) -> list[Request]:
        return [request for each in self.wires for request in each.mutations(since)]

    @property
    def state(self) -> Path:
        return self.state_at or self.folder / "state"

    @property
    def reports(self) -> Path:
        return self.folder / "work" / "reports"

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, (*self.path, ROOT)))
        own = {"GAMEDAY_STATE": str(self.state), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return os.environ | own | self.more

    def start(self, fault: str, *options: str, more: str = "") -> "Runner":
        self.reports.mkdir(parents=True)
        if not self.state_at:
            (self.state / "ledgers").mkdir(parents=True, mode=0o700)
        (self.folder / "work" / "e.yaml").write_text(EXPERIMENT.format(namespace=self.ground.namespace, fault=fault, more=more))
        config = self.wire.kubeconfig(self.folder / "kubeconfig", token=self.token)
        self.allow(config)
        self.process = self.gameday("run", "e.yaml", "--on", self.on, "--kubeconfig", str(config), *options)
        return self

    def allow(self, kubeconfig: Path) -> None:
        """What must be said before this cluster may be struck: of the sandbox, nothing."""

    def gameday(self, *arguments: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
        with open(os.devnull if self.mute else self.folder / f"{arguments[0]}.log", "ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "chaos", *arguments],
                cwd=cwd or self.folder / "work",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self, command: str = "run") -> str:
        return "(not kept)" if self.mute else (self.folder / f"{command}.log").read_text(errors="replace")

    @property
    def ledger(self) -> Path | None:
        return next(iter((self.state / "ledgers").glob("*.ledger")), None)

    def children(self, word: str) -> list[int]:
        """The runner's own children whose command line holds `word`; quick, for it comes just before a kill."""
        with contextlib.suppress(OSError):
            tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
            pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
            return [pid for pid in pids if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return []

    def kill(self, *, watchdog: bool) -> None:
        """SIGKILL, now; the watchdog first where it is to die too, for it would act on the runner's end."""
        if self.killed_at:
            return
        for pid in self.children("watchdog") if watchdog else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.killed_at = time.monotonic()
        self.process.kill()

    def has_ended(self, within: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(within)
        return self.process.returncode is not None

    def survivors(self) -> dict[int, str]:
        return processes_with(f"GAMEDAY_STATE={self.state}")

    def end(self) -> None:
        """End all that is still alive of it: only what we started, by its own state folder."""
        for pid in self.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        for each in self.wires:
            each.close()
