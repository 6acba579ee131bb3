"""Who consumes a ConfigMap or Secret, and how, is found in every place where a pod can name it."""

import pytest

from chaos.injectors.consumers import consumers, notes


class Listed:
    """A cluster that has these workloads."""

    def __init__(self, **workloads):
        self._workloads = workloads

    def find(self, kind, namespace):
        specs = self._workloads.get(kind, {})
        return [{"metadata": {"name": name, "namespace": namespace}, "spec": _spec(pod)} for name, pod in specs.items()]


def _spec(pod):
    return {"template": {"spec": {"containers": [{}], **pod}}}


def mounted(source, **mount):
    return {"containers": [{"volumeMounts": [{"name": "v", **mount}]}], "volumes": [{"name": "v", **source}]}


CONFIG = {"configMap": {"name": "own"}}


@pytest.mark.parametrize(
    ("pod", "ways"),
    [
        ({"containers": [{"envFrom": [{"configMapRef": {"name": "own"}}]}]}, ("env",)),
        ({"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "own", "key": "a"}}}]}]}, ("env",)),
        ({"initContainers": [{"envFrom": [{"configMapRef": {"name": "own"}}]}]}, ("env",)),
        (mounted(CONFIG), ("volume",)),
        (mounted(CONFIG, subPath="a"), ("sub-path",)),
        (mounted({"projected": {"sources": [CONFIG]}}), ("volume",)),
        ({"containers": [{"envFrom": [{"configMapRef": {"name": "other"}}]}]}, None),
        ({"containers": [{"envFrom": [{"secretRef": {"name": "own"}}]}]}, None),
        ({**mounted(CONFIG), "containers": [{}]}, None),
        ({"containers": [{"env": [{"value": "own"}, {"valueFrom": {"fieldRef": {"fieldPath": "own"}}}]}]}, None),
    ],
)
def test_each_way_to_a_config_map(pod, ways):
    found = consumers(Listed(Deployment={"web": pod}), "ConfigMap", "own", "space")
    assert [each.ways for each in found] == ([ways] if ways else [])


@pytest.mark.parametrize(
    ("pod", "ways"),
    [
        (mounted({"secret": {"secretName": "own"}}), ("volume",)),
        ({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "own", "key": "a"}}}]}]}, ("env",)),
        ({"imagePullSecrets": [{"name": "own"}]}, ("image-pull",)),
        (mounted(CONFIG), None),
    ],
)
def test_each_way_to_a_secret(pod, ways):
    found = consumers(Listed(StatefulSet={"db": pod}), "Secret", "own", "space")
    assert [each.ways for each in found] == ([ways] if ways else [])


@pytest.mark.parametrize(
    ("pod", "key", "consumed"),
    [
        ({"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "own", "key": "a"}}}]}]}, "b", False),
        (mounted(CONFIG, subPath="a"), "b", False),
        (mounted({"configMap": {"name": "own", "items": [{"key": "a", "path": "x"}]}}), "b", False),
        (mounted({"configMap": {"name": "own", "items": [{"key": "a", "path": "x"}]}}), "a", True),
        (mounted(CONFIG), "b", True),
    ],
)
def test_only_who_takes_the_struck_keys_counts(pod, key, consumed):
    assert bool(consumers(Listed(DaemonSet={"log": pod}), "ConfigMap", "own", "space", [key])) is consumed


def test_notes_name_each_workload_and_when_it_feels_a_change():
    both = {**mounted(CONFIG, subPath="a")}
    both["containers"][0]["envFrom"] = [{"configMapRef": {"name": "own"}}]
    more = {"containers": [{"envFrom": [{"configMapRef": {"name": "own"}}]}]}
    told = notes(consumers(Listed(Deployment={"web": both}, StatefulSet={"db": more}), "ConfigMap", "own", "space"))
    assert "environment of deployment/web, statefulset/db: only containers that start later" in told[0]
    assert "by deployment/web: these never change" in told[1]
    assert len(told) == 2
