"""The harness is a package beside the tests; a sandbox for it, whose runs keep their state apart from ours."""

import compileall
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.ground import ROOT, Ground

from chaos.sandbox import control

FILES = int(os.environ.get("GAMEDAY_FUZZ", "20000"))
FUZZER = Path(__file__).parent / "harness" / "fuzz.py"


@pytest.fixture(scope="session", autouse=True)
def compiled():
    """The product is compiled once, and not by each of hundreds of runners."""
    compileall.compile_dir(ROOT / "chaos", quiet=1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The API server of a sandbox that dies with the tests; its URL."""
    folder = tmp_path_factory.mktemp("crash-sandbox")
    yield control.up(folder, die_with_parent=True).server
    control.down(folder)


@pytest.fixture(scope="module")
def ground(server, request):
    """A namespace with a small app, for one test module."""
    name = "ground-" + request.module.__name__.rpartition(".")[2].replace("_", "-")
    there = Ground(server, name)
    yield there
    there.away()


@pytest.fixture(scope="session", autouse=True)
def fuzzers(request, tmp_path_factory):
    """Two processes that read wild files, where such tests were asked for; out of the others' way."""
    if not any("test_wild_files" in item.nodeid for item in request.session.items):
        yield []
        return
    started = []
    for seed in (1, 2):
        command = ["nice", sys.executable, str(FUZZER), str(tmp_path_factory.mktemp("wild")), str(FILES // 2), str(seed)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
