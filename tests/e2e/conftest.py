"""A shop on a sandbox of its own, and runners that may be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.clock import RealClock, wait_until
from chaos.sandbox import control
from chaos.shop.deploy import manifests

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The state folder of one person."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def shop(state):
    """The fixed shop, ready, on the sandbox of that person; gives the cluster."""
    sandbox = control.up(state / "sandbox", die_with_parent=True)
    cluster = connect(sandbox.kubeconfig)
    for obj in manifests():
        cluster.create(obj)

    def ready():
        deployments = cluster.find("Deployment", "shop")
        return all(each.get("status", {}).get("readyReplicas", 0) == each["spec"]["replicas"] for each in deployments)

    assert wait_until(ready, clock=RealClock(), within=30.0)
    yield cluster
    control.down(state / "sandbox")


@pytest.fixture
def gameday(state, tmp_path):
    """Start `gameday ARGS` as a process of its own, in a folder of its own."""
    started = []

    def start(*args, cwd=tmp_path, own_state=state):
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos", *map(str, args)],
            cwd=cwd,
            env=os.environ | {"GAMEDAY_STATE": str(own_state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
