"""`python -m chaos.sandbox FOLDER [PARENT]`: the daemon; it writes its kubeconfig when it answers, and SIGTERM ends it.

With a PARENT (a pid) it ends when that process does.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
from pathlib import Path

from chaos.sandbox.addresses import Addresses
from chaos.sandbox.api import Api
from chaos.sandbox.controllers import run_all
from chaos.sandbox.defaults import Defaults, first_objects
from chaos.sandbox.http import Request, Response, serve_connection
from chaos.sandbox.kubelet import Kubelet
from chaos.sandbox.services import Services
from chaos.sandbox.store import Store


class Daemon:
    """Store, controllers, kubelet, network and API in one event loop."""

    def __init__(self, folder: Path) -> None:
        addresses = Addresses()
        self.folder = folder
        self.network = addresses.network
        self.secret = secrets.token_hex(16)
        self.store = Store(Defaults(addresses))
        self.kubelet = Kubelet(self.store, addresses, folder)
        self.services = Services(self.store)
        self.api = Api(self.store, self.kubelet)
        self.port = 0

    async def handle(self, request: Request) -> Response:
        """Only who knows the secret path, and no web page, gets through."""
        prefix = f"/{self.secret}"
        foreign = request.headers.get("host") != f"127.0.0.1:{self.port}" or "origin" in request.headers
        if foreign or not (request.path == prefix or request.path.startswith(prefix + "/")):
            return Response(403, b'{"kind":"Status","status":"Failure","code":403,"message":"forbidden","reason":"Forbidden"}')
        inner = request.path[len(prefix) :] or "/"
        return await self.api.handle(
            Request(request.method, inner, request.query, request.headers, request.body, request.raw_query)
        )

    async def run(self, parent: int) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        first_objects(self.store)
        server = await asyncio.start_server(lambda r, w: serve_connection(self.handle, r, w), "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        tasks = [loop.create_task(self._reconcile()), loop.create_task(self._tick(parent, stop))]
        self._announce()
        await stop.wait()
        for task in tasks:
            task.cancel()
        server.close()
        await self.kubelet.stop()

    async def _reconcile(self) -> None:
        while True:
            await self.store.changed.wait()
            self.store.changed.clear()
            run_all(self.store)
            self.kubelet.reconcile()
            await self.services.reconcile()

    async def _tick(self, parent: int, stop: asyncio.Event) -> None:
        """What happens by time alone: deadlines; and the end of the parent."""
        while True:
            await asyncio.sleep(0.25)
            self.store.changed.set()
            if parent and os.getppid() != parent and not Path(f"/proc/{parent}").exists():
                stop.set()

    def _announce(self) -> None:
        """The kubeconfig is the sign that the sandbox answers; it is written whole, and last."""
        server = f"http://127.0.0.1:{self.port}/{self.secret}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        }
        _write(self.folder / "info.json", {"pid": os.getpid(), "server": server, "network": self.network})
        _write(self.folder / "kubeconfig", config)


def _write(path: Path, value: object) -> None:
    handle = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(value, file, indent=2)
    path.with_suffix(".new").rename(path)


def main(folder: Path, parent: int = 0) -> None:
    for name in ("pods", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "pods").mkdir(parents=True, mode=0o700)
    asyncio.run(Daemon(folder).run(parent))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
