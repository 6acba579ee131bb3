"""What must be undone is on the disk before the change, and nothing unreadable is ever acted upon."""

import pytest

from chaos.ledger import Entry, Ledger, LedgerBroken, LedgerHeader, all_open, ledger_folder, read
from chaos.model.run import Environment

HEADER = LedgerHeader(run="r1", scenario="s", environment=Environment(kind="sandbox", name="sandbox"), started="now")


def entry(name="kill", edge="intent"):
    return Entry(id=name, edge=edge, fault="pod-kill", step=name, undo="nothing", state={"namespace": "shop", "n": 1})


@pytest.fixture
def path(tmp_path):
    return ledger_folder(tmp_path) / "r1.ledger"


def test_an_intent_is_readable_before_anything_else_happens(path):
    ledger = Ledger(path, HEADER)
    ledger.intend(entry())
    contents = read(path)
    assert [each.id for each in contents.open] == ["kill"]
    assert contents.open[0].state == {"namespace": "shop", "n": 1}
    ledger.close(clean=False)


def test_open_entries_come_newest_first_and_verified_ones_are_closed(path):
    ledger = Ledger(path, HEADER)
    for name in ("a", "b", "c"):
        ledger.intend(entry(name))
    ledger.mark(entry("b"), "verified")
    ledger.mark(entry("c"), "undone")
    assert [(each.id, each.edge) for each in read(path).open] == [("c", "undone"), ("a", "intent")]
    ledger.close(clean=False)


def test_a_ledger_is_torn_at_every_byte_without_inventing_an_entry(path):
    ledger = Ledger(path, HEADER)
    ledger.intend(entry("a"))
    ledger.intend(entry("b"))
    ledger.close(clean=False)
    whole = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        contents = read(path)
        complete = sum(end <= cut for end in ends)
        assert (contents is None) == (complete == 0)
        if contents:
            assert not contents.corrupt
            assert len(contents.entries) == complete - 1


def test_a_flipped_bit_makes_the_ledger_corrupt(path):
    ledger = Ledger(path, HEADER)
    ledger.intend(entry("a"))
    ledger.intend(entry("b"))
    ledger.close(clean=False)
    whole = bytearray(path.read_bytes())
    middle = whole.index(b'"a"')
    whole[middle + 1] ^= 1
    path.write_bytes(bytes(whole))
    assert read(path).corrupt
    assert all_open(path.parents[1])[0].corrupt


def test_a_runner_at_work_is_told_from_one_that_is_gone(path):
    ledger = Ledger(path, HEADER)
    ledger.intend(entry())
    assert read(path).running
    ledger.close(clean=False)
    assert not read(path).running


def test_a_clean_ledger_leaves_nothing(path, tmp_path):
    ledger = Ledger(path, HEADER)
    ledger.close(clean=True)
    assert not path.exists()
    assert all_open(tmp_path) == []


def test_without_a_durable_intent_there_is_no_injection(path):
    path.touch()  # somebody else's file of that name: a ledger is never appended to by a second run
    with pytest.raises(LedgerBroken, match="nothing was injected"):
        Ledger(path, HEADER)


def test_the_ledger_is_private(path):
    ledger = Ledger(path, HEADER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    ledger.close(clean=True)
