"""What keeps a run safe beside its own `finally`: lease, ledger in the cluster, owner, and their heartbeat.

In this order, all before the first change: the lease (one run a namespace), the ledger (every change that may come, with its
undo), the owner (what is made goes when we are gone). A thread beats while the run lives. In the end they go, the ledger last
and only when all is clean.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from chaos.clients.world import Cluster, World
from chaos.clock import RealClock, since_boot, wait_until
from chaos.engine import cluster_ledger, fencing, owner
from chaos.engine import lease as leases
from chaos.engine.cluster_ledger import ClusterLedger, Mirrored
from chaos.engine.guarding import TTL
from chaos.engine.lease import Lease, LeaseLost
from chaos.engine.owner import Owner
from chaos.engine.place import Place
from chaos.engine.prepared import Prepared
from chaos.engine.stopping import StopFlag
from chaos.errors import GamedayError, Leftovers, NotReady
from chaos.ledger import Contents, LedgerHeader
from chaos.model.base import Record
from chaos.story import Story

_OWNER_WAITS = 60.0
"""Seconds that the owner waits longer where there is a guard: it has to do its work first, and belongs to the owner itself."""
_BEATS = 6
"""In a TTL."""
_TAKE_AWAY_WITHIN = 5.0  # seconds
_GUARD_WITHIN = 30.0  # seconds from taking over until the guard has put back what it can


class Safeguards:
    """Those of one run. `undoing` and `making` are the world as its changes may use it."""

    def __init__(self, world: World, header: LedgerHeader, stop: StopFlag) -> None:
        cluster, space, run = world.cluster, header.namespace, header.run
        ttl = header.ttl or TTL
        self.lease = Lease(cluster, space, run, ttl)
        self.ledger = ClusterLedger(cluster, header)
        self.undoing = fencing.undoing_world(world, self.lease.check)
        self._owner = Owner(cluster, space, run, ttl + (_OWNER_WAITS if header.ttl else 0.0))
        self._world = world
        self._header = header
        self._stop = stop
        self._every = ttl / _BEATS
        self._over = threading.Event()
        self._wake = threading.Event()

    def patience(self) -> float:
        """Seconds more for reading back: what the guard may take, once it has taken over."""
        return _GUARD_WITHIN if self.lease.lost else 0.0

    def making(self, change: Prepared) -> World:
        """For arming and striking this change: refuses when the run is stopped, and gives what is made its owner."""
        reference = self._owner.reference if change.only_makes else self.ledger.reference
        namespaced = {**reference, "namespace": self._header.namespace}
        return fencing.making_world(self._world, self.lease.check, self._stop, namespaced)

    def tell(self, record: Record) -> None:
        """A mirror of the ledger on disk; every change is in the cluster already, so only how far it has come is new."""
        self.ledger.tell(record)
        self._wake.set()

    @contextmanager
    def over(self, changes: Sequence[Prepared]) -> Iterator["Safeguards"]:
        """All in place and beating within; NotReady, with nothing touched, when they cannot be had."""
        self.lease.acquire()
        beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        try:
            refuse_open(self._world.cluster, self._header.namespace, self._header.run)
            self.ledger.make(
                [Mirrored(entry=each.entry, calls=each.calls, nothing_stays=each.nothing_stays) for each in changes]
            )
            self._owner.make()
        except BaseException as trouble:
            if left := self.end(clean=True):
                words = f"{trouble}; nothing was touched, but what keeps runs safe could not be taken away: {left}"
                raise Leftovers(words, commands=(f"gameday recover {self._header.run} --cluster",)) from trouble
            raise
        beating.start()
        try:
            yield self
        finally:
            self._over.set()
            self._wake.set()
            beating.join()

    def _beat(self) -> None:
        """Renew, and tell the cluster how far things have come. A beat that fails is followed by another one."""
        due = since_boot() + self._every
        while not self._over.is_set():
            self._wake.wait(max(0.0, due - since_boot()))
            self._wake.clear()
            if since_boot() >= due:
                self._sign_of_life()
                due = since_boot() + self._every
            _quietly(self._flush)

    def _flush(self) -> None:
        """How far things have come, while the lease is ours: what the guard has done meanwhile is not written over."""
        self.lease.check()
        self.ledger.flush()

    def _sign_of_life(self) -> None:
        try:
            self.lease.renew()
            self._owner.beat()
        except LeaseLost as error:
            self._stop.request("lease-lost", str(error))
        except GamedayError:
            return  # whoever wants to write is refused once the lease has run out

    def end(self, *, clean: bool) -> str:
        """Nothing of them stays but, where something is left to put back, the ledger; in words what could not be taken away."""
        self._over.set()  # no beat may take a lease that is given back for a lost one
        if self.lease.lost:
            return ""  # no more ours: who took the lease takes the rest away as well
        cluster, space, run = self._world.cluster, self._header.namespace, self._header.run
        if not clean:
            _quietly(self._flush)
            _quietly(self.lease.release)
            return ""
        forgotten = _insist(lambda: forget_all(cluster, space, run)) if self.ledger.begun else ""
        return _insist(self.lease.release) or forgotten


def forget_all(cluster: Cluster, namespace: str, run: str) -> None:
    """All of a run is clean: its owner goes, its ledger, and its lease; doing it twice changes nothing."""
    owner.forget(cluster, namespace, run)
    cluster_ledger.forget(cluster, namespace, run)


def _quietly(act: Callable[[], None]) -> None:
    with suppress(GamedayError):
        act()


def _insist(act: Callable[[], None]) -> str:
    trouble = ""

    def works() -> bool:
        nonlocal trouble
        try:
            act()
        except GamedayError as error:
            trouble = str(error)
            return False
        return True

    return "" if wait_until(works, clock=RealClock(), within=_TAKE_AWAY_WITHIN, every=0.2) else trouble


def refuse_busy(place: Place, story: Story) -> None:
    """NotReady while another run is at work where this story strikes, or has left something there. Reads only."""
    if place.world is not None and (story.faults or story.observe):
        leases.refuse_held(place.world.cluster, story.namespace)
        for contents in cluster_ledger.read_all(place.world.cluster, story.namespace):
            _refuse_left(contents, story.namespace)


def refuse_open(cluster: Cluster, namespace: str, run: str) -> None:
    """NotReady where another run left something to put back; what it left although all is clean is swept away."""
    for contents in cluster_ledger.read_all(cluster, namespace):
        if contents.header.run != run:
            _refuse_left(contents, namespace)
            forget_all(cluster, namespace, contents.header.run)


def _refuse_left(contents: Contents, namespace: str) -> None:
    if contents.corrupt or contents.open:
        left = contents.header.run
        raise NotReady(f"run {left} left something behind in {namespace}; first: gameday recover {left} --cluster")
