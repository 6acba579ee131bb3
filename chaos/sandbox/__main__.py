"""`python -m chaos.sandbox FOLDER [--lifeline FD]`: starts the daemon, and returns when it answers.

The daemon lives in a session of its own until SIGTERM, or until the pipe behind the lifeline is closed.
"""

import argparse
import asyncio
import fcntl
import hmac
import json
import os
import secrets
import shutil
import signal
import sys
from pathlib import Path

from chaos.sandbox import budgets, deployments, endpoints, housekeeping, replicasets, scheduling
from chaos.sandbox.accounts import Account, Accounts
from chaos.sandbox.addresses import Addresses
from chaos.sandbox.api import Api
from chaos.sandbox.controllers import Controllers
from chaos.sandbox.events import Events
from chaos.sandbox.http import Request, Response, serve
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.kubelet import Kubelet
from chaos.sandbox.objects import Objects
from chaos.sandbox.services import Services
from chaos.sandbox.status import Refusal
from chaos.sandbox.store import Store


class Daemon:
    """Store, controllers, kubelet, Services and API in one event loop of one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_hex(16)
        self._accounts = Accounts(self._secret)
        self._port = 0
        self._store = Store()
        self._addresses = Addresses()
        self._events = Events(self._store)
        self._objects = Objects(self._store, self._addresses)
        self._kubelet = Kubelet(self._store, self._addresses, self._events, folder, self._server_for)
        self._api = Api(self._store, self._objects, self._kubelet)

    @property
    def _server(self) -> str:
        return f"http://127.0.0.1:{self._port}/{self._secret}"

    def _server_for(self, account: Account) -> str:
        return f"http://127.0.0.1:{self._port}/{self._accounts.path(account)}"

    async def run(self, ready: int, lifeline: int | None) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        if lifeline is not None:
            loop.add_reader(lifeline, stop.set)
        self._populate()
        server = await asyncio.start_server(lambda *ends: serve(self._handle, *ends), "127.0.0.1", 0, limit=65536, backlog=256)
        self._port = server.sockets[0].getsockname()[1]
        self._write_files()
        trimming = loop.create_task(self._kubelet.trim_logs())
        os.write(ready, b"ready")
        os.close(ready)
        await stop.wait()
        trimming.cancel()
        server.close()
        await self._kubelet.stop()

    def _populate(self) -> None:
        """What is there on a new cluster, and the controllers that keep it."""
        scheduling.add_nodes(self._store, self._addresses)
        for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
            self._objects.create(KINDS["Namespace"], "", {"metadata": {"name": name}})
        run = Controllers(self._store, self._objects, self._addresses, self._events)
        run.add(housekeeping.end_namespaces, *(kind for kind, resource in KINDS.items() if resource.namespaced), "Namespace")
        run.add(deployments.reconcile, "Deployment", "ReplicaSet", "Pod")
        run.add(replicasets.reconcile, "ReplicaSet", "Pod")
        run.add(scheduling.reconcile, "Pod", "Node")
        run.add(endpoints.reconcile, "Service", "Pod", "EndpointSlice")
        run.add(Services(self._store).reconcile, "Service", "EndpointSlice", "NetworkPolicy", "Pod", "Namespace")
        run.add(housekeeping.run_jobs, "Job")
        run.add(housekeeping.collect_garbage, *(kind for kind in KINDS if kind != "Event"))
        run.add(budgets.reconcile, "PodDisruptionBudget", "Pod")
        run.add(housekeeping.count_quotas, "ResourceQuota", "Pod")

    async def _handle(self, request: Request) -> Response:
        """Only who knows a secret path, and no web page, gets through; a service account has one of its own."""
        secret, _, rest = request.path.lstrip("/").partition("/")
        known_host = request.headers.get("host") in (f"127.0.0.1:{self._port}", f"localhost:{self._port}")
        owner = hmac.compare_digest(secret.encode(), self._secret.encode())
        account = None if owner else self._accounts.of(secret)
        if not known_host or "origin" in request.headers or not (owner or account):
            raise Refusal(403, "Forbidden", "forbidden", details={})
        inside = Request(request.method, f"/{rest}", request.raw_query, request.headers, request.body)
        return await self._api.handle(inside, account)

    def _write_files(self) -> None:
        """The kubeconfig and what `control` needs to know; each written whole, for its owner only."""
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": self._server}}],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [{"name": "sandbox", "context": context}],
        }
        about = {"pid": os.getpid(), "server": self._server, "network": self._addresses.network}
        for name, value in (("kubeconfig", config), ("sandbox.json", about)):
            new = self._folder / f"{name}.new"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(value, file, indent=2)
            new.rename(self._folder / name)


def _daemon(folder: Path, ready: int, lifeline: int | None) -> None:
    os.setsid()
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until we end, whatever ends us
    _forget(folder)
    for name in ("pods", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(mode=0o700)
    asyncio.run(Daemon(folder).run(ready, lifeline))
    _forget(folder)


def _forget(folder: Path) -> None:
    for name in ("kubeconfig", "sandbox.json"):
        (folder / name).unlink(missing_ok=True)


def main() -> int:
    """Fork the daemon off, and wait until it says that it is ready; 1 when it ends before."""
    parser = argparse.ArgumentParser(prog="python -m chaos.sandbox")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lifeline", type=int, help="a pipe's end: the daemon ends when the other end is closed")
    arguments = parser.parse_args()
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return 0 if os.read(reading, 5) == b"ready" else 1
    os.close(reading)
    _daemon(arguments.folder.resolve(), writing, arguments.lifeline)
    return 0


if __name__ == "__main__":
    sys.exit(main())
