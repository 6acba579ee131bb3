"""The append-only record of one run: its only writer and its only reader."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from chaos.clock import Clock
from chaos.errors import GamedayError
from chaos.model.base import Record, complete
from chaos.model.events import KIND_OF, Event

P = TypeVar("P", bound=Record)


class JournalFull(GamedayError):
    """The journal cannot be written any more; the run ends and everything is undone."""


class Journal:
    """One JSON line an event; safe from any thread; each line reaches the kernel before `add` returns."""

    def __init__(self, path: Path, clock: Clock) -> None:
        complete()  # threads begin to tell their events soon
        self._clock = clock
        self._lock = threading.Lock()
        self._seq = 0
        self._listeners: list[Callable[[Event], None]] = []
        path.touch(mode=0o600, exist_ok=False)
        self._file = path.open("ab", buffering=0)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on, in order, in the thread that adds it."""
        self._listeners.append(listener)

    def add(self, payload: Record, *, source: str = "engine", actor: str = "runner") -> Event:
        with self._lock:
            self._seq += 1
            event = Event(
                seq=self._seq,
                mono=round(self._clock.now(), 6),
                wall=self._clock.wall().isoformat(timespec="milliseconds"),
                source=source,
                actor=actor,
                kind=KIND_OF[type(payload)],
                payload=payload.as_json(),
            )
            line = event.model_dump_json().encode() + b"\n"
            try:
                written = self._file.write(line)
            except OSError as error:
                raise JournalFull(f"cannot write the journal {self._file.name}: {error.strerror}") from error
            if written < len(line):  # the disk took what it had room for, which is no error to it
                raise JournalFull(f"cannot write the journal {self._file.name}: no room for a whole line")
            for listener in self._listeners:
                listener(event)
            return event

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read(path: Path) -> Iterator[Event]:
    """All events of a journal, one at a time; a torn last line (the writer was killed) is left out."""
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            try:
                yield Event.model_validate_json(line)
            except ValueError:
                raise GamedayError(f"{path}: not a journal line: {line[:80]!r}") from None


def payload_of(event: Event, kind: type[P]) -> P:
    """The payload as its model; unknown keys are kept."""
    return kind.model_validate(event.payload)


def dumps(value: object) -> str:
    """JSON for files that people may open: stable and indented."""
    return json.dumps(value, indent=2, sort_keys=False, ensure_ascii=False) + "\n"
