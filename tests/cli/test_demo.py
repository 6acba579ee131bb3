import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.cli import demo
from chaos.engine.reaching import sandbox_folder
from chaos.sandbox import control


def runs(pid):
    """Whether a process runs; one that has ended and waits to be collected by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def result(outcome, *, saves=()):
    findings = [SimpleNamespace(kind="save", title=title) for title in saves]
    verdict = SimpleNamespace(outcome=outcome, reason="")
    return SimpleNamespace(verdict=verdict, folder=Path("reports") / outcome, findings=findings, items=[1])


def test_a_breach_and_a_fix_that_holds_is_what_it_is_there_to_show(capsys):
    demo._conclude(result("breached", saves=["Checkout waits for ever"]), result("held"))
    said = capsys.readouterr().out
    assert "Checkout waits for ever" in said
    assert str(Path("reports/breached/report.html").resolve()) in said


@pytest.mark.parametrize(
    "pair", [("held", "held"), ("breached", "breached"), ("inconclusive", "held"), ("breached", "inconclusive")]
)
def test_any_other_pair_is_no_demonstration(pair):
    with pytest.raises(demo.DemoFailed, match="expected a breach and then a fix that holds") as failed:
        demo._conclude(*map(result, pair))
    assert failed.value.exit_code == 3


@pytest.fixture
def _heard():
    """Ctrl-C reaches us, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize("before", ["/somewhere/else", None])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_its_sandbox_is_its_own_and_gone_afterwards_however_it_is_ended(monkeypatch, before, number):
    if before is None:
        monkeypatch.delenv("GAMEDAY_STATE", raising=False)
    else:
        monkeypatch.setenv("GAMEDAY_STATE", before)
    seen = []

    def interrupted():
        with demo._own_sandbox():
            seen.append((sandbox_folder(), control.status(sandbox_folder()).pid))
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ((folder, pid),) = seen
    assert str(folder) != before
    assert os.environ.get("GAMEDAY_STATE") == before
    assert not folder.exists()
    assert not runs(pid)
