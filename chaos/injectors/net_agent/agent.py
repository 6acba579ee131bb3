"""The agent of the network faults: strikes one pod from inside, in an ephemeral container with NET_ADMIN, on orders by HTTP.

It changes nothing until it is told to, and stops by itself: `hold` seconds after a strike, `life` seconds after its start.
Its rules end with its process, in whatever way that ends; the queue is idle without them.

Orders, each repeatable, below /<key>/: GET status; POST ready (see whether all can be had, put the idle queue in place),
strike, calm (undo the strike), end (undo everything, read back, write down what is left, exit).
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chaos.injectors.net_agent.netlink import Refused
from chaos.injectors.net_agent.queue import Queue
from chaos.injectors.net_agent.rules import Table, packets, refuse_strangers, rules_of, tables
from chaos.injectors.net_agent.sockets import cut, try_cut

REPORT = "/dev/termination-log"
_FOR_THE_ANSWER = 0.3  # seconds, to whoever asked for the end


class Agent:
    """One fault in one pod."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.over = threading.Event()
        self._mark = str(wanted["mark"])
        self._table = Table(self._mark)
        delays = wanted["act"] == "delay"
        self._queue = Queue(wanted["handle"], wanted["latency"], wanted["jitter"]) if delays else None
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._why = ""

    def status(self) -> dict[str, Any]:
        struck = self._table.stands
        return {"struck": struck, "packets": packets(self._mark) if struck else 0, "left": self._left()}

    def ready(self) -> dict[str, Any]:
        """Everything that a strike needs can be had; Refused says what cannot, and nothing is changed."""
        with self._lock:
            if self.wanted["act"] == "cut":
                try_cut()
            elif not self._table.stands:
                refuse_strangers(self._mark)
                self._try_rules()
                if self._queue:
                    self._queue.put()
        return self.status()

    def _try_rules(self) -> None:
        """The very rules, for a moment and for nobody's packets."""
        for_nobody = {**self.wanted, "peers": ["192.0.2.1/32"]}
        try:
            self._table.put(rules_of(for_nobody))
            self._table.remove()
        except OSError as error:
            raise Refused(
                f"the node's kernel takes no nftables rules that end with their maker ({error}; Linux 5.12 or later does)"
            ) from None

    def strike(self) -> dict[str, Any]:
        with self._lock:
            if self.over.is_set():
                raise Refused("the agent is ending")
            if self._queue and not self._queue.stands:
                raise Refused("the queue is not in place: first be ready, then strike")
            if self.wanted["act"] == "cut":
                return {"cut": cut(self.wanted["ports"])}
            self._table.put(rules_of(self.wanted))
            if self._timer is None:
                self._timer = threading.Timer(self.wanted["hold"], self.end, ["its own timer"])
                self._timer.daemon = True
                self._timer.start()
        return self.status()

    def calm(self) -> dict[str, Any]:
        with self._lock:
            self._table.remove()
            if self._timer:
                self._timer.cancel()
                self._timer = None
        return self.status()

    def end(self, why: str = "asked to") -> dict[str, Any]:
        with self._lock:
            self._why = self._why or why
            self.calm()
            if self._queue:
                self._queue.remove()
            self.over.set()
            return self.report()

    def report(self) -> dict[str, Any]:
        return {"ended": self._why, "left": self._left()}

    def _left(self) -> list[str]:
        """What of ours is in place, read anew over a socket of its own."""
        queue = ["our queue before the network device"] if self._queue and self._queue.stands else []
        return [f"nftables table {each}" for each in tables() if each == self._mark] + queue


class _Handler(BaseHTTPRequestHandler):
    """Takes orders from whoever has the key."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    agent: Agent

    def do_GET(self) -> None:
        self._obey({"status": self.agent.status})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        agent = self.agent
        self._obey({"ready": agent.ready, "strike": agent.strike, "calm": agent.calm, "end": agent.end})

    def _obey(self, orders: dict[str, Callable[[], dict[str, Any]]]) -> None:
        _, key, order = ([*self.path.split("/"), "", ""])[:3]
        if key != self.agent.wanted["key"] or order not in orders:
            return self._answer(404, {"error": "not here"})
        try:
            return self._answer(200, orders[order]())
        except Refused as error:
            return self._answer(409, {"error": str(error)})
        except OSError as error:
            return self._answer(500, {"error": f"{order}: {error}"})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The run's journal says it."""


class _Server(ThreadingHTTPServer):
    """Does not look up its own name, as the library would: names may be what is broken."""

    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "agent", self.server_address[1]


def main() -> None:
    agent = Agent(json.loads(os.environ["GAMEDAY_AGENT"]))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: agent.over.set())
    address = (os.environ.get("POD_IP") or "0.0.0.0", agent.wanted["admin_port"])  # noqa: S104 - its own pod's
    server = _Server(address, type("AgentHandler", (_Handler,), {"agent": agent}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    in_time = agent.over.wait(agent.wanted["life"])
    report = agent.end("its container was told to end" if in_time else "its life was over")
    with open(os.environ.get("GAMEDAY_REPORT") or REPORT, "w") as file:
        json.dump(report, file)
    time.sleep(_FOR_THE_ANSWER)


if __name__ == "__main__":
    main()
