"""Pods as processes: what they find, when they are ready, how they restart and end."""

import os
import signal
from pathlib import Path

import pytest


def pid_of(pod):
    return int(pod["status"]["containerStatuses"][0]["containerID"].removeprefix("process://"))


def alive(pid):
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def told(cluster, raw, namespace):
    """What an echo pod says about itself."""

    def tell(pod, path="", body=None):
        where = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}:8080/proxy/{path}"
        return raw("POST" if body else "GET", where, body)[1]

    return tell


@pytest.fixture
def start(cluster, namespace, make, ready):
    """One ready echo pod with these things in its container."""

    def begin(**container):
        cluster.create(make.deployment(namespace, **container))
        return ready(namespace)[0]

    return begin


def waiting(cluster, namespace):
    """Reason and message of each container that waits."""
    return [
        (status["state"].get("waiting", {}).get("reason"), status["state"].get("waiting", {}).get("message", ""))
        for pod in cluster.find("Pod", namespace)
        for status in pod["status"].get("containerStatuses", [])
    ]


def test_the_environment_of_a_container(cluster, namespace, make, start, told):
    cluster.create(make.config_map(namespace, a="1", b="2"))
    meta = {"name": "secret", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": "hush"}})
    address = cluster.create(make.service(namespace, "up-stream"))["spec"]["clusterIP"]
    pod = start(
        envFrom=[{"configMapRef": {"name": "config"}, "prefix": "C_"}],
        env=[
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}},
            {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "BOTH", "value": "$(C_a)-$(KEY)-$$(KEY)-$(NOBODY)"},
            {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "no", "optional": True}}},
            {"name": "URL", "value": "http://up-stream:8080/a?b=c"},
            {"name": "LONG", "value": f"https://up-stream.{namespace}.svc.cluster.local:8443"},
            {"name": "BARE", "value": "up-stream:8080"},
            {"name": "FUTURE", "value": "http://later:8080"},
            {"name": "ELSEWHERE", "value": "http://example.com:80/up-stream:1"},
            {"name": "LOCAL", "value": "http://localhost:8080"},
            {"name": "TIME", "value": "12:30"},
        ],
    )
    env = told(pod, "about")["env"]
    expected = {
        "C_a": "1",
        "C_b": "2",
        "KEY": "hush",
        "SPACE": namespace,
        "APP": "web",
        "BOTH": "1-hush-$(KEY)-$(NOBODY)",
        "URL": f"http://{address}:8080/a?b=c",
        "LONG": f"https://{address}:8443",
        "BARE": f"{address}:8080",
        "ELSEWHERE": "http://example.com:80/up-stream:1",
        "LOCAL": "http://localhost:8080",
        "TIME": "12:30",
        "POD_IP": pod["status"]["podIP"],
        "UP_STREAM_SERVICE_HOST": address,
        "UP_STREAM_SERVICE_PORT": "8080",
    }
    assert {key: env.get(key) for key in expected} == expected
    assert "NONE" not in env
    assert env["FUTURE"] == f"http://{cluster.create(make.service(namespace, 'later'))['spec']['clusterIP']}:8080"


def test_config_maps_and_secrets_are_files_that_follow_their_source(cluster, namespace, make, start, told, until):
    cluster.create(make.config_map(namespace, a="1", b="2"))
    meta = {"name": "secret", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": "hush"}})
    pod = start(
        volumes=[
            {"name": "c", "configMap": {"name": "config"}},
            {"name": "s", "secret": {"secretName": "secret", "items": [{"key": "key", "path": "deep/er.key"}]}},
            {"name": "e", "emptyDir": {}},
        ],
        volumeMounts=[
            {"name": "c", "mountPath": "/etc/config"},
            {"name": "s", "mountPath": "/etc/secret"},
            {"name": "e", "mountPath": "/tmp/own"},
        ],
    )
    told_first = told(pod, "about")
    assert told_first["files"] == {"etc/config/a": "1", "etc/config/b": "2"}
    root = Path(told_first["env"]["POD_ROOT"])
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "tmp/own").is_dir()
    cluster.patch("ConfigMap", "config", namespace, {"data": {"a": "new", "b": None, "c": "3"}})
    until(lambda: told(pod, "about")["files"] == {"etc/config/a": "new", "etc/config/c": "3"})
    cluster.delete("ConfigMap", "config", namespace)
    assert told(pod, "about")["files"] == {"etc/config/a": "new", "etc/config/c": "3"}, "files outlive their source"


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"image": "nosuch:1"}, ("ImagePullBackOff", "does not know the image nosuch:1")),
        ({"image": "python:3"}, ("ImagePullBackOff", "GAMEDAY_PROGRAM")),
        ({"envFrom": [{"configMapRef": {"name": "missing"}}]}, ("CreateContainerConfigError", 'configmap "missing" not found')),
        (
            {
                "volumes": [{"name": "v", "secret": {"secretName": "missing"}}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            },
            ("ContainerCreating", "MountVolume.SetUp failed"),
        ),
    ],
)
def test_what_keeps_a_container_from_starting_is_told(cluster, namespace, make, until, container, expected):
    reason, words = expected
    cluster.create(make.deployment(namespace, **container))
    until(lambda: any(found == reason and words in message for found, message in waiting(cluster, namespace)))
    assert cluster.find("Pod", namespace)[0]["status"]["phase"] == "Pending"


