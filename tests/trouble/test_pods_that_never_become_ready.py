"""A pod that never becomes ready is told by its name, its container and the kubelet's words, and soon; nothing is left."""

import re
import time

import pytest
import yaml

from chaos.clock import RealClock, wait_until

pytestmark = pytest.mark.timeout(120)
OURS = ("Deployment", "Pod", "Service", "ConfigMap", "Secret", "Job", "Lease", "Role", "RoleBinding", "ServiceAccount")


@pytest.fixture
def run(gameday, experiment, through_the_door, tmp_path):
    """Run the experiment with another fault: exit code, what was said, and how long it took."""

    def run(*options, **fault):
        value = yaml.safe_load(experiment.read_text())
        value["fault"] = fault
        experiment.write_text(yaml.safe_dump(value))
        began = time.monotonic()
        code, said = gameday("run", experiment, "--kubeconfig", through_the_door, "--reports", tmp_path / "reports", *options)
        return code, " ".join(said.split()), time.monotonic() - began

    return run


@pytest.fixture
def alone(cluster, namespace):
    """Two ready pods `solo` of a ReplicaSet without anything above it; says what image the next ones have."""
    template = {"metadata": {"labels": {"app": "solo"}}, "spec": {"containers": [{"name": "web", "image": "gameday-echo"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "solo"}}, "template": template}
    meta = {"name": "solo", "namespace": namespace}
    cluster.create({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": meta, "spec": spec})

    def ready():
        return cluster.get("ReplicaSet", "solo", namespace).get("status", {}).get("readyReplicas", 0) == 2

    assert wait_until(ready, clock=RealClock(), within=20.0)

    def from_now_on(image):
        containers = [{"name": "web", "image": image}]
        cluster.patch(
            "ReplicaSet", "solo", namespace, {"spec": {"template": {"spec": {"containers": containers}}}}, how="strategic"
        )

    return from_now_on


def left(cluster, namespace):
    return [
        f"{kind}/{obj['metadata']['name']}"
        for kind in OURS
        for obj in cluster.find(kind, namespace, labels="app.kubernetes.io/managed-by=gameday")
        if "deletionTimestamp" not in obj["metadata"]
    ]


def test_a_pod_that_is_killed_and_not_replaced_is_named_with_what_its_kubelet_says(gameday, run, alone, cluster, namespace):
    alone("nowhere.invalid/web:0")
    selector = {"app": "solo"}
    code, said, took = run(kind="pod-kill", selector=selector, count=1, duration="200ms", back_within="2s")
    (stuck,) = [
        pod["metadata"]["name"]
        for pod in cluster.find("Pod", namespace, labels=selector)
        if pod["spec"]["containers"][0]["image"] == "nowhere.invalid/web:0"
    ]
    assert code == 4, said
    assert re.search(rf"1 of 2 pods are ready again; pod/{stuck}: container web: (ErrImagePull|ImagePullBackOff)", said)
    assert "nowhere.invalid/web:0" in said
    assert "gameday recover" in said
    assert took < 30
    alone("gameday-echo")
    cluster.delete("Pod", stuck, namespace, grace=0)
    assert wait_until(lambda: gameday("recover")[0] == 0, clock=RealClock(), within=20.0)
    assert left(cluster, namespace) == []


@pytest.mark.parametrize(
    ("image", "options", "fault", "container"),
    [
        ("PYTHON", (), {"kind": "scale-to-zero", "deployment": "web", "to": 1}, "guard"),
        ("PYTHON", ("--no-guard",), {"kind": "network-partition", "to": {"app": "web"}}, "witness"),
        ("TOXIPROXY", (), {"kind": "latency", "service": "web", "latency": "100ms"}, "toxiproxy"),
    ],
)
def test_a_helper_of_ours_that_has_no_image_is_named_and_nothing_is_struck(  # noqa: PLR0917
    run, web, cluster, door, monkeypatch, image, options, fault, container
):
    ports = [{"name": "http", "port": 8080, "targetPort": 8080}]
    meta = {"name": "web", "namespace": web}
    cluster.create(
        {"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": {"selector": {"app": "web"}, "ports": ports}}
    )
    monkeypatch.setenv(f"GAMEDAY_{image}_IMAGE", "nowhere.invalid/ours:0")
    code, said, took = run(*options, duration="5s", **fault)
    assert code == 3, said
    assert re.search(rf"pod/gameday-\S+: container {container}: (ErrImagePull|ImagePullBackOff)", said)
    assert "nowhere.invalid/ours:0" in said
    assert "STRUCK" not in said
    assert took < 30
    assert left(cluster, web) == []
    assert cluster.get("Service", "web", web)["spec"]["selector"] == {"app": "web"}
    assert cluster.get("Deployment", "web", web)["spec"]["replicas"] == 2
