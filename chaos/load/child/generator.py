"""One generator process: a Locust runner on its own, or a worker. Each second it tells what happened in the last one."""

import time
import traceback
from pathlib import Path
from typing import Any

import gevent  # noqa: TID251

from chaos.load.child.arrivals import Crowd, door
from chaos.load.child.outlet import Outlet
from chaos.load.child.recorder import MOST_NAMES, Recorder
from chaos.load.child.schedule import Schedule
from chaos.load.child.sessions import Watch, degraded_by
from chaos.load.child.setting import Setting

_TICK = 0.01  # after the full second
_LATE = 0.5  # a tick later than this: the generator was stuck, the second is no data
_SILENT = 5.0
_MOST_NOTES = 10
_SATURATED = 90
_SATURATED_FOR = 3


class Generator:
    """Sends load and tells about it."""

    def __init__(self, environment: Any, setting: Setting, outlet: Outlet, *, name: str, index: int) -> None:
        self.environment = environment
        self.setting = setting
        self.outlet = outlet
        self.name = name
        shift = setting.clock_shift()
        self.now = time.monotonic if shift == 0 else (lambda: time.monotonic() + shift)
        self.recorder = Recorder(self.now)
        self.watch = Watch(self.recorder, setting.request_timeout, degraded_by(setting.degraded))
        self.crowd: Crowd | None = None
        self._index = index
        self._started = 0.0
        self._sent = False
        self._notes: list[dict[str, Any]] = []
        self._told: set[str] = set()
        self._cpu = time.process_time()
        self._cpu_at = self.now()
        self._busy = 0  # seconds in a row
        self._closed = False

    def install(self) -> None:
        """Watch the sessions, take over the users where a rate is asked for, and start to tick when the test starts."""
        self.watch.install(self.environment.user_classes)
        if any(not _speaks_http(kind) for kind in self.environment.user_classes):
            self.environment.events.request.add_listener(self._on_foreign_request)
        self.environment.events.user_error.add_listener(self._on_user_error)
        self.environment.events.test_start.add_listener(self._on_start)
        self.environment.events.test_stop.add_listener(self._on_stop)
        if self.setting.rate is not None:
            schedule = Schedule(
                self.setting.rate,
                self.now(),
                index=self._index,
                count=self.setting.processes,
                seed=self.setting.seed if self.setting.random_gaps else None,
            )
            self.crowd = Crowd(
                self.environment,
                self.recorder,
                schedule=schedule,
                cap=max(1, self.setting.in_flight_cap // self.setting.processes),
                fresh_every=self.setting.fresh_connections_every,
                seed=self.setting.seed + self._index,
            )
            self.environment.user_classes = [door(lambda: self.crowd)]

    def set_rate(self, rate: float) -> None:
        if self.crowd is not None:
            self.crowd.schedule.set_rate(rate, self.now())

    def drain(self, within: float) -> None:
        """Begin nothing new, and give what is open so long to end by itself; what is then left has failed."""
        if self.crowd is not None:
            self.crowd.closed = True
        self.watch.hold()
        deadline = self.now() + within
        while self.recorder.under_way() and self.now() < deadline:
            gevent.sleep(0.01)

    def note(self, what: str, detail: str) -> None:
        """Tell the runner something, once."""
        if (told := f"{what}: {detail}") not in self._told and len(self._told) < _MOST_NOTES:
            self._told.add(told)
            self._notes.append({"what": what, "detail": detail})

    def _on_start(self, **_: Any) -> None:
        if not self._started:
            self._started = self.now()
            if self.crowd is not None:
                self.crowd.schedule.set_rate(self.crowd.schedule.rate, self._started)
            gevent.spawn(self._tick)

    def _on_stop(self, **_: Any) -> None:
        """Everybody has gone: who was still waiting has failed, and all that is known is told."""
        if self._closed:
            return
        self._closed = True
        for pending, response in list(self.recorder.undecided.items()):
            self.watch.decide_unread(pending, response)
        self.recorder.undecided.clear()
        self.recorder.close()
        self._tell(None)

    def _tick(self) -> None:
        while not self._closed:
            second = int(self.now())
            gevent.sleep(max(0.0, second + 1 + _TICK - self.now()))
            if not self._closed:
                self._judge_forgotten()
                self._complain()
                late = self.now() - (second + 1)
                self._tell(second + 1, alive=second if late <= _LATE else None)

    def _tell(self, before: int | None, alive: int | None = None) -> None:
        records = []
        for second, names in self.recorder.drain(before).items():
            records.append({"second": second, "names": names, "worker": self.name})
        if alive is not None:
            mine = next((record for record in records if record["second"] == alive), None)
            if mine is None:
                records.append(mine := {"second": alive, "names": {}, "worker": self.name})
            mine |= self._heartbeat(alive)
        elif self.crowd is not None and before is None:
            records += self._rest()
        self._sent = self._sent or bool(self.recorder.asked)
        notes, self._notes = self._notes, []
        self.outlet.send(records + notes, self.recorder.ids.take())

    def _heartbeat(self, second: int) -> dict[str, Any]:
        cpu, at = time.process_time(), self.now()
        percent = 100 * (cpu - self._cpu) / max(0.001, at - self._cpu_at)
        self._cpu, self._cpu_at = cpu, at
        self._busy = self._busy + 1 if percent > _SATURATED else 0
        if self._busy >= _SATURATED_FOR:
            self.note(
                "saturated", f"{self.name} is busy for more than {_SATURATED} % of a CPU: latencies contain its own queue"
            )
        crowd = self.crowd
        beat = {
            "heartbeat": True,
            "in_flight": len(self.recorder.under_way()),
            "cpu_percent": round(percent, 1),
            "users": len(crowd.busy) if crowd else self.environment.runner.user_count,
        }
        if crowd:
            beat |= {"intended": float(crowd.intended.pop(second, 0)), "dropped": crowd.dropped.pop(second, 0)}
        return beat

    def _rest(self) -> list[dict[str, Any]]:
        """Arrivals of seconds that had no heartbeat: the last one, cut short, and those in which the generator was stuck."""
        assert self.crowd is not None
        return [
            {
                "second": second,
                "names": {},
                "worker": self.name,
                "intended": float(meant),
                "dropped": self.crowd.dropped[second],
            }
            for second, meant in sorted(self.crowd.intended.items())
        ]

    def _judge_forgotten(self) -> None:
        """An answer that the locustfile got hold of but never judged counts by its own merits, after a while."""
        limit = self.now() - max(1.0, self.setting.request_timeout)
        for pending, response in list(self.recorder.undecided.items()):
            if pending.end < limit:
                del self.recorder.undecided[pending]
                self.watch.decide_unread(pending, response)

    def _complain(self) -> None:
        if self.crowd is not None and self.crowd.missed:
            self.note("generator-late", "arrivals were more than a second late and were not sent: the generator was stuck")
        if self.recorder.folded:
            self.note("too-many-names", f"more than {MOST_NAMES} names: the rest counts as 'other'")
        if not self._sent and not self.recorder.under_way() and self.now() - self._started > _SILENT:
            self.note("no-requests", f"nothing has been sent in the first {_SILENT:g} s")

    def _on_user_error(self, exception: BaseException, tb: Any, **_: Any) -> None:
        frames = traceback.extract_tb(tb)
        ours = [frame for frame in frames if "site-packages" not in frame.filename and "/chaos/load/" not in frame.filename]
        where = (ours or frames)[-1:] if frames else []
        place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
        self.note("task-error", f"{type(exception).__name__}: {exception}{place}"[:300])

    def _on_foreign_request(
        self, name: str, response_time: float, exception: Any = None, response: Any = None, **_: Any
    ) -> None:
        """Requests of clients that are not Locust's own are known when they are over."""
        if type(response).__module__ in ("locust.clients", "locust.contrib.fasthttp"):
            return
        end = self.now()
        mark = (end - max(0.0, (response_time or 0.0) / 1000), name)
        if exception is None:
            self.recorder.good(mark, end)
        else:
            self.recorder.failed(mark, end, type(exception).__name__, "unanswered")


def _speaks_http(kind: Any) -> bool:
    return any(base.__name__ in ("HttpUser", "FastHttpUser") for base in kind.__mro__)
