"""The fsynced list of what must be undone: its only writer and its only reader. Undoing needs nothing else.

One file a run in the state folder. Each line is `<sha256 of the rest, 16 digits> <json>`. A torn last line is left out
(its request was never sent, for the line is on disk before the request is); any other bad line makes the ledger
corrupt: what can be read of it is reported and nothing of it is acted upon.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from chaos.errors import NotReady
from chaos.model.base import Record
from chaos.model.run import Environment

_BEGINNING = re.compile(rb"[0-9a-f]{16} (\{|$)|[0-9a-f]{1,16}$")
Edge = Literal["intent", "armed", "applied", "undone", "verified"]


class LedgerHeader(Record):
    """The first line: which run, against which cluster, by which process."""

    format: Literal["ledger/v1"] = "ledger/v1"
    run: str
    scenario: str
    environment: Environment
    kubeconfig: str = ""  # where the run found its credentials; never the credentials
    context: str = ""
    started: str
    folder: str = ""  # the run directory
    namespace: str = ""  # where it strikes, and keeps its lease, its owner and its ledger in the cluster
    ttl: float = 0.0  # seconds of silence after which the guard puts everything back; 0 = there is none


class Entry(Record):
    """One change: enough to undo it in another process, on another day."""

    id: str
    edge: Edge = "intent"
    fault: str  # key of the injectors' or fittings' table
    step: str
    undo: str  # in words
    state: dict[str, Any]


class LoadEntry(Record):
    """The load generator is a fault too: the process to end when the runner is gone."""

    load_pid: int
    load_start: int  # clock ticks after boot, from /proc: a pid alone may be another process by now


class LedgerBroken(NotReady):
    """The ledger cannot be written: nothing may be injected any more."""


def state_folder() -> Path:
    """What must survive a run lives in `$GAMEDAY_STATE`, `$XDG_STATE_HOME/gameday` or `~/.local/state/gameday`."""
    if own := os.environ.get("GAMEDAY_STATE"):
        return Path(own)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "gameday"


def ledger_folder(state: Path | None = None) -> Path:
    folder = (state or state_folder()) / "ledgers"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReady(f"cannot make the state folder {folder}: {error.strerror}") from error
    return folder


class Ledger:
    """Writes one run's ledger; LedgerBroken when it cannot.

    An intent is on the disk when its call returns; calls of many threads share a sync. How far a change has come is synced
    right after, without anybody waiting: no undo is held up by a slow disk, and what is lost of it is undone once more.
    After the first trouble nothing more is written: a line after a torn one would make all of it unreadable, and what a
    failed sync has lost no later one brings back.
    """

    def __init__(self, path: Path, header: LedgerHeader) -> None:
        self.path = path
        self._broken = ""  # why nothing more is written
        self._written = 0  # lines; grows in `_lock` alone
        self._synced = 0  # of these; grows in `_syncing` alone
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._due = threading.Event()
        self._over = threading.Event()
        self._mirrors: list[Callable[[Record], None]] = []
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._file = os.fdopen(handle, "ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while the runner lives, by whatever pid
            self._append(header)
            self._sync(self._written)
            _sync_folder(path.parent)
        except OSError as error:
            raise LedgerBroken(f"cannot write the ledger {path}: {error.strerror}; nothing was injected") from error
        self._follower = threading.Thread(target=self._follow, name="ledger", daemon=True)
        self._follower.start()

    def mirror(self, write: Callable[[Record], None]) -> None:
        """Also hand every record to `write` before it counts; a failing mirror fails the call."""
        self._mirrors.append(write)

    def intend(self, entry: Entry) -> None:
        """Write down what is about to be changed. Only when this has returned may the request be sent."""
        self._sync_up_to(self._write(entry))

    def mark(self, entry: Entry, edge: Edge) -> None:
        """Write down how far the change has come. The state is in the intent already and is not repeated."""
        self._write(entry.model_copy(update={"edge": edge, "state": {}}))
        self._due.set()

    def load(self, pid: int, start: int) -> None:
        self._sync_up_to(self._write(LoadEntry(load_pid=pid, load_start=start)))

    def _write(self, record: Record) -> int:
        """Its number among the lines."""
        with self._lock, self._or_broken():
            for write in self._mirrors:
                write(record)
            return self._append(record)

    def _sync_up_to(self, number: int) -> None:
        with self._syncing, self._or_broken():
            self._sync(number)

    def _follow(self) -> None:
        """Sync what nobody waits for."""
        last = False
        while not last:
            self._due.wait()
            self._due.clear()
            last = self._over.is_set()
            with suppress(LedgerBroken):  # told by whatever is written next
                self._sync_up_to(self._written)

    @contextmanager
    def _or_broken(self) -> Iterator[None]:
        try:
            if self._broken:
                raise OSError(self._broken)
            yield
        except (OSError, ValueError) as error:
            self._broken = str(error)
            raise LedgerBroken(f"cannot write the ledger {self.path}: {error}") from error

    def _append(self, record: Record) -> int:
        body = record.model_dump_json(exclude_none=True).encode()
        line = _checksum(body) + b" " + body + b"\n"
        if self._file.write(line) < len(line):  # the disk took what it had room for, which is no error to it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += 1
        return self._written

    def _sync(self, number: int) -> None:
        """Until so many lines are on the disk. Whoever comes first syncs for all that have written by then."""
        if self._synced < number:
            written = self._written
            os.fsync(self._file.fileno())
            self._synced = written

    def close(self, *, clean: bool) -> None:
        """Let go of the file; with nothing left to undo it is removed, for the journal tells the story."""
        self._over.set()
        self._due.set()
        self._follower.join()
        with self._lock:
            if clean:
                self.path.unlink(missing_ok=True)
            self._file.close()


class Contents(Record):
    """What a ledger says: the entries, newest edge each, and whether its runner is still at work."""

    path: Path | None = None  # None = it was read from the cluster
    header: LedgerHeader
    entries: list[Entry] = []
    load: LoadEntry | None = None
    corrupt: str = ""
    running: bool = False

    @property
    def open(self) -> list[Entry]:
        """What is not verified to be undone, newest first."""
        return [entry for entry in reversed(self.entries) if entry.edge != "verified"]


def read(path: Path) -> Contents | None:
    """Read a ledger; None when not even its header reached the disk (then nothing was changed)."""
    header: LedgerHeader | None = None
    entries: dict[str, Entry] = {}
    load: LoadEntry | None = None
    corrupt = ""
    for number, body in _lines(path):
        if body is None:
            corrupt = f"line {number} does not match its checksum"
            break
        value = json.loads(body)
        if header is None:
            header = LedgerHeader.model_validate(value)
        elif "load_pid" in value:
            load = LoadEntry.model_validate(value)
        else:
            entry = Entry.model_validate(value)
            known = entries.get(entry.id)
            entries[entry.id] = known.model_copy(update={"edge": entry.edge}) if known else entry
    if header is None and not corrupt:
        return None
    header = header or LedgerHeader(
        run=path.stem, scenario="", environment=Environment(kind="none", name="unknown"), started=""
    )  # unreadable: it may be of any cluster
    return Contents(
        path=path, header=header, entries=list(entries.values()), load=load, corrupt=corrupt, running=is_running(path)
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """(line number, body, or None where it does not match its checksum); a torn last line is left out."""
    *lines, last = path.read_bytes().split(b"\n")
    if last and not _is_torn(last):
        lines.append(last)  # whole but for its newline, which then is what rotted
    for number, line in enumerate(lines, start=1):
        checksum, _, body = line.partition(b" ")
        yield number, body if checksum == _checksum(body) else None


def _is_torn(line: bytes) -> bool:
    """Whether its end was never written: it begins as a line does, and its JSON does not end."""
    if not _BEGINNING.match(line):
        return False
    try:
        json.JSONDecoder().raw_decode(line.partition(b" ")[2].decode(errors="ignore"))
    except ValueError:
        return True
    return False


def all_open(state: Path | None = None) -> list[Contents]:
    """Every ledger that is there, the newest run first: a run removes its own when all is clean and nothing of it stays."""
    found = [read(path) for path in sorted(ledger_folder(state).glob("*.ledger"), reverse=True)]
    return [contents for contents in found if contents]


def is_running(path: Path) -> bool:
    """Whether the runner that writes this ledger is alive: it holds a lock on it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
