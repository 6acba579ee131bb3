"""The printed role is enough and not more, on a real cluster: a run under it is refused nothing and uses all of it.

Under less a run does not begin; what a killed run left is put back under the same role.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from chaos.clients.kinds import KINDS
from chaos.clients.kube import connect
from chaos.clock import RealClock, wait_until
from chaos.ledger import ledger_folder, read
from chaos.render.rbac import ONLY_IN_TROUBLE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

FAULTS = {
    "scale": {"kind": "scale-to-zero", "deployment": "web", "to": 1, "duration": "2s"},
    "kill": {"kind": "pod-kill", "selector": {"app": "web"}, "count": 1, "duration": "1s"},
    "evict": {"kind": "eviction", "selector": {"app": "web"}, "count": 1, "duration": "1s"},
    "latency": {"kind": "latency", "service": "web", "latency": "300ms", "duration": "4s"},
}


@pytest.fixture(scope="module")
def admin():
    return connect(Path(os.environ["KUBECONFIG"]))


@pytest.fixture(scope="module")
def app(admin):
    """Two web servers behind a Service, in a namespace of their own; gives its name."""
    name = f"role-{uuid.uuid4().hex[:6]}"
    admin.create(
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": {"gameday.dev/opt-in": "true"}}}
    )
    container = {
        "name": "web",
        "image": "python:3.13-slim",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "http.server", "8080"],
        "ports": [{"containerPort": 8080, "name": "web"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
    }
    pods = {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pods}
    meta = {"name": "web", "namespace": name}
    admin.create({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": spec})
    ports = [{"name": "http", "port": 8080, "targetPort": "web"}]
    admin.create(
        {"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": {"selector": {"app": "web"}, "ports": ports}}
    )

    def ready():
        return admin.get("Deployment", "web", name).get("status", {}).get("readyReplicas", 0) == 2

    assert wait_until(ready, clock=RealClock(), within=60.0)
    yield name
    admin.delete("Namespace", name)


@pytest.fixture
def story(app, tmp_path, request):
    """A file: one fault on the web servers."""
    path = tmp_path / "story.yaml"
    value = {
        "format": "experiment/v1",
        "id": f"role-{request.param}",
        "title": "Under the least role",
        "hypothesis": "It runs.",
        "namespace": app,
        "baseline": "2s",
        "recovery": "15s",
        "probes": [{"id": "one-ready", "kind": "pods-ready", "selector": {"app": "web"}, "at_least": 1}],
        "fault": FAULTS[request.param],
    }
    path.write_text(yaml.safe_dump(value))
    return path


@pytest.fixture
def door(admin, before):
    """Stands before the real cluster, and notes what it forbids."""
    config = admin._configuration
    return before(config.host, ssl.create_default_context(cafile=config.ssl_ca_cert))


@pytest.fixture
def unused(door, right_for):
    """The rights of printed objects (verb, resource, where) that no request through the door has used.

    What the roles say to be for trouble alone does not count.
    """

    def unused(objects):
        asked = [right for method, path in door.seen if (right := right_for(method, path))]
        used = {(each.verb, _below(each.resource, each.subresource), each.namespace) for each in asked}
        return sorted({right for obj in objects for right in _granted(obj)} - used)

    return unused


def _granted(obj):
    meta = obj["metadata"]
    rarely = [each.partition(" (")[0] for each in meta.get("annotations", {}).get(ONLY_IN_TROUBLE, "").split("; ")]
    for rule in obj.get("rules", []):
        for verb in rule["verbs"]:
            yield from ((verb, each, meta.get("namespace", "")) for each in rule["resources"] if f"{verb} {each}" not in rarely)


def _below(resource, subresource):
    return f"{resource}/{subresource}" if subresource else resource


@pytest.fixture
def under(gameday, admin, app, door, story, tmp_path, monkeypatch):  # noqa: PLR0917
    """A kubeconfig with a token of a service account that has just the printed role, less one verb on one resource."""
    made = []

    def grant(less=("", "")):
        code, text = gameday(
            "rbac", story, "--on", admin.environment.name, "--kubeconfig", os.environ["KUBECONFIG"], "--account", story.stem
        )
        assert code == 0, text
        for obj in yaml.safe_load_all(text):
            for rule in obj.get("rules", []):
                if less[0] in rule["verbs"] and less[1] in rule["resources"]:
                    rule["verbs"].remove(less[0])
            if "rules" in obj:
                obj["rules"] = [rule for rule in obj["rules"] if rule["verbs"]]
            admin.create(obj)
            made.append(obj)
        path = KINDS["ServiceAccount"].path(app, story.stem, "token")
        request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600}}
        token = admin._json("POST", path, body=request)["status"]["token"]
        config = {
            "kind": "Config",
            "apiVersion": "v1",
            "current-context": "least",
            "clusters": [{"name": "c", "cluster": {"server": door.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "least", "context": {"cluster": "c", "user": "u"}}],
        }
        kubeconfig = tmp_path / "least"
        kubeconfig.write_text(json.dumps(config))
        code, fingerprint = gameday("trust", "--on", "least", "--kubeconfig", kubeconfig, "--fingerprint")
        assert code == 0, fingerprint
        monkeypatch.setenv("GAMEDAY_TRUST", fingerprint.strip())
        return ("--on", "least", "--kubeconfig", kubeconfig)

    grant.made = made
    yield grant
    for obj in made:
        admin.delete(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


@pytest.mark.parametrize("story", FAULTS, indirect=True)
def test_a_run_under_the_printed_role_is_refused_nothing_and_uses_all_of_it(gameday, door, story, under, unused):
    place = under()
    code, said = gameday("run", story, *place)
    assert code == 0, said
    assert door.refused == []
    assert unused(under.made) == []


@pytest.mark.parametrize("story", ["scale"], indirect=True)
def test_what_a_killed_run_left_is_put_back_under_the_printed_role(  # noqa: PLR0917
    gameday, door, story, under, app, admin, tmp_path
):
    place = under()
    _kill_when_struck([sys.executable, "-m", "chaos", "run", story, *place, "--reports", tmp_path / "reports"])
    assert admin.get("Deployment", "web", app)["spec"]["replicas"] == 1
    code, said = gameday("recover")
    assert (code, "clean" in said) == (0, True), said
    assert admin.get("Deployment", "web", app)["spec"]["replicas"] == 2
    assert door.refused == []


def _kill_when_struck(command):
    """The runner, and its watchdog with it."""
    with subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as runner:

        def struck():
            found = [read(path) for path in ledger_folder().glob("*.ledger")]
            return any(entry.edge == "applied" and entry.fault != "guard" for each in found if each for entry in each.entries)

        try:
            assert wait_until(lambda: struck() or runner.poll() is not None, clock=RealClock(), within=90.0)
            for pid in _watchdogs(runner.pid):
                os.kill(pid, signal.SIGKILL)
        finally:
            runner.kill()
            said = runner.stdout.read()
    assert runner.returncode == -signal.SIGKILL, said


def _watchdogs(runner):
    """Children of a runner that would put back what it leaves."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line, stat = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        if b"chaos.engine.watchdog" in line and int(stat.rpartition(")")[2].split()[1]) == runner:
            yield int(folder.name)


@pytest.mark.parametrize("story", ["scale"], indirect=True)
def test_without_the_right_to_undo_nothing_is_struck(gameday, door, story, under):
    place = under(less=("patch", "deployments"))
    code, said = gameday("run", story, *place)
    assert code == 5
    assert "patch deployments" in said
    assert "(undo)" in said
    assert door.changes == []
