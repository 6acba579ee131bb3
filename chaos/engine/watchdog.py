"""A second process that outlives the runner: when the runner vanishes in any way, it ends the load and replays the ledger.

It is started, has imported everything and has reached the cluster before the first change. It waits on a pipe that only
the runner holds: EOF without the word "done" means that the runner is gone.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import NotReady

_READY_WITHIN = 15.0
_DONE = b"done\n"


@dataclass
class Watchdog:
    """The runner's end of the pipe."""

    process: subprocess.Popen[bytes]

    @classmethod
    @contextmanager
    def over(cls, ledger: Path) -> Iterator["Watchdog"]:
        """A watchdog over one ledger, ready before the block begins; NotReady when it cannot be had."""
        log = ledger.with_suffix(".watchdog.log")
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
                [sys.executable, "-m", "chaos.engine.watchdog", str(ledger)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,
            )
        dog = cls(process)
        try:
            dog._await_ready(log)
            yield dog
        finally:
            dog.dismiss()
            log.unlink(missing_ok=True)

    def _await_ready(self, log: Path) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line.strip() != b"ready":
            raise NotReady(f"the watchdog did not start; nothing was touched: {log.read_text().strip()[-500:]}")

    def dismiss(self) -> None:
        """The runner has put everything back itself, or says what is left. Safe to call again."""
        stdin = self.process.stdin
        if self.process.poll() is None and stdin and not stdin.closed:
            try:
                stdin.write(_DONE)
                stdin.close()
            except BrokenPipeError:
                pass  # it is gone already: nothing left to dismiss
            self.process.wait(timeout=5.0)
        if stdin:
            stdin.close()  # also of one that has ended by itself: nothing was written, so nothing can be flushed to nobody
        if self.process.stdout:
            self.process.stdout.close()


def main(ledger: Path) -> int:
    """The watchdog's own life."""
    import signal  # noqa: PLC0415 - only this process needs these

    from chaos.engine.reaching import reach  # noqa: PLC0415
    from chaos.engine.recovery import recover  # noqa: PLC0415
    from chaos.ledger import read  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is for the runner; whoever must end us has SIGKILL
    contents = read(ledger)
    if contents is None:
        return 0
    world = reach(contents)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.close(1)
    if sys.stdin.buffer.readline() == _DONE:
        return 0
    contents = read(ledger)
    if contents is None:
        return 0
    results = recover(contents, lambda _: world)
    for result in results:
        sys.stderr.write(f"{result.entry}: {result.state} {result.detail}\n")
    if any(result.state != "clean" for result in results):
        return 4
    ledger.with_suffix(".watchdog.log").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
