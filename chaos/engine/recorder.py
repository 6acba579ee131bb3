"""Tells the journal what happens, and never stands in the way of an undo: a journal that cannot be written stops the run."""

import threading

from chaos.engine.stopping import StopFlag
from chaos.journal import Journal, JournalFull
from chaos.model.base import Record


class Recorder:
    """`tell` never raises; `trouble` says why the journal is not complete, or "". Safe from any thread.

    A stop is told before whatever is told next: a signal handler may only set the flag, and the undo that follows it must
    not stand before it in the record.
    """

    def __init__(self, journal: Journal, stop: StopFlag) -> None:
        self._journal = journal
        self._stop = stop
        self._lock = threading.Lock()
        self._stop_told = False
        self.trouble = ""

    def tell(self, payload: Record, *, source: str = "engine") -> None:
        self._tell_stop()
        self._add(payload, source)

    def _tell_stop(self) -> None:
        if (why := self._stop.why) is None:
            return
        with self._lock:
            told, self._stop_told = self._stop_told, True
        if not told:
            self._add(why, "engine")

    def _add(self, payload: Record, source: str) -> None:
        if self.trouble:
            return
        try:
            self._journal.add(payload, source=source)
        except JournalFull as error:
            self.trouble = str(error)
            self._stop.request("error", self.trouble)
