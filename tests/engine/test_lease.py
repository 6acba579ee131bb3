"""Who holds the lease may write; who may have lost it writes nothing, whatever clock is wrong."""

import pytest

from chaos.engine import lease as leases
from chaos.engine.lease import Lease, LeaseLost
from chaos.errors import ClusterError, NotFound, NotReady


class Hands:
    """A clock that only tests move."""

    def __init__(self):
        self.at = 0.0

    def __call__(self):
        return self.at


@pytest.fixture
def now():
    return Hands()


@pytest.fixture
def lease(cluster, namespace, now):
    held = Lease(cluster, namespace, "run-1", 30.0, now=now)
    held.acquire()
    return held


def spec(cluster, namespace):
    return cluster.get("Lease", leases.NAME, namespace)["spec"]


def test_it_names_its_holder_and_is_given_back(cluster, namespace, lease):
    assert spec(cluster, namespace)["holderIdentity"] == "run-1"
    lease.release()
    with pytest.raises(NotFound):
        cluster.get("Lease", leases.NAME, namespace)
    lease.release()
    with pytest.raises(LeaseLost, match="given back"):
        lease.check()


def test_a_second_run_is_refused_with_the_facts(cluster, namespace, lease):
    with pytest.raises(NotReady, match=r"run run-1 is at work \(since .*last sign of life \d+ s ago\).*gameday stop"):
        Lease(cluster, namespace, "run-2", 30.0).acquire()


def test_a_lease_that_nobody_renews_is_taken_when_no_clock_can_be_that_wrong(cluster, namespace, lease):
    old = {"renewTime": "2026-01-05T09:00:00.000000Z"}
    cluster.patch("Lease", leases.NAME, namespace, {"spec": old})
    Lease(cluster, namespace, "run-2", 30.0).acquire()
    assert spec(cluster, namespace)["holderIdentity"] == "run-2"
    with pytest.raises(LeaseLost, match="held by run-2"):
        lease.renew()


def test_a_lease_that_ran_out_is_renewed_before_the_next_write_when_nobody_took_it(cluster, namespace, lease, now):
    before = spec(cluster, namespace)["renewTime"]
    lease.check()
    assert spec(cluster, namespace)["renewTime"] == before, "a valid lease costs no request"
    now.at = 29.0
    lease.check()
    assert spec(cluster, namespace)["renewTime"] > before


def test_a_stalled_run_whose_lease_was_taken_writes_nothing_more(cluster, namespace, lease, now):
    cluster.patch("Lease", leases.NAME, namespace, {"spec": {"holderIdentity": "guard/run-1"}})
    now.at = 60.0
    for _ in range(2):
        with pytest.raises(LeaseLost, match="the guard has taken over"):
            lease.check()


def test_without_an_answer_a_lease_that_ran_out_permits_nothing(now):
    class Silent:
        def create(self, obj):
            return {"metadata": {"uid": "1", "resourceVersion": "1"}, "spec": {}}

        def replace(self, obj):
            raise ClusterError("no answer")

    held = Lease(Silent(), "n", "run-1", 30.0, now=now)
    held.acquire()
    held.check()
    now.at = 28.0
    with pytest.raises(ClusterError, match="no answer"):
        held.check()
    assert held.lost == "", "an answer may still come"


def test_a_hand_that_only_touched_the_lease_does_not_end_the_run(cluster, namespace, lease):
    cluster.patch("Lease", leases.NAME, namespace, {"metadata": {"annotations": {"seen": "yes"}}})
    lease.renew()
    lease.check()


def test_a_deleted_lease_ends_the_run(cluster, namespace, lease):
    cluster.delete("Lease", leases.NAME, namespace)
    with pytest.raises(LeaseLost, match="deleted"):
        lease.renew()


def test_a_colleague_takes_over_only_from_who_is_silent(cluster, namespace, lease, now):
    with pytest.raises(NotReady, match="is at work"):
        leases.take_over(cluster, namespace, "run-1")
    cluster.patch("Lease", leases.NAME, namespace, {"spec": {"renewTime": "2026-01-05T09:00:00.000000Z"}})
    leases.take_over(cluster, namespace, "run-1")
    now.at = 60.0
    with pytest.raises(LeaseLost):
        lease.check()
    leases.forget(cluster, namespace, "run-1")
    leases.forget(cluster, namespace, "run-1")
    leases.take_over(cluster, namespace, "run-1")  # nobody holds it: nothing to take


def test_an_answer_that_was_lost_leaves_no_lease_behind(cluster, namespace):
    class Losing:
        """Does what it is asked to, and loses the answer."""

        def create(self, obj):
            cluster.create(obj)
            raise ClusterError("could not create lease/gameday-run: no answer")

        def __getattr__(self, name):
            return getattr(cluster, name)

    with pytest.raises(ClusterError, match="no answer"):
        Lease(Losing(), namespace, "run-1", 30.0).acquire()
    with pytest.raises(NotFound):
        cluster.get("Lease", leases.NAME, namespace)
