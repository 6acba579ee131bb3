"""Pods are resized in place as a real server and kubelet do it."""

import pytest

HAD = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}


@pytest.fixture
def pod(cluster, namespace, make, ready):
    def begin(**resources):
        cluster.create(make.deployment(namespace, resources=resources))
        return ready(namespace)[0]

    return begin


@pytest.fixture
def resize(raw, namespace):
    def ask(pod, *steps, below="/resize"):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}{below}"
        patch = [{"op": op, "path": f"/spec/containers/0/{field}", "value": value} for op, field, value in steps]
        return raw("PATCH", path, patch, content="application/json-patch+json")

    return ask


def test_the_kubelet_follows_without_a_restart(cluster, namespace, pod, resize, until):
    made = pod(**HAD)
    before = made["status"]["containerStatuses"][0]
    assert before["resources"] == HAD
    assert before["allocatedResources"] == HAD["requests"]
    assert resize(made, ("replace", "resources/limits/cpu", "150m"))[0] == 200

    def told():
        return cluster.get("Pod", made["metadata"]["name"], namespace)["status"]["containerStatuses"][0]

    until(lambda: told()["resources"]["limits"]["cpu"] == "150m")
    assert (told()["restartCount"], told()["containerID"]) == (0, before["containerID"])


def test_nothing_but_resources_is_resized(pod, resize):
    made = pod(**HAD)
    status, answer = resize(made, ("replace", "image", "gameday-echo:2"))
    assert (status, answer["spec"]["containers"][0]["image"]) == (200, "gameday-echo:1")
    assert resize(made, ("replace", "resources/limits/cpu", "150m"), below="")[0] == 422


@pytest.mark.parametrize(
    ("had", "step", "words"),
    [
        (HAD, ("remove", "resources/limits/cpu", None), "limits cannot be removed"),
        ({"limits": HAD["limits"]}, ("replace", "resources/requests/cpu", "50m"), "QOS Class"),
        ({}, ("add", "resources/limits", {"cpu": "1"}), "QOS Class"),
    ],
)
def test_what_a_real_server_does_not_resize_is_refused(had, step, words, pod, resize):
    status, answer = resize(pod(**had), step)
    assert status == 422
    assert words in answer["message"]


@pytest.mark.parametrize(
    ("resources", "quality"),
    [({}, "BestEffort"), (HAD, "Burstable"), ({"limits": HAD["limits"]}, "Guaranteed")],
)
def test_quality_of_service(resources, quality, pod):
    assert pod(**resources)["status"]["qosClass"] == quality
