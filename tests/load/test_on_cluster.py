"""Load made by workers on the cluster is the load made on this machine: the same verdicts, and as many customers."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from chaos.catalogue import shipped
from chaos.cli import kind_shop
from chaos.cli.deploying import deploy, wait_ready
from chaos.clients.kube import connect
from chaos.shop.deploy import manifests

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
SCENARIO = "payments-slow-not-dead"


@pytest.fixture(scope="module")
def cluster():
    return connect(Path(os.environ["KUBECONFIG"]))


@pytest.fixture(scope="module")
def shop(cluster):
    """The fixed shop in a namespace of its own; gives its name."""
    image = kind_shop.bring_images(os.environ["GAMEDAY_TEST_KIND"], cluster, lambda _: None)
    name = f"load-{uuid.uuid4().hex[:6]}"
    deploy(cluster, manifests(namespace=name, image=image, node_port=30080))
    wait_ready(cluster, name, within=120.0)
    yield name
    cluster.delete("Namespace", name)


def run(shop, folder, *, workers, cluster):
    """The scenario, with load from there: its exit code, verdict and journal."""
    folder.mkdir()
    shutil.copytree(shipped() / "scenarios", folder / "scenarios")
    path = folder / "scenarios" / f"{SCENARIO}.yaml"
    text = path.read_text().replace("namespace: shop", f"namespace: {shop}")
    if workers:
        text = text.replace("  rate: 20/s\n", f"  rate: 20/s\n  workers: {workers}\n")
    path.write_text(text)
    command = [sys.executable, "-m", "chaos", "run", str(path), "--on", cluster.environment.name, "--seed", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    latest = folder / "reports" / "latest"
    said = done.stdout + done.stderr
    assert (latest / "verdict.json").exists(), said
    events = [json.loads(line) for line in (latest / "journal.jsonl").read_text().splitlines()]
    return done.returncode, json.loads((latest / "verdict.json").read_text()), events, said


def attempted(events):
    """Customers' requests by name."""
    total = {}
    for event in events:
        if event["kind"] == "load":
            for name, cell in event["payload"].get("names", {}).items():
                total[name] = total.get(name, 0) + cell.get("attempted", 0)
    return total


def test_workers_on_the_cluster_make_the_same_load_and_verdict(shop, cluster, tmp_path):
    here = run(shop, tmp_path / "here", workers=0, cluster=cluster)
    there = run(shop, tmp_path / "there", workers=2, cluster=cluster)
    assert here[0] == there[0] == 0, here[3] + there[3]
    outcomes = [{row["tolerance"]: row["outcome"] for row in each[1]["rows"]} for each in (here, there)]
    assert outcomes[0] == outcomes[1]
    counts = [sum(attempted(each[2]).values()) for each in (here, there)]
    assert counts[0] > 500
    assert counts[1] == pytest.approx(counts[0], rel=0.1), counts
    told = {event["payload"].get("worker") for event in there[2] if event["kind"] == "load"}
    assert told == {"worker-0", "worker-1"}
    left = [
        f"{kind}/{obj['metadata']['name']}"
        for kind in ("Job", "ConfigMap", "Pod")
        for obj in cluster.find(kind, shop, labels="app.kubernetes.io/managed-by=gameday")
        if "deletionTimestamp" not in obj["metadata"]
    ]
    assert left == []
