"""The latched stop: set once by a signal, a stop condition or trouble, checked before every change, never taken back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from chaos.model.events import Stop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

Reason = Literal["signal", "stop-condition", "kill-switch", "lease-lost", "error", "operator"]


class StopFlag:
    """`event` wakes whoever waits; the first reason given is the reason of the stop."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.why: Stop | None = None

    def request(self, reason: Reason, detail: str, *, condition: str = "") -> None:
        if self.why is None:
            self.why = Stop(reason=reason, detail=detail, condition=condition)
        self.event.set()

    @property
    def is_set(self) -> bool:
        return self.event.is_set()


@contextmanager
def signals_stop(stop: StopFlag) -> Iterator[None]:
    """Within, every signal that would end the process sets the flag instead; a second one changes nothing."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.request("signal", signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield  # Python gives signals to the main thread alone; whoever runs us elsewhere keeps them
        return
    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
