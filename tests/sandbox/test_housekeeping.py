"""Garbage collection, jobs that delete themselves, namespaces that end."""

from chaos.errors import NotFound


def job(namespace, **spec):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "none", "image": "none"}]}}
    meta = {"name": "owner", "namespace": namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"parallelism": 0, "template": template} | spec}


def owned(obj, owner):
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return obj | {
        "metadata": obj["metadata"]
        | {"ownerReferences": [reference | {key: owner["metadata"][key] for key in ("name", "uid")}]}
    }


def is_gone(cluster, kind, name, namespace):
    try:
        cluster.get(kind, name, namespace)
    except NotFound:
        return True
    return False


def test_a_job_without_pods_takes_what_it_owns_with_it_at_its_deadline(cluster, namespace, make, until):
    owner = cluster.create(job(namespace, activeDeadlineSeconds=60, ttlSecondsAfterFinished=0))
    cluster.create(owned(make.config_map(namespace), owner))
    until(lambda: cluster.get("Job", "owner", namespace).get("status", {}).get("startTime"))
    assert not is_gone(cluster, "ConfigMap", "config", namespace)
    cluster.patch("Job", "owner", namespace, {"spec": {"activeDeadlineSeconds": 1}})
    until(lambda: is_gone(cluster, "ConfigMap", "config", namespace), within=5.0)
    assert is_gone(cluster, "Job", "owner", namespace)


def test_without_a_time_to_live_a_failed_job_stays(cluster, namespace, until):
    cluster.create(job(namespace, activeDeadlineSeconds=1))

    def failed():
        conditions = cluster.get("Job", "owner", namespace).get("status", {}).get("conditions", [])
        return [each["reason"] for each in conditions if each["type"] == "Failed"]

    assert until(failed, within=5.0) == ["DeadlineExceeded"]


def test_a_job_with_pods_is_refused(cluster, raw, namespace):
    status, answer = raw("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job(namespace, parallelism=1))
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "spec.parallelism")


def test_an_owner_elsewhere_is_no_owner(cluster, namespace, make, until):
    owner = cluster.create(make.config_map("default", f"owner-{namespace}"))
    cluster.create(owned(make.config_map(namespace, "lost"), owner))
    until(lambda: is_gone(cluster, "ConfigMap", "lost", namespace))
    cluster.delete("ConfigMap", f"owner-{namespace}", "default")


def test_one_of_two_owners_is_enough(cluster, namespace, make, until):
    one, two = (cluster.create(make.config_map(namespace, name)) for name in ("one", "two"))
    both = owned(make.config_map(namespace, "held"), one)
    both["metadata"]["ownerReferences"] += owned(both, two)["metadata"]["ownerReferences"]
    cluster.create(both)
    cluster.delete("ConfigMap", "one", namespace)
    cluster.patch("ConfigMap", "two", namespace, {"data": {"another": "pass of the controllers"}})
    assert not is_gone(cluster, "ConfigMap", "held", namespace)
    cluster.delete("ConfigMap", "two", namespace)
    until(lambda: is_gone(cluster, "ConfigMap", "held", namespace))


def test_a_namespace_ends_with_all_that_is_in_it(cluster, make, until, ready):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short-lived"}})
    until(lambda: cluster.find("ServiceAccount", "short-lived"))
    cluster.create(make.deployment("short-lived"))
    ready("short-lived")
    cluster.delete("Namespace", "short-lived")
    until(lambda: is_gone(cluster, "Namespace", "short-lived", ""))
    assert cluster.find("Pod", "short-lived") == []
