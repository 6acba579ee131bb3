"""The latched stop: set once by a signal, `gameday stop`, a stop condition or trouble; checked before every change; never
taken back.

A run at work is a file in the state folder that its process holds a lock on: whoever wants it to stop, from any folder,
puts a stop file beside it. No port is opened for that, and no pid is trusted.
"""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from chaos.errors import NotReady
from chaos.ledger import state_folder
from chaos.model.base import Record
from chaos.model.events import Stop
from chaos.model.run import RunInfo

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,  # a suspended runner would hold its fault for as long as the terminal sleeps
    signal.SIGUSR1,
    signal.SIGUSR2,
)
LOOK_EVERY = 0.1
"""Seconds between two looks for a stop file."""

Reason = Literal["signal", "stop-condition", "kill-switch", "lease-lost", "error", "operator"]


class StopFlag:
    """`event` wakes whoever waits; the first reason given is the reason of the stop. Safe from any thread."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.why: Stop | None = None
        self._waiting: set[threading.Event] = set()  # for something else, but no longer than for the stop
        self._lock = threading.Lock()

    def request(self, reason: Reason, detail: str, *, condition: str = "") -> None:
        with self._lock:
            if self.why is None:
                self.why = Stop(reason=reason, detail=detail, condition=condition)
            self.event.set()
            for each in self._waiting:
                each.set()

    def wait_for(self, work: "Future[None]") -> None:
        """Until the work has ended, with its trouble if it had one; or until the stop, and then the work goes on alone."""
        over = threading.Event()
        with self._lock:
            self._waiting.add(over)
        work.add_done_callback(lambda _: over.set())
        if not self.is_set:
            over.wait()
        with self._lock:
            self._waiting.remove(over)
        if work.done():
            work.result()

    @property
    def is_set(self) -> bool:
        return self.event.is_set()


@contextmanager
def signals_stop(stop: StopFlag) -> Iterator[None]:
    """Within, every signal that would end the process sets the flag instead; a second one changes nothing.

    A thread of its own sets it, woken by a pipe whatever the main thread is busy with. A handler in Python would run between
    two steps of the main thread, and wait for ever for a lock that this very thread holds: the flag's own is one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python gives signals to the main thread alone; whoever runs us elsewhere keeps them
        return
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    listener = threading.Thread(target=_hear, args=(ear, stop), name="signals", daemon=True)
    listener.start()
    pipe_before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _leave_it_to_the_listener) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(pipe_before)
        os.close(mouth)
        listener.join()  # what was heard until now is told
        os.close(ear)


def _leave_it_to_the_listener(_number: int, _frame: FrameType | None) -> None:
    """Python writes to the pipe only for signals that have a handler."""


def _hear(ear: int, stop: StopFlag) -> None:
    while numbers := os.read(ear, 64):
        for number in filter(SIGNALS.__contains__, numbers):
            stop.request("signal", signal.Signals(number).name)


class AtWork(Record):
    """A run that is under way on this machine: what its file in the state folder says."""

    run: str
    pid: int
    where: str  # kind and name of the environment
    started: str


@contextmanager
def stop_file(stop: StopFlag, info: RunInfo) -> Iterator[None]:
    """Within, the run can be found, and a stop file sets the flag. NotReady where no such file could be seen."""
    place = _place(info.id)
    about = AtWork(run=info.id, pid=os.getpid(), where=f"{info.environment.kind} {info.environment.name}", started=info.started)
    fresh = place.with_suffix(f".{os.getpid()}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)  # held until this process ends, however that comes about
        os.write(handle, about.model_dump_json().encode())
        fresh.rename(place)  # nobody ever sees it unlocked while we live
    except OSError as error:
        raise NotReady(f"cannot write {place}: {error.strerror}; nothing was touched") from error
    over = threading.Event()
    listener = threading.Thread(target=_listen, args=(_stop_file(place), stop, over), name="stop file", daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        listener.join()
        _forget(place)
        os.close(handle)


def _listen(path: Path, stop: StopFlag, over: threading.Event) -> None:
    while not over.wait(LOOK_EVERY):
        if path.exists():
            stop.request("kill-switch", "gameday stop")
            return


def ask_to_stop(run: AtWork) -> None:
    """Put the stop file where that run looks for it; doing it twice changes nothing."""
    try:
        os.close(os.open(_stop_file(_place(run.run)), os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise NotReady(f"cannot write a stop file for run {run.run}: {error.strerror}; its process is {run.pid}") from error


def is_at_work(run: AtWork) -> bool:
    return _locked(_place(run.run))


def at_work() -> list[AtWork]:
    """The runs under way on this machine, oldest first. What dead ones left here is swept away; their ledgers stay."""
    found = []
    for path in sorted(_folder().glob("*.run")):
        if _locked(path):
            found.append(AtWork.model_validate_json(path.read_bytes()))
        else:
            _forget(path)
    return found


def _folder() -> Path:
    folder = state_folder() / "running"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReady(f"cannot make the state folder {folder}: {error.strerror}") from error
    return folder


def _place(run: str) -> Path:
    return _folder() / f"{run}.run"


def _stop_file(place: Path) -> Path:
    return place.with_suffix(".stop")


def _forget(place: Path) -> None:
    for path in (_stop_file(place), place):
        path.unlink(missing_ok=True)


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
