"""Starting, finding and ending a sandbox; nothing outlives it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.errors import NotReady
from chaos.sandbox import control


def processes_about(text):
    """Live processes that have `text` in their command line or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text.encode() in said and state != "Z" and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "own"
    control.down(tmp_path / "own")


@pytest.fixture
def with_pods(folder, make, until):
    """A sandbox of the test's own with two ready pods."""
    sandbox = control.up(folder, die_with_parent=True)
    cluster = connect(sandbox.kubeconfig)
    cluster.create(make.deployment("default", replicas=2))
    until(lambda: cluster.get("Deployment", "web", "default").get("status", {}).get("readyReplicas") == 2)
    assert len(processes_about(str(folder))) == 3
    return sandbox


def test_one_folder_has_one_sandbox(folder):
    assert control.status(folder) is None
    assert control.down(folder) is False
    first = control.up(folder)
    assert control.up(folder) == first == control.status(folder)
    assert control.down(folder) is True
    assert control.status(folder) is None
    assert not first.kubeconfig.exists()


def test_two_sandboxes_have_networks_of_their_own(folder, sandbox):
    assert control.up(folder, die_with_parent=True).network != sandbox.network


def test_down_leaves_no_process(with_pods, folder):
    control.down(folder)
    assert processes_about(str(folder)) == []


def test_killed_it_takes_its_pods_with_it_and_can_start_again(with_pods, folder, until):
    os.kill(with_pods.pid, signal.SIGKILL)
    until(lambda: not processes_about(str(folder)))
    assert control.status(folder) is None, "what it left behind is no sandbox"
    again = control.up(folder, die_with_parent=True)
    assert again.pid != with_pods.pid
    assert connect(again.kubeconfig).find("Pod", "default") == []


def test_a_pid_that_is_somebody_elses_is_not_touched(folder, until):
    sandbox = control.up(folder)
    os.kill(sandbox.pid, signal.SIGKILL)
    until(lambda: not processes_about(str(folder)))
    about = folder / "sandbox.json"
    about.write_text(about.read_text().replace(str(sandbox.pid), str(os.getpid())))
    assert control.status(folder) is None
    assert control.down(folder) is False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_can_die_with_who_started_it(folder, until, number):
    program = f"import pathlib, sys; from chaos.sandbox import control; control.up(pathlib.Path({str(folder)!r}), die_with_parent=True); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout.readline() == b"up\n"
        assert control.status(folder)
        starter.send_signal(number)
        starter.wait()
        until(lambda: not processes_about(str(folder)))


def test_why_it_did_not_start_is_told(folder):
    folder.mkdir()
    (folder / "pods").write_text("in the way")
    (folder / "pods").chmod(0o400)
    os.mkdir(folder / "lock")
    with pytest.raises(NotReady, match="did not start"):
        control.up(folder)
    os.rmdir(folder / "lock")
