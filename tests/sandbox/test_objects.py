"""Optimistic locking, preconditions, immutable fields, dry runs, finalizers, propagation, server-side apply."""

import pytest

from chaos.errors import ClusterError, Conflict, Forbidden, NotFound

APPLY = "application/apply-patch+yaml"


def path_of(namespace, name="config"):
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"


@pytest.fixture
def config(cluster, namespace, make):
    return cluster.create(make.config_map(namespace, a="1"))


def test_a_stale_version_is_a_conflict_and_changes_nothing(cluster, namespace, config):
    cluster.patch("ConfigMap", "config", namespace, {"data": {"a": "2"}})
    with pytest.raises(Conflict):
        cluster.replace(config | {"data": {"a": "3"}})
    version = config["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        cluster.patch("ConfigMap", "config", namespace, {"metadata": {"resourceVersion": version}, "data": {"a": "3"}})
    assert cluster.get("ConfigMap", "config", namespace)["data"] == {"a": "2"}


def test_a_failing_test_of_a_json_patch_changes_nothing(cluster, namespace, config):
    patch = [{"op": "replace", "path": "/data/a", "value": "3"}, {"op": "test", "path": "/metadata/uid", "value": "other"}]
    with pytest.raises(ClusterError) as refused:
        cluster.patch("ConfigMap", "config", namespace, patch, how="json")
    assert refused.value.status == 422
    assert cluster.get("ConfigMap", "config", namespace)["data"] == {"a": "1"}


def test_what_changes_nothing_is_no_new_version(cluster, namespace, config):
    same = cluster.patch("ConfigMap", "config", namespace, {"data": {"a": "1"}})
    assert same["metadata"]["resourceVersion"] == config["metadata"]["resourceVersion"]


def test_only_the_very_object_is_deleted(cluster, raw, namespace, config):
    status, answer = raw("DELETE", path_of(namespace), {"preconditions": {"uid": "another"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "UID in the precondition" in answer["message"]
    status, _ = raw("DELETE", path_of(namespace), {"preconditions": {"resourceVersion": "1"}})
    assert status == 409
    cluster.delete("ConfigMap", "config", namespace, uid=config["metadata"]["uid"])
    with pytest.raises(NotFound):
        cluster.get("ConfigMap", "config", namespace)


def test_the_servers_own_fields_cannot_be_written(cluster, raw, namespace, config):
    changed = {**config, "metadata": {**config["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 99}}
    assert cluster.replace(changed)["metadata"]["creationTimestamp"] == config["metadata"]["creationTimestamp"]
    status, answer = raw("PATCH", path_of(namespace), {"metadata": {"uid": "x"}}, content="application/merge-patch+json")
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "metadata.uid")
    with pytest.raises(Conflict):
        cluster.replace(config | {"metadata": config["metadata"] | {"uid": "x"}})


def test_names_are_generated_and_taken_once(cluster, namespace, make, config):
    with pytest.raises(Conflict):
        cluster.create(make.config_map(namespace))
    generated = make.config_map(namespace) | {"metadata": {"generateName": "made-", "namespace": namespace}}
    names = {cluster.create(generated)["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("made-") for name in names)


def test_immutable_fields_stay(cluster, namespace, make):
    cluster.create(make.deployment(namespace, replicas=0))
    address = cluster.create(make.service(namespace))["spec"]["clusterIP"]
    with pytest.raises(ClusterError, match="field is immutable"):
        cluster.patch("Deployment", "web", namespace, {"spec": {"selector": {"matchLabels": {"b": "c"}}}})
    with pytest.raises(ClusterError, match="may not change once set"):
        cluster.patch("Service", "web", namespace, {"spec": {"clusterIP": "127.1.1.1"}})
    kept = make.service(namespace)
    kept["metadata"]["resourceVersion"] = cluster.get("Service", "web", namespace)["metadata"]["resourceVersion"]
    assert cluster.replace(kept)["spec"]["clusterIP"] == address
    cluster.create(make.config_map(namespace, "fixed", a="1") | {"immutable": True})
    with pytest.raises(ClusterError, match="immutable"):
        cluster.patch("ConfigMap", "fixed", namespace, {"data": {"a": "2"}})


def test_a_dry_run_leaves_no_trace(cluster, raw, namespace, make, config):
    made = raw("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", make.config_map(namespace, "other"))
    assert made[0] == 201
    raw("DELETE", f"{path_of(namespace)}?dryRun=All")
    raw("PATCH", f"{path_of(namespace)}?dryRun=All", {"data": {"a": "9"}}, content="application/merge-patch+json")
    found = cluster.find("ConfigMap", namespace)
    assert [(each["metadata"]["name"], each["data"]) for each in found] == [("config", {"a": "1"})]


def test_generation_counts_changes_of_the_spec_and_status_is_apart(cluster, raw, namespace, make):
    made = cluster.create(make.deployment(namespace, replicas=0) | {"status": {"replicas": 7}})
    assert made["metadata"]["generation"] == 1
    assert made.get("status", {}).get("replicas") is None
    labelled = cluster.patch("Deployment", "web", namespace, {"metadata": {"labels": {"x": "y"}}, "status": {"replicas": 7}})
    assert labelled["metadata"]["generation"] == 1
    assert labelled.get("status", {}).get("replicas", 0) == 0
    paused = cluster.patch("Deployment", "web", namespace, {"spec": {"paused": True}})
    assert paused["metadata"]["generation"] == 2


def test_a_finalizer_holds_an_object_until_it_is_taken_off(cluster, namespace, config):
    cluster.patch("ConfigMap", "config", namespace, {"metadata": {"finalizers": ["x/y"]}})
    cluster.delete("ConfigMap", "config", namespace)
    assert cluster.get("ConfigMap", "config", namespace)["metadata"]["deletionTimestamp"]
    cluster.patch("ConfigMap", "config", namespace, {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        cluster.get("ConfigMap", "config", namespace)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_what_an_object_owns_goes_with_it(cluster, namespace, make, until, policy):
    cluster.create(make.deployment(namespace, replicas=0))
    until(lambda: cluster.find("ReplicaSet", namespace))
    cluster.delete("Deployment", "web", namespace, propagation=policy)
    until(lambda: not cluster.find("ReplicaSet", namespace) and not cluster.find("Deployment", namespace))


def test_orphans_stay(cluster, namespace, make, until):
    cluster.create(make.deployment(namespace, replicas=0))
    until(lambda: cluster.find("ReplicaSet", namespace))
    cluster.delete("Deployment", "web", namespace, propagation="Orphan")
    until(lambda: not cluster.find("Deployment", namespace))
    assert not cluster.find("ReplicaSet", namespace)[0]["metadata"].get("ownerReferences")


def test_server_side_apply(raw, namespace, make):
    def apply(manager, force="false", **data):
        query = f"?fieldManager={manager}&force={force}"
        return raw("PATCH", path_of(namespace) + query, make.config_map(namespace, **data), content=APPLY)

    assert apply("one", a="1", b="1")[0] == 201
    assert apply("two", c="2")[1]["data"] == {"a": "1", "b": "1", "c": "2"}
    status, answer = apply("two", a="2", c="2")
    assert status == 409
    assert 'conflict with "one"' in answer["message"]
    assert apply("two", force="true", a="2", c="2")[1]["data"]["a"] == "2"
    assert apply("one", b="1")[1]["data"] == {"a": "2", "b": "1", "c": "2"}, "what another one took over stays"
    assert apply("one", d="1")[1]["data"] == {"a": "2", "c": "2", "d": "1"}, "what only one applied, and no longer does, goes"
    assert raw("PATCH", path_of(namespace), make.config_map(namespace), content=APPLY)[0] == 422


def test_secrets_are_coded(cluster, raw, namespace):
    meta = {"name": "s", "namespace": namespace}
    made = cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": "b"}})
    assert (made["data"], made["type"], "stringData" in made) == ({"a": "Yg=="}, "Opaque", False)
    assert raw("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "t"}, "data": {"a": "!"}})[0] == 400


def test_a_services_address_goes_with_its_name(cluster, namespace, make):
    first = cluster.create(make.service(namespace))["spec"]["clusterIP"]
    other = cluster.create(make.service(namespace, "other"))["spec"]["clusterIP"]
    cluster.delete("Service", "web", namespace)
    assert cluster.create(make.service(namespace))["spec"]["clusterIP"] == first != other
    for wrong in (first, "10.0.0.1"):
        with pytest.raises(ClusterError, match="failed to allocate"):
            cluster.create(make.service(namespace, "third", clusterIP=wrong))
    with pytest.raises(ClusterError, match="1024"):
        cluster.create(make.service(namespace, "low", ports=[{"port": 80}]))


def test_the_first_namespaces_stay(cluster):
    with pytest.raises(Forbidden):
        cluster.delete("Namespace", "kube-system")
