"""Orders from the runner on standard input, one JSON line each; its end is the end of the load."""

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
from collections.abc import Callable
from typing import Any

import gevent  # noqa: TID251
from gevent import monkey, socket  # noqa: TID251

_INPUT = 0
_PR_SET_PDEATHSIG = 1

logger = logging.getLogger(__name__)


class Control:
    """Reads orders (`{"rate": 40}`, `{"users": 10}`, `{"drain": 2.5}`) and hands each to `obey`."""

    def __init__(self, obey: Callable[[dict[str, Any]], None]) -> None:
        self._obey = obey
        self._buffer = b""
        os.set_blocking(_INPUT, False)

    def listen(self) -> None:
        gevent.spawn(self._listen)

    def pump(self) -> bool:
        """Obey all that has been said; false when the runner is gone."""
        while True:
            try:
                said = os.read(_INPUT, 65536)
            except BlockingIOError:
                return True
            if not said:
                return False
            *lines, self._buffer = (self._buffer + said).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))

    def _listen(self) -> None:
        while self.pump():
            socket.wait_read(_INPUT)
        end_now()


def runner_is_gone() -> bool:
    """Whether the other end of standard input is closed; every process that holds this end may ask, without reading."""
    poll = monkey.get_original("select", "poll")()
    poll.register(_INPUT, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def end_now() -> None:
    """End this process and all that it started, at once: without a runner nobody wants this load."""
    logger.warning("the runner is gone: ending the load")
    if os.getpgrp() == os.getpid() or os.getpgrp() == os.getppid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that forked it ends (Linux; elsewhere the heartbeat does, later)."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
