"""The journal is complete, in order, and readable although its writer was killed."""

import json
import resource

import pytest

from chaos.clock import VirtualClock
from chaos.errors import GamedayError
from chaos.journal import Journal, JournalFull, payload_of, read
from chaos.model.events import PhaseEdge, Sample


def test_events_come_back_in_order_with_their_times(tmp_path):
    clock = VirtualClock()
    with Journal(tmp_path / "j.jsonl", clock) as journal:
        journal.add(PhaseEdge(phase="arm", edge="start"))
        clock.at += 2.5
        journal.add(Sample(probe="p", ok=True, value=3.0), source="probe", actor="facilitator")
    first, second = read(tmp_path / "j.jsonl")
    assert (first.seq, second.seq) == (1, 2)
    assert second.mono - first.mono == 2.5
    assert (second.source, second.actor, second.kind) == ("probe", "facilitator", "sample")
    assert payload_of(second, Sample).value == 3.0


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, VirtualClock()) as journal:
        journal.add(PhaseEdge(phase="arm", edge="start"))
        journal.add(PhaseEdge(phase="arm", edge="end"))
    path.write_bytes(path.read_bytes()[:-20])
    assert len(list(read(path))) == 1


def test_a_kind_from_a_later_version_is_kept(tmp_path):
    path = tmp_path / "j.jsonl"
    envelope = {"seq": 1, "mono": 1.0, "wall": "w", "source": "s", "kind": "moon-phase", "payload": {"x": 1}, "colour": "red"}
    path.write_text(json.dumps(envelope) + "\n")
    (event,) = read(path)
    assert event.payload == {"x": 1}
    assert event.model_extra == {"colour": "red"}


def test_a_line_that_is_no_event_is_an_error(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_text("hello\n")
    with pytest.raises(GamedayError, match="not a journal line"):
        list(read(path))


def test_listeners_hear_every_event(tmp_path):
    heard = []
    with Journal(tmp_path / "j.jsonl", VirtualClock()) as journal:
        journal.listen(heard.append)
        journal.add(PhaseEdge(phase="arm", edge="start"))
    assert [event.kind for event in heard] == ["phase"]


def test_an_event_for_whose_last_bytes_there_is_no_room_is_told(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path / "j.jsonl", VirtualClock()) as journal:
        journal.add(PhaseEdge(phase="arm", edge="start"))
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "j.jsonl").stat().st_size + 20, before[1]))
        try:
            with pytest.raises(JournalFull):
                journal.add(PhaseEdge(phase="arm", edge="end"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(list(read(tmp_path / "j.jsonl"))) == 1
