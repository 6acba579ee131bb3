"""Tells the journal what happens, and never stands in the way of an undo: a journal that cannot be written stops the run."""

from chaos.engine.stopping import StopFlag
from chaos.journal import Journal, JournalFull
from chaos.model.base import Record


class Recorder:
    """`tell` never raises; `trouble` says why the journal is not complete, or ""."""

    def __init__(self, journal: Journal, stop: StopFlag) -> None:
        self._journal = journal
        self._stop = stop
        self.trouble = ""

    def tell(self, payload: Record, *, source: str = "engine") -> None:
        if self.trouble:
            return
        try:
            self._journal.add(payload, source=source)
        except JournalFull as error:
            self.trouble = str(error)
            self._stop.request("error", self.trouble)
