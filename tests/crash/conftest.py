"""The harness is a package beside the tests; a sandbox for it, whose runs keep their state apart from ours."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.ground import Ground

from chaos.sandbox import control


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
