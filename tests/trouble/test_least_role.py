"""The printed role is enough, on a real cluster: a run under it is refused nothing, and under less it does not begin."""

import json
import os
import ssl
import uuid
from pathlib import Path

import pytest
import yaml

from chaos.clients.kinds import KINDS
from chaos.clients.kube import connect
from chaos.clock import RealClock, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

FAULTS = {
    "scale": {"kind": "scale-to-zero", "deployment": "web", "to": 1, "duration": "2s"},
    "kill": {"kind": "pod-kill", "selector": {"app": "web"}, "count": 1, "duration": "1s"},
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

    yield grant
    for obj in made:
        admin.delete(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


@pytest.mark.parametrize("story", FAULTS, indirect=True)
def test_a_run_under_the_printed_role_is_refused_nothing(gameday, door, story, under):
    place = under()
    code, said = gameday("run", story, *place)
    assert code == 0, said
    assert door.refused == []


@pytest.mark.parametrize("story", ["scale"], indirect=True)
def test_without_the_right_to_undo_nothing_is_struck(gameday, door, story, under):
    place = under(less=("patch", "deployments"))
    code, said = gameday("run", story, *place)
    assert code == 5
    assert "patch deployments" in said
    assert "(undo)" in said
    assert door.changes == []
