"""The ledger's copy in the cluster holds all of it, whatever its size, and what does not match is never acted upon."""

import pytest

from chaos.engine import cluster_ledger
from chaos.engine.cluster_ledger import ClusterLedger, Mirrored
from chaos.errors import NotReady
from chaos.ledger import Entry, LedgerHeader
from chaos.model.run import Environment
from chaos.model.undo import DeleteOwn


def header(namespace, run="r1", started="2026-01-05T09:00:00"):
    environment = Environment(kind="sandbox", name="sandbox")
    place = {"kubeconfig": "/home/me/.kube/config", "context": "mine", "folder": "/home/me/reports/r1"}
    return LedgerHeader(run=run, scenario="s", environment=environment, started=started, namespace=namespace, ttl=30.0, **place)


def mirrored(step, targets=1):
    found = [{"kind": "Pod", "name": f"pod-{number}", "uid": f"{number:036}"} for number in range(targets)]
    entry = Entry(id=step, fault="pod-kill", step=step, undo="nothing", state={"targets": found})
    return Mirrored(entry=entry, calls=[DeleteOwn(kind="ConfigMap", name=step, labels={"a": "b"})])


def maps(cluster, namespace):
    return cluster.find("ConfigMap", namespace, labels={cluster_ledger.LABEL_RUN: "r1"})


@pytest.mark.parametrize(("targets", "parts"), [(1, 1), (1000, 1), (25_000, 4)])
def test_all_changes_are_read_back_as_they_were_written(targets, parts, cluster, namespace):
    changes = [mirrored("a", targets), mirrored("b")]
    ClusterLedger(cluster, header(namespace)).make(changes)
    assert len(maps(cluster, namespace)) == parts
    for each in maps(cluster, namespace):
        assert sum(len(value) for value in each["data"].values()) < 1_000_000
    (contents,) = cluster_ledger.read_all(cluster, namespace)
    assert contents.entries == [each.entry for each in changes]
    assert contents.corrupt == ""
    cluster_ledger.forget(cluster, namespace, "r1")
    cluster_ledger.forget(cluster, namespace, "r1")
    assert maps(cluster, namespace) == []


def test_more_than_the_guard_may_read_is_refused_before_anything_is_written(cluster, namespace, monkeypatch):
    monkeypatch.setattr(cluster_ledger, "_PART", 1000)
    with pytest.raises(NotReady, match="split it"):
        ClusterLedger(cluster, header(namespace)).make([mirrored("a", 200)])
    assert maps(cluster, namespace) == []


def test_it_says_nothing_of_the_machine_that_runs(cluster, namespace):
    ClusterLedger(cluster, header(namespace)).make([mirrored("a")])
    assert "/home/me" not in str(maps(cluster, namespace))
    assert "mine" not in str(maps(cluster, namespace))


def test_how_far_each_change_has_come_is_told(cluster, namespace):
    ledger = ClusterLedger(cluster, header(namespace))
    changes = [mirrored("a"), mirrored("b")]
    ledger.make(changes)
    ledger.tell(changes[0].entry.model_copy(update={"edge": "verified"}))
    assert len(cluster_ledger.read_all(cluster, namespace)[0].open) == 2, "not before it is written"
    ledger.flush()
    assert [entry.id for entry in cluster_ledger.read_all(cluster, namespace)[0].open] == ["b"]


@pytest.mark.parametrize(("by_others", "written"), [({"record": "{}"}, False), ({"edges": "{}"}, True)], ids=["guard", "lost"])
def test_once_the_guard_puts_things_back_the_ledger_is_the_guards(by_others, written, cluster, namespace):
    """A request that was held up for long, by a stalled machine say, must not come after the guard's; our own lost one may."""
    ledger = ClusterLedger(cluster, header(namespace))
    change = mirrored("a")
    ledger.make([change])
    cluster.patch("ConfigMap", cluster_ledger.ledger_name("r1"), namespace, {"data": by_others})
    ledger.tell(change.entry.model_copy(update={"edge": "verified"}))
    ledger.flush()
    assert (cluster_ledger.read_all(cluster, namespace)[0].open == []) is written


@pytest.mark.parametrize("damage", ["text", "part"])
def test_what_does_not_match_its_checksum_is_corrupt(damage, cluster, namespace):
    ClusterLedger(cluster, header(namespace)).make([mirrored("a", 10_000)])
    name = cluster_ledger.ledger_name("r1")
    if damage == "text":
        text = cluster.get("ConfigMap", f"{name}-1", namespace)["data"]["entries"]
        cluster.patch("ConfigMap", f"{name}-1", namespace, {"data": {"entries": text.replace("pod-", "bad-", 1)}})
    else:
        cluster.delete("ConfigMap", f"{name}-1", namespace)
    (contents,) = cluster_ledger.read_all(cluster, namespace)
    assert contents.corrupt
    assert contents.entries == []


def test_parts_without_a_head_are_no_ledger(cluster, namespace):
    """The head is made last: whoever died before it had changed nothing."""
    ClusterLedger(cluster, header(namespace)).make([mirrored("a", 10_000)])
    cluster.delete("ConfigMap", cluster_ledger.ledger_name("r1"), namespace)
    assert cluster_ledger.read_all(cluster, namespace) == []


def test_the_newest_run_comes_first(cluster, namespace):
    for run, started in (("r1", "2026-01-05T09:00:00"), ("r2", "2026-01-06T09:00:00")):
        ClusterLedger(cluster, header(namespace, run, started)).make([mirrored("a")])
    assert [contents.header.run for contents in cluster_ledger.read_all(cluster, namespace)] == ["r2", "r1"]
