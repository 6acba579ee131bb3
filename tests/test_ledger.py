"""What must be undone is on the disk before the change, and nothing unreadable is ever acted upon."""

import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor

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
        complete = sum(end - 1 <= cut for end in ends)  # a line that lacks nothing but its newline is whole
        assert (contents is None) == (complete == 0)
        if contents:
            assert not contents.corrupt
            assert len(contents.entries) == complete - 1


def test_a_flipped_bit_anywhere_makes_the_ledger_corrupt_and_never_hides_it(path):
    ledger = Ledger(path, HEADER)
    ledger.intend(entry("a"))
    ledger.close(clean=False)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            rotten = bytearray(whole)
            rotten[place] ^= 1 << bit
            path.write_bytes(rotten)
            contents = read(path)
            assert contents, (place, bit)
            assert contents.corrupt, (place, bit)
    assert all_open(path.parents[1])[0].corrupt


@pytest.mark.parametrize("content", [b"\0" * 4096, b"{}\n", b"0123456789abcdef {}\n", b"not a ledger"])
def test_what_is_no_ledger_is_corrupt_and_may_be_of_any_cluster(path, content):
    path.write_bytes(content)
    contents = read(path)
    assert contents.corrupt
    assert contents.header.run == "r1"
    assert contents.header.environment.fingerprint == ""


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


@pytest.fixture
def small_files():
    """Files may not grow beyond what is asked for, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 40, 90])
def test_an_intent_for_whose_last_bytes_there_is_no_room_is_none(path, small_files, room):
    """The disk takes what it has room for, and calls that no error."""
    ledger = Ledger(path, HEADER)
    ledger.intend(entry("a"))
    size = path.stat().st_size
    small_files(size + room)
    with pytest.raises(LedgerBroken):
        ledger.intend(entry("b"))
    small_files(10 * size)
    with pytest.raises(LedgerBroken):  # a line behind the torn one would make all of them unreadable
        ledger.mark(entry("a"), "undone")
    contents = read(path)
    assert not contents.corrupt
    assert [(each.id, each.edge) for each in contents.open] == [("a", "intent")]
    ledger.close(clean=False)


def test_no_call_returns_before_its_line_is_synced_and_many_share_a_sync(path, monkeypatch):
    """A slow disk: while it syncs for the first, all others write; then one sync does for them together."""
    synced, syncs, slow = 0, 0, threading.Event()
    fsync = os.fsync

    def observed(handle):
        nonlocal synced, syncs
        size = os.fstat(handle).st_size
        fsync(handle)
        syncs += 1
        slow.wait(0.2)
        synced = max(synced, size)

    ledger = Ledger(path, HEADER)
    monkeypatch.setattr(os, "fsync", observed)

    def intend(number):
        ledger.intend(entry(f"e{number}"))
        assert f'"e{number}"'.encode() in path.read_bytes()[:synced]

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(intend, range(40)))
    assert syncs < 10
    assert len(read(path).entries) == 40
    ledger.close(clean=False)


def test_how_far_a_change_has_come_is_synced_without_anybody_waiting(path, monkeypatch):
    """A disk that hangs holds up no undo; an intent waits for it."""
    works, synced = threading.Event(), []
    fsync = os.fsync

    def slow(handle):
        works.wait(10)
        synced.append(os.fstat(handle).st_size)
        fsync(handle)

    ledger = Ledger(path, HEADER)
    ledger.intend(entry("a"))
    monkeypatch.setattr(os, "fsync", slow)
    ledger.mark(entry("a"), "applied")
    ledger.mark(entry("a"), "undone")
    assert read(path).open[0].edge == "undone"
    assert synced == []
    with ThreadPoolExecutor(1) as pool:
        intent = pool.submit(ledger.intend, entry("b"))
        assert not intent.done()
        works.set()
        intent.result(10)
    size = path.stat().st_size
    ledger.close(clean=False)
    assert size in synced


def test_after_a_sync_that_failed_nothing_counts_as_written(path, monkeypatch):
    """The kernel forgets what it could not write, and a later sync would succeed without it."""
    ledger = Ledger(path, HEADER)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(LedgerBroken, match="I/O error"):
            ledger.intend(entry("a"))
    with pytest.raises(LedgerBroken, match="I/O error"):
        ledger.intend(entry("b"))
    ledger.close(clean=False)


def test_the_ledger_is_private(path):
    ledger = Ledger(path, HEADER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    ledger.close(clean=True)
