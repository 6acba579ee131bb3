import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

import chaos.engine.run  # the last look for left-overs is taken where a run was possible
from chaos import errors
from chaos.cli import main
from chaos.cli.lazy import Entry
from chaos.errors import BadInput, Problem
from chaos.ledger import Entry as LedgerEntry
from chaos.ledger import Ledger, LedgerHeader, ledger_folder
from chaos.model.run import Environment

assert chaos.engine.run


@pytest.fixture
def ending(monkeypatch):
    """A command that ends in a given way."""

    def install(act):
        module = types.ModuleType("chaos_test_ending")
        module.command = click.Command("ending", callback=act)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(main.COMMANDS, "ending", Entry(module.__name__, "for this test"))

    return install


def raiser(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda: None, 0),
        (lambda: 1, 1),
        (lambda: 3, 3),
        (raiser(BadInput(Problem("f.yaml", 1, 2, "wrong"))), 2),
        (raiser(errors.Stopped("stopped")), 3),
        (raiser(errors.Leftovers("left", commands=("do this",))), 4),
        (raiser(errors.NotReady("no answer")), 5),
        (raiser(errors.Forbidden("may not")), 5),
        (raiser(errors.GamedayError("odd")), 70),
        (raiser(ValueError("a mistake of ours")), 70),
        (raiser(RecursionError()), 70),
        (raiser(MemoryError()), 70),
        (raiser(KeyboardInterrupt()), 3),
        (raiser(click.Abort()), 3),
        (raiser(click.UsageError("what?")), 2),
        (raiser(SystemError("odd")), 70),
    ],
)
def test_every_ending_has_its_exit_code(gameday, ending, act, code):
    ending(act)
    assert gameday("ending").code == code


def test_our_own_crash_is_kept_in_a_file_and_never_shown_as_a_traceback(gameday, ending, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    ending(raiser(ValueError("a mistake of ours")))
    answer = gameday("ending")
    assert "Traceback" not in answer.out + answer.err
    (log,) = (tmp_path / "crashes").iterdir()
    assert str(log) in answer.err
    assert "ValueError: a mistake of ours" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_crash_is_told_even_where_nothing_can_be_written(gameday, ending, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    ending(raiser(ValueError("a mistake of ours")))
    answer = gameday("ending")
    assert answer.code == 70
    assert "ValueError: a mistake of ours" in answer.err


@pytest.mark.parametrize("act", [raiser(ValueError("x")), raiser(errors.NotReady("x")), raiser(KeyboardInterrupt())])
def test_something_left_behind_outranks_every_other_ending(gameday, ending, act, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    header = LedgerHeader(run="run-7", scenario="s", environment=Environment(kind="sandbox", name="s"), started="now")
    ledger = Ledger(ledger_folder() / "run-7.ledger", header)
    ledger.intend(LedgerEntry(id="e", fault="pod-kill", step="s", undo="nothing", state={}))
    ledger.close(clean=False)
    ending(act)
    answer = gameday("ending")
    assert answer.code == 4
    assert "gameday recover --run run-7" in answer.err


def test_the_nearest_command_and_option_are_offered(gameday):
    assert "Did you mean 'validate'?" in gameday("valdate").err
    assert "'--json'" in gameday("validate", "--jsn").err
    assert "'faults'" in gameday("list", "fauls").err
    assert gameday("valdate").code == gameday("validate").code == 2


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_helps(gameday, name):
    answer = gameday(name, "--help")
    assert answer.code == 0
    assert len(answer.out.splitlines()) > 5


def imported_by(*arguments: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "chaos", *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}


HEAVY = {
    "kubernetes",
    "docker",
    "httpx",
    "locust",
    "gevent",
    "jinja2",
    "requests",
    "toxiproxy",
    "rich",
    "asyncio",
    "cryptography",
}


def test_help_imports_next_to_nothing():
    assert not imported_by("--help") & (HEAVY | {"pydantic", "yaml"})


def test_validate_imports_no_client():
    sample = Path(chaos.__file__).parents[1] / "scenarios" / "payments-dark-on-the-busiest-day.yaml"
    assert not imported_by("validate", str(sample)) & HEAVY


def test_list_of_faults_imports_no_client():
    assert not imported_by("list", "faults") & HEAVY


def test_a_reader_that_goes_away_changes_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(
        [sys.executable, "-m", "chaos", "list", "faults"], stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(writing)
    assert (told.returncode, told.stderr) == (0, b"")


def test_closed_outputs_change_nothing():
    command = f"exec {sys.executable} -m chaos list faults >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], timeout=30, check=False).returncode == 0


def test_help_tells_the_exit_codes(gameday):
    said = " ".join(gameday("--help").out.split())
    assert "0 held, 1 breached, 2 bad input, 3 inconclusive or stopped, 4 something is not put back" in said
