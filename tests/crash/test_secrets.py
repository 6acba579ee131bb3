"""No secret is found in anything that a run writes or shows: not while it runs, not after it, not when it was killed."""

import base64
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from harness.ground import Runner, send, until
from harness.traps import progress
from harness.wire import Wire

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]
FAULT = "{kind: secret, secret: token, mode: corrupt, keys: [token], service: web, duration: 60s}"
CANARIES = {name: f"canary-{name}-4c1d9e" for name in ("in-cluster", "in-kubeconfig", "in-environment", "in-proxy", "in-url")}


@pytest.fixture(scope="module")
def holding(ground, tmp_path_factory):
    """A run in mid-fault, with a secret in every channel that could carry one."""
    data = {name: base64.b64encode(CANARIES["in-cluster"].encode()).decode() for name in ("token", "other")}
    path = f"/api/v1/namespaces/{ground.namespace}/secrets"
    assert send(ground.server, "POST", path, {"kind": "Secret", "metadata": {"name": "token"}, "data": data})[0] == 201
    folder = tmp_path_factory.mktemp("secrets")
    runner = Runner(ground, Wire(ground.server), folder)
    runner.more = {
        "API_PASSWORD": CANARIES["in-environment"],
        "https_proxy": f"http://user:{CANARIES['in-proxy']}@127.0.0.1:9",
    }
    runner.token = CANARIES["in-kubeconfig"]
    runner.start(FAULT, "--url", f"http://user:{CANARIES['in-url']}@127.0.0.1:9/")
    assert until(lambda: progress(runner, "secret").applied or runner.process.poll() is not None, 40.0)
    assert runner.process.poll() is None, runner.said()
    yield runner
    runner.end()


def _written(folder):
    """All files of a run but the kubeconfig, which is the user's own."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "kubeconfig"]


def _spellings(text):
    return {text, quote(text), base64.b64encode(text.encode()).decode().rstrip("=")}


def _find(where, content):
    return [f"{name} in {where}" for name, text in CANARIES.items() if any(each in content for each in _spellings(text))]


def _hits(runner):
    hits = []
    for path in _written(runner.folder):
        hits += _find(path, path.read_text(errors="replace"))
    for pid in runner.survivors():  # but for the option that holds it, which the user has typed
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        hits += _find(
            f"command line of {pid}",
            " ".join(each for each in arguments if CANARIES["in-url"] not in each or pid != runner.process.pid),
        )
    for kind in ("configmaps", "events", "pods", "services"):
        answer = send(runner.ground.server, "GET", f"/api/v1/namespaces/{runner.ground.namespace}/{kind}")[1]
        hits += _find(kind, str(answer))
    for group in ("batch/v1", "apps/v1", "coordination.k8s.io/v1"):
        kind = {"batch/v1": "jobs", "apps/v1": "deployments"}.get(group, "leases")
        hits += _find(
            kind, str(send(runner.ground.server, "GET", f"/apis/{group}/namespaces/{runner.ground.namespace}/{kind}")[1])
        )
    return hits


def test_while_it_holds(holding):
    assert _hits(holding) == []
    secrets = send(holding.ground.server, "GET", f"/api/v1/namespaces/{holding.ground.namespace}/secrets")[1]["items"]
    kept = [each for each in secrets if "gameday.dev/undo" in (each["metadata"].get("labels") or {})]
    assert kept, "the prior bytes are in an undo Secret of the same namespace"


def test_what_only_its_owner_may_read(holding):
    own = [path for path in holding.state.rglob("*") if path != holding.state]
    open_to_others = [str(path) for path in own if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    assert open_to_others == []
    (journal,) = holding.reports.rglob("journal.jsonl")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_when_it_was_killed_and_recovered(holding):
    holding.kill(watchdog=True)
    holding.process.wait(10)
    assert _hits(holding) == []
    assert holding.gameday("recover").wait(60) == 0, holding.said("recover")
    assert _hits(holding) == []
    back = send(holding.ground.server, "GET", f"/api/v1/namespaces/{holding.ground.namespace}/secrets/token")[1]
    assert base64.b64decode(back["data"]["token"]).decode() == CANARIES["in-cluster"]


def test_when_the_cluster_refuses_and_when_a_file_is_wrong(ground, tmp_path):
    """Errors quote what they were given: not this."""
    runner = Runner(ground, Wire(ground.server, lambda exchange: exchange.say(401, "Unauthorized")), tmp_path)
    runner.more = {"API_PASSWORD": CANARIES["in-environment"]}
    runner.token = CANARIES["in-kubeconfig"]
    runner.start(FAULT, "--url", f"http://user:{CANARIES['in-url']}@127.0.0.1:9/")
    assert runner.process.wait(30) == 5, runner.said()
    assert _hits(runner) == []
    runner.end()
