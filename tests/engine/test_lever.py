"""While the safety lever is engaged nothing strikes: runs under way stop, new ones refuse."""

import pytest

from chaos.clients.proxies import PodProxies
from chaos.clients.world import World
from chaos.engine import lever
from chaos.engine.place import Place
from chaos.engine.stopping import StopFlag
from chaos.errors import NotReady


@pytest.fixture
def place(cluster):
    yield Place(environment=cluster.environment, world=World(cluster=cluster, proxies=PodProxies(cluster)))
    lever.release(cluster)


def test_a_new_run_refuses_while_it_is_engaged(place, cluster):
    lever.refuse(place)
    assert lever.engage(cluster, by="ann", since="noon", because="incident 7")
    with pytest.raises(NotReady, match="engaged by ann at noon: incident 7"):
        lever.refuse(place)
    assert lever.release(cluster)
    lever.refuse(place)


def test_a_config_map_made_by_hand_engages_it(place, cluster):
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": lever.NAME, "namespace": lever.NAMESPACE}})
    with pytest.raises(NotReady, match="is engaged; nothing was touched"):
        lever.refuse(place)


def test_the_first_hand_on_it_keeps_its_words(place, cluster):
    assert lever.engage(cluster, by="ann", since="noon", because="first")
    assert not lever.engage(cluster, by="bob", since="later", because="second")
    assert lever.engaged(cluster) == "engaged by ann at noon: first"
    assert lever.release(cluster)
    assert not lever.release(cluster)


def test_a_run_under_way_stops_within_two_seconds(place, cluster):
    stop = StopFlag()
    with lever.obeyed(place, stop):
        assert not stop.event.wait(2 * lever.LOOK_EVERY)
        lever.engage(cluster, by="ann", since="noon", because="")
        assert stop.event.wait(2.0)
    assert (stop.why.reason, stop.why.detail) == ("kill-switch", "the safety lever is engaged by ann at noon")


def test_without_a_cluster_there_is_none(place):
    nowhere = Place(environment=place.environment)
    stop = StopFlag()
    lever.refuse(nowhere)
    with lever.obeyed(nowhere, stop):
        assert not stop.is_set
