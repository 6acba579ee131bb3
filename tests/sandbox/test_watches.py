"""Watches: in order, from a revision on, as a selector sees it, and 410 when too much is forgotten."""

import asyncio
import json
import threading

import pytest

from chaos.sandbox import store as store_module
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.selectors import by_labels
from chaos.sandbox.store import Store
from chaos.sandbox.watches import Watch


def stored(store, name, **labels):
    return store.add("ConfigMap", {"metadata": {"name": name, "namespace": "n", "labels": labels}})


def lines(store, query, *, selector="", during=None):
    """What a watch tells until its time is over; `during` runs once it has begun."""

    async def collect():
        watch = Watch(store, KINDS["ConfigMap"], "n", by_labels(selector), lambda obj: obj)
        stream = watch.events({"timeoutSeconds": "0.05", **query})
        task = asyncio.ensure_future(_all(stream))
        await asyncio.sleep(0)
        if during:
            during()
        return await task

    async def _all(stream):
        return [json.loads(line) async for line in stream]

    return [(line["type"], line["object"].get("metadata", {}).get("name")) for line in asyncio.run(collect())]


def test_from_nothing_it_tells_all_and_then_what_changes():
    store = Store()
    stored(store, "a")
    assert lines(store, {}, during=lambda: stored(store, "b")) == [("ADDED", "a"), ("ADDED", "b")]


def test_from_a_revision_it_tells_what_came_after():
    store = Store()
    first = stored(store, "a")
    second = stored(store, "b")
    store.remove("ConfigMap", first)
    assert lines(store, {"resourceVersion": first["metadata"]["resourceVersion"]}) == [("ADDED", "b"), ("DELETED", "a")]
    assert lines(store, {"resourceVersion": second["metadata"]["resourceVersion"]}) == [("DELETED", "a")]


def test_to_a_selector_a_changed_label_is_an_arrival_or_a_departure():
    store = Store()
    obj = stored(store, "a", app="web")

    def relabel(app):
        store.put("ConfigMap", obj | {"metadata": obj["metadata"] | {"labels": {"app": app}}})

    start = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    assert lines(store, start, selector="app=web", during=lambda: relabel("db")) == [("DELETED", "a")]
    relabel("web")
    assert lines(store, start, selector="app=db") == [("ADDED", "a"), ("DELETED", "a")]


def test_a_client_may_ask_for_the_first_state_with_a_mark_at_its_end():
    store = Store()
    stored(store, "a")
    assert lines(store, {"sendInitialEvents": "true"}) == [("ADDED", "a"), ("BOOKMARK", None)]


def test_what_is_forgotten_is_410(monkeypatch):
    monkeypatch.setattr(store_module, "_HISTORY", 3)
    store = Store()
    for name in "abcde":
        stored(store, name)

    async def first():
        watch = Watch(store, KINDS["ConfigMap"], "n", by_labels(""), lambda obj: obj)
        return json.loads(await anext(watch.events({"resourceVersion": "2"})))

    line = asyncio.run(first())
    assert (line["type"], line["object"]["code"], line["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_the_official_client_watches(cluster, kubeconfig, namespace, make):
    from kubernetes import client, config, watch

    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    start = api.list_namespaced_config_map(namespace).metadata.resource_version
    cluster.create(make.config_map(namespace, a="1"))
    later = threading.Timer(0.1, cluster.delete, ("ConfigMap", "config", namespace))
    later.start()
    seen = []
    watching = watch.Watch()
    for event in watching.stream(api.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=10):
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            watching.stop()
    later.join()
    assert seen == [("ADDED", "config"), ("DELETED", "config")]


@pytest.mark.parametrize(
    ("query", "code"), [("resourceVersion=abc", 500), ("timeoutSeconds=soon", 400), ("labelSelector=a%20b", 400)]
)
def test_a_watch_that_makes_no_sense_is_refused(raw, namespace, query, code):
    assert raw("GET", f"/api/v1/namespaces/{namespace}/configmaps?watch=1&{query}")[0] == code
