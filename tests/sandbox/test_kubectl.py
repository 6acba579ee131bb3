"""The real kubectl on the sandbox's kubeconfig, as a person uses it."""

import json
import shutil
import subprocess

import pytest

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@pytest.fixture
def kubectl(kubeconfig, namespace, tmp_path):
    """Run kubectl in the test's namespace; gives what it printed."""

    def run(*args, given=None, fails=False):
        command = [KUBECTL, f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path}", "-n", namespace, *args]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def applied(kubectl, namespace, make):
    """The echo workload, applied and rolled out."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [make.deployment(namespace, replicas=2), make.service(namespace)]}
    assert kubectl("apply", "-f", "-", given=json.dumps(listed)).splitlines() == [
        "deployment.apps/web created",
        "service/web created",
    ]
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=20s")


def test_get_shows_what_a_cluster_shows(applied, kubectl):
    header, *rows = kubectl("get", "pods", "-o", "wide").splitlines()
    assert header.split() == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED",
        "NODE",
        "READINESS",
        "GATES",
    ]
    assert [row.split()[1:4] for row in rows] == [["1/1", "Running", "0"]] * 2
    assert kubectl("get", "deploy").splitlines()[1].split()[:4] == ["web", "2/2", "2", "2"]
    assert kubectl("get", "pods", "-l", "app in (web),nothing!=x", "-o", "name").count("pod/web-") == 2
    shown = kubectl("get", "all")
    assert all(word in shown for word in ("pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"))
    assert "kind: Deployment" in kubectl("get", "deploy", "web", "-o", "yaml")
    assert kubectl("get", "nodes").splitlines()[1].split()[1:3] == ["Ready", "control-plane"]
    assert "web-" in kubectl("get", "events")


def test_describe(applied, kubectl):
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in kubectl("describe", "deploy", "web")
    told = kubectl("describe", kubectl("get", "pods", "-o", "name").split()[0])
    assert "Controlled By:  ReplicaSet/web-" in told
    assert "Successfully assigned" in told
    assert ":8080" in next(line for line in kubectl("describe", "svc", "web").splitlines() if line.startswith("Endpoints"))
    assert "zone-a" in kubectl("describe", "node", "sandbox-worker")


def test_changes(applied, kubectl, namespace, make):
    assert "unchanged" in kubectl("apply", "-f", "-", given=json.dumps(make.service(namespace)))
    assert "configured" in kubectl("apply", "-f", "-", given=json.dumps(make.deployment(namespace, replicas=1)))
    kubectl("scale", "deploy", "web", "--replicas=3")
    kubectl("scale", "deploy", "web", "--current-replicas=9", "--replicas=0", fails=True)
    kubectl("label", "deploy", "web", "tier=front")
    kubectl("annotate", "svc", "web", "note=this")
    kubectl("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":2}]')
    kubectl("set", "env", "deploy/web", "COLOUR=blue")
    kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    wanted = "jsonpath={.spec.replicas} {.metadata.labels.tier} {.spec.template.spec.containers[0].env[1].value}"
    assert kubectl("get", "deploy", "web", "-o", wanted) == "2 front blue"
    kubectl("rollout", "undo", "deploy/web")
    assert "REVISION" in kubectl("rollout", "history", "deploy/web")
    assert "serverside-applied" in kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(make.service(namespace))
    )


def test_deletion_waits_until_it_is_gone(applied, kubectl):
    pod = kubectl("get", "pods", "-o", "name").split()[0]
    assert "deleted" in kubectl("delete", pod, "--grace-period=1")
    kubectl("get", pod, fails=True)
    assert "deleted" in kubectl("delete", "deploy,svc", "--all")
    kubectl("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=10s")
    assert kubectl("get", "pods") == ""


def test_logs_and_watch(applied, kubectl):
    assert "GET /healthz" in kubectl("logs", "deploy/web")
    watched = kubectl("get", "pods", "-w", "--request-timeout=1s", fails=False)
    assert watched.splitlines()[0].split()[:3] == ["NAME", "READY", "STATUS"]


def test_mistakes_read_as_on_a_cluster(kubectl, namespace, make):
    assert 'Error from server (NotFound): deployments.apps "nosuch" not found' in kubectl("get", "deploy", "nosuch", fails=True)
    assert "the server doesn't have a resource type" in kubectl("get", "nosuch", fails=True)
    wrong = make.deployment(namespace)
    wrong["spec"]["selector"] = {"matchLabels": {"a": "b"}}
    assert "`selector` does not match template `labels`" in kubectl("apply", "-f", "-", given=json.dumps(wrong), fails=True)
