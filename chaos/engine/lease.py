"""One run a namespace: a Lease that the run renews while it lives, and without which it writes nothing.

Whoever takes the lease over (the guard, when it was silent for its time) changes the very object that we renew, so that the
next renewal fails and we know. Validity is counted from before each renewal by a clock that also runs while the machine
sleeps: it ends for us before anybody else may think that it has.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chaos.clients.world import Cluster, Obj
from chaos.clock import RealClock, since_boot, wait_until
from chaos.errors import ClusterError, Conflict, NotFound, NotReady
from chaos.injectors.base import LABEL_RUN, OWN_LABEL

NAME = "gameday-run"
GUARD = "guard/"
"""Before the run's id as holder: the guard has taken over."""
_GIVEN_BACK = "nobody: it was given back"
_MARGIN = 2.0  # seconds: a request under way must have ended before somebody else may take over
_GIVE_BACK_WITHIN = 5.0  # seconds; afterwards it runs out by itself
_SKEW = 30.0  # seconds that two machines' clocks may differ at most, when a lease that nobody renews is taken


class LeaseLost(NotReady):
    """Somebody else holds the lease by now: this run writes nothing more."""


class Lease:
    """The lease of one run on one namespace. Safe from any thread."""

    def __init__(
        self, cluster: Cluster, namespace: str, run: str, ttl: float, *, now: Callable[[], float] = since_boot
    ) -> None:
        self.lost = ""  # who has it by now, once it is lost for good
        self._cluster = cluster
        self._namespace = namespace
        self._run = run
        self._ttl = ttl
        self._now = now
        self._valid_until = 0.0
        self._held: Obj = {}
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Take it, or NotReady with the facts: who is at work there, and since when."""
        started = self._now()
        try:
            self._take()
        except ClusterError:
            self._give_back_what_may_have_landed()
            raise
        self._valid_until = started + self._ttl - _MARGIN

    def _take(self) -> None:
        try:
            self._held = self._cluster.create(self._wanted({}))
        except Conflict:
            refuse_held(self._cluster, self._namespace)
            found = self._cluster.get("Lease", NAME, self._namespace)
            try:
                self._held = self._cluster.replace(self._wanted(found))
            except Conflict:
                raise NotReady(
                    f"another run began in namespace {self._namespace} at this very moment; nothing was touched"
                ) from None

    def _give_back_what_may_have_landed(self) -> None:
        """No answer is not a no: the run does not begin, so that nobody must wait for a lease of its name."""

        def gone() -> bool:
            try:
                forget(self._cluster, self._namespace, self._run)
            except ClusterError:
                return False
            return True

        wait_until(gone, clock=RealClock(), within=_GIVE_BACK_WITHIN, every=0.2)

    def renew(self) -> None:
        """Hold it for another while. LeaseLost when somebody else has it; other trouble leaves it as long as it was."""
        with self._lock:
            self._refuse_lost()
            started = self._now()
            try:
                self._held = self._cluster.replace(self._wanted(self._held))
            except (Conflict, NotFound):
                self._look()
            self._valid_until = started + self._ttl - _MARGIN

    def _look(self) -> None:
        """The object has changed under us: by a hand that left it to us, or by somebody who took it."""
        try:
            found = self._cluster.get("Lease", NAME, self._namespace)
        except NotFound:
            self.lost = "nobody: it was deleted"
        else:
            holder = found["spec"].get("holderIdentity") or GUARD  # who is done with its work gives it back
            if holder == self._run:
                self._held = self._cluster.replace(self._wanted(found))
                return
            self.lost = holder
        self._refuse_lost()

    def check(self) -> None:
        """Before each write: LeaseLost or ClusterError unless the lease is valid; one that ran out is renewed if it can be."""
        self._refuse_lost()
        if self._now() >= self._valid_until:
            self.renew()

    def _refuse_lost(self) -> None:
        if self.lost:
            whose = "the guard has taken over" if self.lost.startswith(GUARD) else f"its lease is held by {self.lost}"
            raise LeaseLost(f"this run writes nothing more in namespace {self._namespace}: {whose}")

    def release(self) -> None:
        """Give it back, if it still is ours. When the API server fails meanwhile, it may be asked again."""
        with self._lock:
            if self.lost not in ("", _GIVEN_BACK) or not self._held:
                return
            self.lost = _GIVEN_BACK  # from now on nothing is written under it
            try:
                self._cluster.delete("Lease", NAME, self._namespace, uid=self._held["metadata"]["uid"])
            except NotFound:
                return

    def _wanted(self, found: Obj) -> Obj:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        meta = {"name": NAME, "namespace": self._namespace, "labels": {**OWN_LABEL, LABEL_RUN: self._run}}
        if found:
            meta["resourceVersion"] = found["metadata"]["resourceVersion"]
        before = found.get("spec", {}) if found.get("spec", {}).get("holderIdentity") == self._run else {}
        spec = {
            "holderIdentity": self._run,
            "leaseDurationSeconds": int(self._ttl),
            "acquireTime": before.get("acquireTime", now),
            "renewTime": now,
        }
        return {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}


def _held_by(lease: Obj) -> str:
    """Who holds a lease that is still valid, or may be, in words; "" when it is free to be taken."""
    spec = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    if not holder or not renewed:
        return ""
    age = datetime.now(UTC) - datetime.fromisoformat(renewed.replace("Z", "+00:00"))
    if age > timedelta(seconds=(spec.get("leaseDurationSeconds") or 0) + _SKEW):
        return ""
    who = (
        f"the guard of run {holder.removeprefix(GUARD)} is putting things back"
        if holder.startswith(GUARD)
        else f"run {holder} is at work"
    )
    return f"{who} (since {spec.get('acquireTime', renewed)}, last sign of life {max(0.0, age.total_seconds()):.0f} s ago)"


def refuse_held(cluster: Cluster, namespace: str) -> None:
    """NotReady, with the facts, while a run is at work in the namespace. Reads only."""
    try:
        words = _held_by(cluster.get("Lease", NAME, namespace))
    except NotFound:
        return
    if words:
        raise NotReady(f"{words} in namespace {namespace}; wait for it, or stop it: gameday stop")


def take_over(cluster: Cluster, namespace: str, run: str) -> None:
    """NotReady while that run gives signs of life. Afterwards it finds its lease lost, should it only have been stalled."""
    try:
        found = cluster.get("Lease", NAME, namespace)
        if (found["spec"].get("holderIdentity") or "") == run:
            if words := _held_by(found):
                raise NotReady(f"{words} in namespace {namespace}; stop it first, or try again when it is silent")
            cluster.replace({**found, "spec": {**found["spec"], "holderIdentity": GUARD + run}})
    except NotFound:
        return
    except Conflict as error:
        raise NotReady(f"run {run} gave a sign of life in namespace {namespace} at this very moment") from error


def forget(cluster: Cluster, namespace: str, run: str) -> None:
    """Delete the lease of a run that is no more, if it still holds it."""
    try:
        found = cluster.get("Lease", NAME, namespace)
        if (found["spec"].get("holderIdentity") or "").removeprefix(GUARD) in (run, ""):
            cluster.delete("Lease", NAME, namespace, uid=found["metadata"]["uid"])
    except NotFound:
        return


__all__ = ["GUARD", "NAME", "Lease", "LeaseLost", "forget"]
