"""What happens is told in the order in which it happened, and a stop before its consequences."""

import pytest

from chaos.clock import RealClock
from chaos.engine.recorder import Recorder
from chaos.engine.stopping import StopFlag
from chaos.journal import Journal, read
from chaos.model.events import PhaseEdge


@pytest.fixture
def told(tmp_path):
    """A recorder, its stop flag, and the kinds of what it has told."""
    stop = StopFlag()
    with Journal(tmp_path / "journal.jsonl", RealClock()) as journal:
        yield Recorder(journal, stop), stop, lambda: [event.kind for event in read(tmp_path / "journal.jsonl")]


def test_a_stop_is_told_once_and_before_what_follows_from_it(told):
    recorder, stop, kinds = told
    recorder.tell(PhaseEdge(phase="fault", edge="start"))
    stop.request("signal", "SIGTERM")
    for edge in ("end", "start"):
        recorder.tell(PhaseEdge(phase="recovery", edge=edge))
    assert kinds() == ["phase", "stop", "phase", "phase"]
