"""The second `-f` file of every Locust process that we start: on its own, as master or as worker.

It has no user class of its own. At `init` it takes its setting from the environment, watches the sessions, and sends one line a
second to the runner. A master sends nothing itself: it passes on what its workers tell, and tells them what the runner says.
"""

import time
from typing import Any

import gevent  # noqa: TID251
from gevent.event import Event  # noqa: TID251
from locust import events  # noqa: TID251
from locust.runners import MasterRunner, WorkerRunner  # noqa: TID251

from chaos.load.child.arrivals import door
from chaos.load.child.control import Control, die_with_parent, end_now, runner_is_gone
from chaos.load.child.generator import Generator
from chaos.load.child.outlet import Pipe, ToMaster
from chaos.load.child.setting import Setting

_CONTROL = "gameday-control"
_CONTROL_EVERY = 0.5
_STOP_MARGIN = 1.0


class Post:
    """What every Locust process has: its setting, a way to stop in time, and maybe a generator."""

    def __init__(self, environment: Any, setting: Setting) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.setting = setting
        self.drain = setting.request_timeout + 0.2
        self.generator: Generator | None = None
        self.pipe: Pipe | None = None
        self.control: Control | None = None
        self.deadline = time.monotonic() + setting.limit + self.drain + 10.0
        self.waiting: set[str] = set()  # workers that have not told their last yet
        self.all_told = Event()
        self.workers: set[str] = set()
        self.stopping = False
        if environment.shape_class is not None:
            environment.shape_class = None
            self.shaped = True
        else:
            self.shaped = False
        if setting.control:
            gevent.spawn(self._look_after)

    def lead(self) -> None:
        """A lone generator, or a master: talk to the runner."""
        self.pipe = Pipe(self.setting.stream, self.setting.folder)
        self.environment.events.test_stopping.add_listener(self._on_stopping)
        self.environment.events.quit.add_listener(self._on_quit)
        self.environment.events.test_start.add_listener(lambda **_: self.tell("started"))
        if self.shaped:
            self.tell("shape-ignored", "the locustfile's LoadTestShape is not used: the scenario says how much load there is")
        if self.setting.control:
            self.control = Control(self.obey)
            self.control.listen()

    def tell(self, what: str, detail: str = "") -> None:
        if self.pipe is not None:
            self.pipe.send([{"what": what, "detail": detail}], {})

    def obey(self, order: dict[str, Any]) -> None:
        """Do what the runner says; a master passes it on."""
        if "drain" in order:
            self.drain = float(order["drain"])
        if "users" in order:
            gevent.spawn(self.runner.start, int(order["users"]), self.setting.spawn_rate)
            self.tell("users-changed", f"{int(order['users'])} users")
        if "rate" in order:
            if self.generator is not None:
                self.generator.set_rate(float(order["rate"]))
            else:
                self.runner.send_message(_CONTROL, {"rate": float(order["rate"])})
            self.tell("rate-changed", f"{float(order['rate']):g}/s")

    def _on_stopping(self, **_: Any) -> None:
        """The end: how long open requests may take is the runner's word, which may be waiting in the pipe."""
        self.stopping = True
        if self.control is not None:
            self.control.pump()
        if isinstance(self.runner, MasterRunner):
            self._drain_workers()
        elif self.generator is not None:
            self.generator.drain(self.drain)

    def _drain_workers(self) -> None:
        self.waiting = {client.id for client in self.runner.clients.all if client.state != "missing"}
        if not self.waiting:
            return
        self.runner.send_message(_CONTROL, {"drain": self.drain})
        self.all_told.wait(self.drain + 2 * _STOP_MARGIN)

    def _on_quit(self, **_: Any) -> None:
        if self.pipe is not None:
            self.pipe.flush(within=1.0)

    def from_worker(self, msg: Any, **_: Any) -> None:
        """A worker's records, for the runner."""
        records, ids, drained = ToMaster.unpack(msg.data)
        assert self.pipe is not None
        self.pipe.send(records, ids)
        if drained:
            self.waiting.discard(msg.node_id)
            if not self.waiting:
                self.all_told.set()

    def from_master(self, msg: Any, **_: Any) -> None:
        """An order from the runner, by way of the master."""
        assert self.generator is not None
        if "rate" in msg.data:
            self.generator.set_rate(msg.data["rate"])
        if "drain" in msg.data:
            self.generator.drain(float(msg.data["drain"]))
            self.runner.stop()
            outlet = self.generator.outlet
            assert isinstance(outlet, ToMaster)
            outlet.send([], {}, drained=True)

    def _look_after(self) -> None:
        """Twice a second: no load without a runner, none beyond its time, and no worker lost in silence."""
        while True:
            gevent.sleep(_CONTROL_EVERY)
            if runner_is_gone() or time.monotonic() > self.deadline:
                end_now()
            if isinstance(self.runner, MasterRunner) and not self.stopping:
                here = {client.id for client in self.runner.clients.all if client.state != "missing"}
                for lost in self.workers - here:
                    self.tell("worker-lost", f"{lost}: what it counted last is lost with it")
                self.workers = here


def on_init(environment: Any, runner: Any, **_: Any) -> None:
    """Take up this process's post."""
    setting = Setting.from_environment()
    post = Post(environment, setting)
    if isinstance(runner, WorkerRunner):
        if setting.control:
            die_with_parent()
        index = max(0, runner.worker_index)
        post.generator = Generator(environment, setting, ToMaster(runner), name=f"worker-{index}", index=index)
        post.generator.install()
        runner.register_message(_CONTROL, post.from_master, concurrent=True)
        return
    post.lead()
    assert post.pipe is not None
    if isinstance(runner, MasterRunner):
        runner.register_message(ToMaster.MESSAGE, post.from_worker)
        if setting.rate is not None:
            environment.user_classes = [door(lambda: None)]  # which a master never starts
        return
    post.generator = Generator(environment, setting, post.pipe, name="local", index=0)
    post.generator.install()


events.init.add_listener(on_init)  # type: ignore[no-untyped-call]
