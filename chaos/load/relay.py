"""Stands in for the Locust child where Locust runs on the cluster: takes the same orders, tells the same records, ends like it.

`python -m chaos.load.relay` asks the master's pod through the API server, so nothing needs to reach in or out of the cluster.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from chaos.clients import kube
from chaos.errors import ClusterError, NotReady
from chaos.load.child.station import FILES, PORT
from chaos.load.spec import RELAY, Remote

_EVERY = 0.3
_PATIENCE = 15.0
"""Seconds that the API server may be away: the station keeps what is told meanwhile."""
_INPUT = 0


class Relay:
    """One load on the cluster, from its beginning to its end."""

    def __init__(self, remote: Remote, stream: int, folder: Path) -> None:
        self._remote = remote
        self._cluster = kube.connect(Path(remote.kubeconfig) if remote.kubeconfig else None, remote.context)
        self._stream = stream
        self._folder = folder
        self._number = 0
        self._written = dict.fromkeys(FILES, 0)
        self._heard = time.monotonic()
        self._buffer = b""
        self._drain: dict[str, Any] = {"drain": 0.0}
        self.stopping = False

    def run(self) -> int:
        """Until Locust has ended; its exit code, which is then ours."""
        self._insist("POST", "begin")
        asked_to_stop = False
        while True:
            if not self._obey():
                self._insist("POST", "stop", {"drain": 0.0})  # the runner is gone
                return 1
            if self.stopping and not asked_to_stop:
                self._obey()  # the order that goes with it
                self._insist("POST", "stop", self._drain)
                asked_to_stop = True
            elif asked_to_stop:
                time.sleep(_EVERY)
            told = self._look()
            if told is not None and told["exit"] is not None and not told["more"]:
                sys.stdout.write(self._insist("GET", "log").decode(errors="replace"))
                return int(told["exit"])

    def _look(self) -> dict[str, Any] | None:
        """Hand on what is new; None when the API server did not answer this time."""
        answer = self._ask("GET", f"records?from={self._number}")
        if answer is None:
            return None
        told: dict[str, Any] = json.loads(answer)
        for name, size in told["sizes"].items():
            self._fetch(name, size)
        lines = told["lines"]
        self._number += len(lines)
        self._tell("".join(lines).encode())
        return told

    def _fetch(self, name: str, size: int) -> None:
        while self._written[name] < size:
            piece = self._insist("GET", f"file/{name}?from={self._written[name]}")
            with (self._folder / f"{name}.jsonl").open("ab") as file:
                file.write(piece)
            self._written[name] += len(piece)

    def _tell(self, lines: bytes) -> None:
        while lines:
            lines = lines[os.write(self._stream, lines) :]

    def _obey(self) -> bool:
        """Take orders until it is time to look again; false when the runner is gone without a word."""
        until = time.monotonic() + _EVERY
        while select.select([_INPUT], [], [], 0.0 if self.stopping else max(0.0, until - time.monotonic()))[0]:
            if not self._take():
                return self.stopping
        return True

    def _take(self) -> bool:
        said = os.read(_INPUT, 65536)
        *lines, self._buffer = (self._buffer + said).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "drain" in order:  # comes just before the end, and goes with it
                self._drain = order
            else:
                self._insist("POST", "order", order)
        return bool(said)

    # -- the way there -----------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: object | None = None) -> bytes | None:
        remote = self._remote
        with contextlib.suppress(ClusterError):
            status, answer = self._cluster.pod_request(
                remote.namespace, remote.pod, PORT, method, f"{remote.token}/{path}", body
            )
            if status == 200:
                self._heard = time.monotonic()
                return answer
        if time.monotonic() - self._heard > _PATIENCE:
            raise NotReady(f"the load's master, pod/{remote.pod} in {remote.namespace}, has not answered for {_PATIENCE:g} s")
        return None

    def _insist(self, method: str, path: str, body: object | None = None) -> bytes:
        while (answer := self._ask(method, path, body)) is None:
            time.sleep(_EVERY)
        return answer


def main() -> None:
    """Be the load's child of a runner."""
    told = json.loads(os.environ[RELAY])
    relay = Relay(Remote(**told["remote"]), told["stream"], Path(told["folder"]))

    def stop(*_: object) -> None:
        relay.stopping = True

    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(relay.run())
    except NotReady as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