def test_what_was_missing_is_found_when_it_comes(cluster, namespace, make, until, ready):
    cluster.create(make.deployment(namespace, envFrom=[{"configMapRef": {"name": "config"}}]))
    until(lambda: waiting(cluster, namespace))
    cluster.create(make.config_map(namespace, a="1"))
    assert ready(namespace)


def test_a_command_is_never_executed(start, told, tmp_path):
    mark = tmp_path / "mark"
    told(start(command=["touch", str(mark)], args=["x"]))
    assert not mark.exists()


def test_a_killed_container_restarts_and_counts(cluster, namespace, start, until, ready):
    pod = start()
    os.kill(pid_of(pod), signal.SIGKILL)

    def restarted():
        found = cluster.get("Pod", pod["metadata"]["name"], namespace)
        status = found["status"]["containerStatuses"][0]
        return status if status["restartCount"] == 1 and status["ready"] else None

    status = until(restarted)
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert ready(namespace)[0]["metadata"]["uid"] == pod["metadata"]["uid"], "it is the same pod"


def test_a_container_that_keeps_dying_backs_off(cluster, namespace, make, until):
    deployment = make.deployment(namespace, env=[{"name": "START_DELAY", "value": "nonsense"}])
    cluster.create(deployment)
    until(lambda: "CrashLoopBackOff" in str(waiting(cluster, namespace)))
    pod = cluster.find("Pod", namespace)[0]
    assert "ValueError" in cluster.pod_log(namespace, pod["metadata"]["name"])
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_failing_liveness_probe_restarts(cluster, namespace, start, told, until):
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    pod = start(livenessProbe=probe)
    told(pod, "sick")
    until(lambda: cluster.get("Pod", pod["metadata"]["name"], namespace)["status"]["containerStatuses"][0]["restartCount"] == 1)
    events = [
        event["reason"] for event in cluster.find("Event", namespace, fields=f"involvedObject.name={pod['metadata']['name']}")
    ]
    assert {"Unhealthy", "Killing"} <= set(events)


def test_a_pod_ends_at_once_or_within_its_grace(cluster, namespace, make, ready, until):
    cluster.create(make.deployment(namespace, env=[{"name": "STUBBORN", "value": "1"}], terminationGracePeriodSeconds=1))
    first = ready(namespace)[0]
    cluster.delete("Pod", first["metadata"]["name"], namespace)
    ending = cluster.get("Pod", first["metadata"]["name"], namespace)
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 1
    assert alive(pid_of(first)), "it gets its grace"
    until(lambda: not alive(pid_of(first)))
    second = ready(namespace)[0]
    cluster.delete("Pod", second["metadata"]["name"], namespace, grace=0)
    assert second["metadata"]["uid"] not in [pod["metadata"]["uid"] for pod in cluster.find("Pod", namespace)]
    until(lambda: not alive(pid_of(second)))
    assert ready(namespace)[0]["status"]["podIP"] not in (first["status"]["podIP"], second["status"]["podIP"])


@pytest.mark.parametrize("end", [("0", "Succeeded"), ("3", "Failed")])
def test_a_pod_that_may_rest_ends_for_good(cluster, namespace, make, told, until, end):
    code, phase = end
    template = make.deployment(namespace)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once", "namespace": namespace}, "spec": template["spec"]}
    cluster.create(pod | {"spec": pod["spec"] | {"restartPolicy": "Never"}})
    made = until(lambda: (found := cluster.get("Pod", "once", namespace))["status"].get("phase") == "Running" and found)
    until(lambda: told(made).get("pod") == "once")
    told(made, "exit", code.encode())
    until(lambda: cluster.get("Pod", "once", namespace)["status"]["phase"] == phase)


def test_pods_spread_over_the_zones_and_cordoned_nodes_get_none(cluster, namespace, make, ready, until):
    cluster.create(make.deployment(namespace, replicas=3))
    pods = ready(namespace)
    assert {pod["metadata"]["labels"]["topology.kubernetes.io/zone"] for pod in pods} == {"zone-a", "zone-b", "zone-c"}
    node = pods[0]["spec"]["nodeName"]
    cluster.patch("Node", node, "", {"spec": {"unschedulable": True}})
    try:
        cluster.delete("Pod", pods[0]["metadata"]["name"], namespace, grace=0)
        assert node not in [pod["spec"]["nodeName"] for pod in ready(namespace)]
    finally:
        cluster.patch("Node", node, "", {"spec": {"unschedulable": None}})


def test_a_pod_that_fits_nowhere_waits(cluster, namespace, make, until):
    deployment = make.deployment(namespace)
    deployment["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    cluster.create(deployment)

    def why():
        return [each.get("reason") for pod in cluster.find("Pod", namespace) for each in pod["status"].get("conditions", [])]

    until(lambda: why() == ["Unschedulable"])
    assert "nodeName" not in cluster.find("Pod", namespace, fields="status.phase=Pending")[0]["spec"]
