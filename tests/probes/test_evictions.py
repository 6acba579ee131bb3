"""Whether a disruption budget still keeps pods is asked of the API server, as a dry run, and never guessed."""

import pytest

from chaos.errors import ClusterError, NotFound, Refused
from chaos.model.dose import Dose, Expectation
from chaos.probes.evictions import look

KEPT = Refused("Cannot evict pod as it would violate the pod's disruption budget.", status=429)
BUDGET = {"metadata": {"name": "web"}, "status": {"currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}}
WANTED = Expectation(what="evicted", namespace="shop", name="web", workloads=["deployment/web"], uids=["a", "b"])


class Server:
    """Lists pods and budgets; answers a dry eviction as it was told to, and no other."""

    def __init__(self, *pods, answer=None):
        self.pods, self.answer, self.asked = pods, answer, []

    def find(self, kind, namespace, **selectors):
        pods = [{"metadata": {"name": uid, "namespace": namespace, "uid": uid, **more}} for uid, more in self.pods]
        return pods if kind == "Pod" else [BUDGET]

    def evict(self, pod, namespace, *, uid, dry):
        assert dry
        self.asked.append(pod)
        if self.answer:
            raise self.answer


def lines(server, *expected):
    return look(Dose(expect=list(expected or [WANTED]), words=""), server, step="s", fault="eviction")


@pytest.mark.parametrize(("answer", "refused"), [(KEPT, True), (None, False), (NotFound("gone"), False)])
def test_pods_that_stayed_are_asked_again(answer, refused):
    (line,) = lines(Server(("a", {}), ("other", {}), answer=answer))
    assert (line.asked, line.stayed, line.refused) == (2, 1, refused)
    assert (line.budget, line.workloads, line.healthy, line.needed, line.expected) == ("web", ["deployment/web"], 2, 1, 2)


def test_pods_on_their_way_out_have_left():
    server = Server(("a", {"deletionTimestamp": "now"}), answer=KEPT)
    assert (lines(server)[0].stayed, lines(server)[0].refused, server.asked) == (0, False, [])


def test_a_budget_speaks_for_all_its_pods():
    server = Server(*((str(number), {}) for number in range(50)), answer=KEPT)
    (line,) = lines(server, WANTED.model_copy(update={"uids": [str(number) for number in range(50)]}))
    assert (line.stayed, line.refused, len(server.asked)) == (50, True, 5)


def test_who_has_no_budget_is_not_asked_again():
    server = Server(("a", {}))
    assert (lines(server, WANTED.model_copy(update={"name": ""}))[0].stayed, server.asked) == (1, [])


@pytest.mark.parametrize("trouble", [ClusterError("no answer"), Refused("too many requests", status=429)])
def test_what_cannot_be_read_is_not_told(trouble):
    assert lines(Server(("a", {}), answer=trouble)) == []


def test_other_doses_ask_nothing():
    server = Server()
    assert lines(server, Expectation(what="pods-gone", uids=["a"])) == []
