import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos.cli import main

HARMLESS = [name for name in main.COMMANDS if name not in ("demo", "sandbox", "run", "recover")]
WORDS = st.one_of(
    st.sampled_from(
        [
            "--json",
            "--help",
            "-h",
            "-o",
            "--reports",
            "list",
            "prune",
            "--keep",
            "1",
            "--dry-run",
            "faults",
            "scenarios",
            "bash",
        ]
    ),
    st.sampled_from(
        [
            "--format",
            "html",
            "--on",
            "none",
            "--url",
            "http://127.0.0.1:1",
            "--from",
            "flash-sale",
            "--",
            "a.yaml",
            ".",
            "..",
            "",
        ]
    ),
    st.text(max_size=12),
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    (tmp_path / "a.yaml").write_text("format: service/v1\nid: a\n")
    return tmp_path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(HARMLESS), words=st.lists(WORDS, max_size=5))
def test_no_arguments_make_it_crash(here, capsys, command, words):
    os.chdir(here)
    code = main.run([command, *words])
    said = capsys.readouterr()
    assert code in (0, 2, 5), (code, said)
    assert "Traceback" not in said.out + said.err


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_no_file_makes_it_crash(here, capsys, content):
    (here / "fuzz.yaml").write_bytes(content)
    code = main.run(["validate", "fuzz.yaml"])
    said = capsys.readouterr()
    assert code == 2
    assert "fuzz.yaml" in said.err
