from collections.abc import Callable
from dataclasses import dataclass

import pytest

from chaos.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def gameday(capsys) -> Callable[..., Answer]:
    """The command, in this process, as `main` runs it."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main.run([str(each) for each in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
