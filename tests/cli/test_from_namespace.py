import pytest

from chaos.catalogue import load_story
from chaos.cli.from_namespace import files_for
from chaos.errors import BadInput


def service(namespace, name, *, kind="ClusterIP", selector=True):
    spec = {"type": kind, "ports": [{"port": 8080}]}
    spec |= {"externalName": "vendor.example"} if kind == "ExternalName" else {"selector": {"app": name}} if selector else {}
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def deployment(namespace, name, replicas):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "not-there:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.fixture
def shop(cluster, namespace):
    for name, replicas in (("web", 2), ("stock", 1)):
        cluster.create(service(namespace, name))
        cluster.create(deployment(namespace, name, replicas))
    cluster.create(service(namespace, "bank", selector=False))
    return namespace


def written(files, folder):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_live_namespace_gives_a_valid_first_scenario(cluster, shop, tmp_path):
    written(files_for("first", cluster, shop), tmp_path)
    story = load_story(tmp_path / "scenarios/first.yaml")
    assert (story.namespace, story.load.target.service, story.load.target.port) == (shop, "web", 8080)
    assert story.faults["pod-dies"].selector == {"app": "web"}
    assert {each.id: each.kind for each in story.service.dependencies} == {
        "web": "internal",
        "stock": "internal",
        "bank": "vendor",
    }
    assert story.caps.last_replica is None


def test_the_entrance_can_be_named_and_a_single_pod_needs_its_reason(cluster, namespace, tmp_path):
    cluster.create(service(namespace, "alone"))
    cluster.create(deployment(namespace, "alone", 1))
    written(files_for("first", cluster, namespace, entry="alone"), tmp_path)
    story = load_story(tmp_path / "scenarios/first.yaml")
    assert story.load.target.service == "alone"
    assert story.caps.last_replica is not None


def test_it_says_what_is_missing(cluster, namespace):
    with pytest.raises(BadInput, match="has no Service"):
        files_for("first", cluster, namespace)
    cluster.create(service(namespace, "bank", selector=False))
    with pytest.raises(BadInput, match="has a Deployment behind it"):
        files_for("first", cluster, namespace)
    with pytest.raises(BadInput, match="has no Service gone; it has bank"):
        files_for("first", cluster, namespace, entry="gone")
