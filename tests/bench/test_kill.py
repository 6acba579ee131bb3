"""Striking together: pods deleted by us with all safety on, beside Chaos Toolkit, kubectl, and 16 threads that only delete.

On the cluster that KUBECONFIG names. The pods are unschedulable, so that the API server alone is measured, and their owner does
not replace them. Everybody begins with as many pods of the same kind. The same work is compared, from the first request to the
last answer, ours with lease, ledgers, fencing and UIDs; and the whole commands, start-up and all, without the seconds that our
file asks for to look on before and after. `GAMEDAY_BENCH=short` for a quick look.
"""

import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from chaos.clients.kube import connect

pytestmark = [pytest.mark.bench, pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG")]

LOOKING_ON = 3.0  # seconds: baseline and recovery of our file
SHORT = os.environ.get("GAMEDAY_BENCH") == "short"
MANY, ROUNDS, FEW_ROUNDS = (200, 1, 3) if SHORT else (1000, 2, 5)
PEER = Path(os.environ.get("GAMEDAY_PEERS", "build/peers")).absolute() / "bin" / "chaos"
OURS = str(Path(sys.executable).with_name("gameday"))
BARE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from chaos.clients.kube import connect
kube = connect(Path(sys.argv[1]))
names = [pod["metadata"]["name"] for pod in kube.find("Pod", sys.argv[2])]
began = time.monotonic()
with ThreadPoolExecutor(16) as pool:
    list(pool.map(lambda name: kube.delete("Pod", name, sys.argv[2], grace=0), names))
print(time.monotonic() - began)
"""


@pytest.fixture(scope="module")
def kube():
    return connect(Path(os.environ["KUBECONFIG"]))


@pytest.fixture
def space(kube):
    """A namespace with an owner that replaces nothing."""
    name = f"bench-{uuid.uuid4().hex[:6]}"
    kube.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}})
    owner = kube.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "owner", "namespace": name}})
    yield name, owner["metadata"]["uid"]
    kube.delete("Namespace", name)


def make_pods(kube, space, count):
    """So many pods that no node takes."""
    name, uid = space
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
    container = {"name": "nothing", "image": "nothing.invalid/never-pulled"}
    spec = {"nodeSelector": {"gameday.dev/nowhere": "true"}, "containers": [container]}

    def make(number):
        meta = {"name": f"pod-{number}", "namespace": name, "labels": {"app": "many"}, "ownerReferences": [reference]}
        kube.create({"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": spec})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(make, range(count)))


class Watch:
    """Sees from outside when pods are gone: `kubectl get -w` of a process of its own."""

    def __init__(self, space):
        command = ["kubectl", "get", "pods", "-n", space, "--watch-only", "--output-watch-events"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.gone = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("DELETED"):
                self.gone.put(time.monotonic())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def take(self, count):
        """When each of so many was gone."""
        return sorted(self.gone.get(timeout=60) for _ in range(count))


@pytest.fixture
def commands(kube, space, tmp_path):
    """Who deletes all pods, by name; each a whole command."""
    name = space[0]
    fault = {"kind": "pod-kill", "selector": {"app": "many"}, "percent": "100%", "duration": "100ms"}
    story = {
        "format": "experiment/v1",
        "id": "kill-all",
        "title": "All pods go",
        "hypothesis": "They go together.",
        "namespace": name,
        "baseline": "1500ms",
        "recovery": "1500ms",
        "probes": [{"id": "none", "kind": "pods-ready", "selector": {"app": "many"}, "at_least": 0}],
        "fault": fault,
        "caps": {"workload_share": {"value": "100%", "because": "b"}, "last_replica": {"because": "b"}},
    }
    (tmp_path / "kill-all.yaml").write_text(yaml.safe_dump(story))
    kill = {"label_selector": "app=many", "all": True, "ns": name, "grace_period": 0}
    provider = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods", "arguments": kill}
    method = [{"type": "action", "name": "kill", "provider": provider}]
    theirs = {"title": "t", "description": "d", "method": method, "rollbacks": []}
    (tmp_path / "kill-all.json").write_text(json.dumps(theirs))
    context = kube.environment.name
    return {
        "gameday run": [OURS, "run", "kill-all.yaml", "--on", context],
        "gameday plan": [OURS, "plan", "kill-all.yaml", "--on", context],
        "16 bare threads": [sys.executable, "-c", BARE, os.environ["KUBECONFIG"], name],
        "chaos run": [str(PEER), "--no-version-check", "run", "kill-all.json"],
        "kubectl delete": ["kubectl", "delete", "pods", "--all", "-n", name, "--wait=false", "--grace-period=0", "--force"],
    }


@pytest.fixture
def execute(commands, tmp_path, kube, space, monkeypatch):
    """Run one of the commands; seconds that it took."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GAMEDAY_TRUST", kube.environment.fingerprint)

    def run(who, *, leaves=0):
        began = time.monotonic()
        done = subprocess.run(commands[who], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        took = time.monotonic() - began
        left = len(kube.find("Pod", space[0]))
        assert left == leaves, f"{who}: {left} pods are left\n{done.stdout}{done.stderr}"
        return took, _deleting(who, done.stdout, tmp_path)

    return run


def _deleting(who, said, folder):
    """Seconds from the first request to the last answer, as far as it is told."""
    if who == "16 bare threads":
        return float(said)
    if who == "gameday run":
        events = [json.loads(line) for line in (folder / "reports" / "latest" / "journal.jsonl").read_text().splitlines()]
        return next(event["payload"]["took"] for event in events if event["payload"].get("edge") == "struck")
    if who == "chaos run":
        return float(json.loads((folder / "journal.json").read_text())["run"][0]["duration"])
    return 0.0


def say(title, values, note=""):
    print(f"  {title:24} {statistics.median(values):8.3f} s  {[round(value, 3) for value in values]} {note}")


def test_ten_of_ten_pods_go_together(kube, space, execute, capsys):
    """First to last, as a watch sees it, beside 16 threads that only delete: what is more is ours."""
    spread = {"gameday run": [], "16 bare threads": [], "kubectl delete": []}
    with capsys.disabled():
        print(f"\n10 of 10 pods, first to last gone; load {os.getloadavg()[0]:.1f}")
        for _ in range(FEW_ROUNDS):
            for who, seen in spread.items():
                make_pods(kube, space, 10)
                with Watch(space[0]) as watch:
                    time.sleep(1.0)  # the watch begins
                    execute(who)
                    times = watch.take(10)
                seen.append(times[-1] - times[0])
        for who, seen in spread.items():
            say(who, seen)
    ours, bare = (statistics.median(spread[who]) for who in ("gameday run", "16 bare threads"))
    assert ours - bare <= 0.030


@pytest.mark.skipif(not PEER.exists(), reason=f"{PEER} is not there: make bench installs it")
def test_a_thousand_pods_go_as_fast_as_the_server_lets_them(kube, space, execute, capsys):
    took = {"gameday run": [], "16 bare threads": [], "chaos run": []}
    deleting = {"gameday run": [], "16 bare threads": [], "chaos run": []}
    planned = []
    with capsys.disabled():
        print(f"\n{MANY} pods, whole commands; load {os.getloadavg()[0]:.1f}")
        for _ in range(ROUNDS):
            for who, seen in took.items():
                make_pods(kube, space, MANY)
                if who == "gameday run":
                    planned.append(execute("gameday plan", leaves=MANY)[0])
                whole, strike = execute(who)
                seen.append(whole - LOOKING_ON if who == "gameday run" else whole)
                deleting[who].append(strike)
        for who, seen in took.items():
            say(who, seen)
        for who, seen in deleting.items():
            say(f"deleting: {who}", seen, f"{MANY / statistics.median(seen):.0f} a second")
        say("gameday plan", planned, "goal 3 s")
    ours, bare, theirs = (statistics.median(deleting[who]) for who in deleting)
    assert ours <= 1.1 * bare
    assert ours <= 0.6 * theirs
    assert statistics.median(took["gameday run"]) <= 0.6 * statistics.median(took["chaos run"])
    assert statistics.median(planned) <= 3.0
