"""Open load: customers arrive by a schedule, each does one task of the locustfile's users in a greenlet of its own.

Slow answers do not make fewer customers come. A customer borrows a user that is free, with its session and cookies, or becomes
a new one; connections are made anew every so many customers, since keep-alive would pin users to one pod.
"""

import functools
import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent  # noqa: TID251
from gevent.pool import Group  # noqa: TID251
from locust import SequentialTaskSet, TaskSet, User  # noqa: TID251
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser  # noqa: TID251
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet  # noqa: TID251

from chaos.load.child.recorder import Recorder
from chaos.load.child.schedule import Schedule

LATEST = 1.0
"""Seconds after which an arrival that the generator missed is given up: to send it now would be another load."""
_NAP = 0.05

logger = logging.getLogger(__name__)


class Crowd:
    """All customers of one generator process."""

    def __init__(
        self, environment: Any, recorder: Recorder, *, schedule: Schedule, cap: int, fresh_every: int, seed: int
    ) -> None:
        self.schedule = schedule
        self.environment = environment
        self.recorder = recorder
        self.busy = Group()
        self.intended: Counter[int] = Counter()  # second -> arrivals meant for it
        self.dropped: Counter[int] = Counter()
        self.missed = 0
        self.closed = False  # nobody is let in any more
        self.users: list[type[User]] = [kind for kind in environment.user_classes if kind.weight > 0]
        self._weights = [kind.weight for kind in self.users]
        self._cap = cap
        self._fresh_every = fresh_every
        self._random = random.Random(seed)  # noqa: S311
        self._idle: dict[type[User], list[User]] = {kind: [] for kind in self.users}
        self._served: Counter[User] = Counter()

    def admit(self) -> None:
        """Send everybody who is due."""
        now = self.recorder.now()
        if self.closed:
            return
        for at in self.schedule.due(now):
            second = int(at)
            self.intended[second] += 1
            if now - at > LATEST:
                self.missed += 1
                continue
            if len(self.busy) >= self._cap:
                self.dropped[second] += 1
                self.recorder.not_sent(self._wanted(), f"{self._cap} in flight")
            else:
                self.busy.spawn(self._serve, self._random.choices(self.users, self._weights)[0])

    def nap(self) -> float:
        """How long nobody is due."""
        return _NAP if self.closed else max(0.0, min(_NAP, self.schedule.next_at - self.recorder.now()))

    def leave(self) -> None:
        """Cut off who is still busy; then the users stop, as Locust's do."""
        self.busy.kill(block=True, timeout=1.0)
        parting = Group()
        for kind, users in self._idle.items():
            if kind.on_stop is not User.on_stop:
                for user in users:
                    parting.spawn(_part, user)
        parting.join(timeout=1.0)
        parting.kill(block=True, timeout=1.0)

    def _serve(self, kind: type[User]) -> None:
        """One customer: one task of a user of this kind."""
        idle = self._idle[kind]
        user = idle.pop() if idle else None
        try:
            if user is None:
                user = self._new(kind)
            user._greenlet = gevent.getcurrent()
            user._state = LOCUST_STATE_RUNNING
            do_one(user._taskset_instance, functools.partial(self._report, user))
            self._served[user] += 1
            if self._fresh_every and self._served[user] % self._fresh_every == 0:
                _hang_up(user)
            idle.append(user)
        except (StopUser, StopTest):
            if user is not None:
                del self._served[user]
                _part(user)
        except Exception as error:  # its on_start, which may raise anything: this customer never was
            self._report(user, error)

    def _report(self, user: User | None, error: Exception) -> None:
        """As Locust does with what a task raises: tell, and go on."""
        self.environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
        logger.error("%s\n%s", error, "".join(traceback.format_exception(error)))

    def _wanted(self) -> str:
        """What a customer who could not be sent would have asked for: as likely as others asked for it."""
        asked = self.recorder.asked
        return self._random.choices(list(asked), list(asked.values()))[0] if asked else "arrival"

    def _new(self, kind: type[User]) -> User:
        if self.environment.host:
            kind.host = self.environment.host  # as Locust does for the users that it starts itself
        user = kind(self.environment)
        user._group = self.busy
        user._greenlet = gevent.getcurrent()
        user._state = LOCUST_STATE_RUNNING
        user._taskset_instance = DefaultTaskSet(user)
        user.on_start()
        return user


def do_one(tasks: Any, report: Callable[[Exception], None]) -> None:
    """Do one task; of a task set inside, one of its tasks; of a sequence, all of them once and in order."""
    rounds = len(tasks.tasks) if isinstance(tasks, SequentialTaskSet) else 1
    for _ in range(rounds):
        try:
            task = tasks.get_next_task()
            if isinstance(task, type) and issubclass(task, TaskSet):
                inside = task(tasks.user if isinstance(tasks, DefaultTaskSet) else tasks)
                inside.on_start()
                try:
                    do_one(inside, report)
                finally:
                    _part(inside)
            else:
                tasks.execute_task(task)
        except (RescheduleTask, RescheduleTaskImmediately):
            continue
        except InterruptTaskSet:
            return
        except (StopUser, StopTest):
            raise
        except Exception as error:  # a locustfile may raise anything
            report(error)


def _part(user: Any) -> None:
    """The user, or its task set, is done for good."""
    user.on_stop()


def _hang_up(user: User) -> None:
    """Close the user's connections; cookies and everything else stay."""
    session: Any = getattr(user, "client", None)
    if agent := getattr(session, "client", None):
        if getattr(user, "client_pool", None) is None and hasattr(agent, "clientpool"):
            agent.clientpool.close()
    elif hasattr(session, "adapters") and getattr(user, "pool_manager", None) is None:
        session.close()


def door(crowd_of: Any) -> type[User]:
    """The one Locust user that lets customers in; Locust starts and stops it, one in each generator process."""

    class Arrivals(User):
        def run(self) -> None:  # type: ignore[misc]
            self._state = LOCUST_STATE_RUNNING
            crowd: Crowd = crowd_of()
            try:
                while True:
                    crowd.admit()
                    gevent.sleep(crowd.nap())
            finally:
                crowd.leave()

    return Arrivals
