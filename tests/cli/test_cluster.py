"""`gameday cluster` and `gameday trust`: what they refuse and say; with `-m cluster` the shop on a real kind cluster."""

import json
import os
import sys
from pathlib import Path

import pytest

from chaos import trust
from chaos.cli import kind_shop
from chaos.errors import BadInput, NotFound
from chaos.model.run import Environment


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("GAMEDAY_TRUST", raising=False)


@pytest.fixture
def no_clusters(tmp_path, monkeypatch):
    """A machine whose kind has made no cluster."""
    program = tmp_path / "bin" / "kind"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent))


def test_a_cluster_that_is_not_there_is_not_ready(gameday, no_clusters):
    answer = gameday("cluster", "status")
    assert answer.code == 5
    assert "gameday cluster up" in answer.out
    assert json.loads(gameday("cluster", "status", "--json").out) == {"up": False}


def test_taking_away_what_is_not_there_is_fine_and_ends_trust_in_its_name(gameday, no_clusters):
    trust.add(Environment(kind="kind", name="kind-gameday", fingerprint="f" * 32), how="made")
    answer = gameday("cluster", "down")
    assert (answer.code, "no kind cluster gameday" in answer.out) == (0, True)
    assert trust.trusted() == []


def test_without_kind_it_says_where_to_find_it(gameday, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    answer = gameday("cluster", "up")
    assert answer.code == 5
    assert "kind.sigs.k8s.io" in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--weak", "no-timeuot"), "no-timeout"),
        (("up", "--weak", "no-timeout", "--empty"), "cannot be weak"),
        (("up", "--on", "somewhere"), "--shop-image"),
    ],
)
def test_what_cannot_be_meant_is_bad_input(gameday, no_clusters, arguments, words):
    answer = gameday("cluster", *arguments)
    assert answer.code == 2
    assert words in answer.err


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("python:3.13-slim", "docker.io/library/python:3.13-slim"),
        ("acme/shop:1", "docker.io/acme/shop:1"),
        ("ghcr.io/shopify/toxiproxy:2.12.0", "ghcr.io/shopify/toxiproxy:2.12.0"),
        ("localhost/x:1", "localhost/x:1"),
        ("registry:5000/x:1", "registry:5000/x:1"),
    ],
)
def test_images_are_compared_by_their_whole_names(short, whole):
    assert kind_shop.whole_name(short) == whole


class Namespaces:
    """A cluster with one namespace and its deployments, by the part that they are of."""

    def __init__(self, *parts, there=True):
        self.parts, self.there, self.deleted = parts, there, []

    def get(self, kind, name, namespace=""):
        if not self.there:
            raise NotFound(name)
        return {"metadata": {"name": name, "uid": "u1"}}

    def find(self, kind, namespace=""):
        labels = [{"app.kubernetes.io/part-of": part} if part else {} for part in self.parts]
        return [{"metadata": {"name": f"d{number}", "labels": each}} for number, each in enumerate(labels)]

    def delete(self, kind, name, namespace="", *, uid=""):
        self.deleted.append((kind, name, uid))


def test_the_shop_is_taken_away_by_uid():
    cluster = Namespaces("shop", "payment-vendor")
    assert kind_shop.remove_shop(cluster)
    assert cluster.deleted == [("Namespace", "shop", "u1")]
    assert not kind_shop.remove_shop(Namespaces(there=False))


@pytest.mark.parametrize("parts", [("shop", "other"), ("shop", ""), ()])
def test_a_namespace_of_somebody_else_is_left_alone(parts):
    cluster = Namespaces(*parts)
    with pytest.raises(BadInput, match="left alone"):
        kind_shop.remove_shop(cluster)
    assert cluster.deleted == []


def test_a_cluster_that_is_not_kind_is_asked_by_its_context(gameday, kubeconfig):
    seen = json.loads(gameday("cluster", "status", "--on", "sandbox", "--kubeconfig", kubeconfig, "--json").out)
    assert (seen["up"], seen["trusted"], bool(seen["nodes"])) == (True, True, True)


def test_the_shop_comes_to_a_context_and_is_taken_away_again(gameday, kubeconfig, cluster):
    place = ("--on", "sandbox", "--kubeconfig", kubeconfig)
    up = gameday("cluster", "up", *place, "--shop-image", "gameday-shop:1")
    assert up.code == 0, up.err
    assert "waiting for" in up.err
    shop = json.loads(gameday("cluster", "status", *place, "--json").out)["shop"]
    assert shop
    assert all(each["ready"] == each["wanted"] for each in shop)
    down = gameday("cluster", "down", *place)
    assert (down.code, down.out) == (0, "the shop is deleted\n")


# -- trust -----------------------------------------------------------------------------------------------------------


def test_trust_wants_to_know_exactly_one_thing(gameday):
    for arguments in ((), ("--list", "--remove", "x"), ("--on", "a", "--kind", "b")):
        answer = gameday("trust", *arguments)
        assert answer.code == 2
        assert "--on CONTEXT" in answer.err


def test_trusted_clusters_are_listed_and_removed(gameday):
    assert "No cluster is trusted yet" in gameday("trust", "--list").out
    trust.add(Environment(kind="cluster", name="staging", fingerprint="a" * 32), how="asked", when="2026-01-05")
    assert "staging" in gameday("trust", "--list").out
    (entry,) = json.loads(gameday("trust", "--list", "--json").out)
    assert (entry["name"], entry["how"], entry["fingerprint"]) == ("staging", "asked", "a" * 32)
    assert gameday("trust", "--remove", "staging").code == 0
    assert gameday("trust", "--remove", "staging").code == 2
    assert json.loads(gameday("trust", "--list", "--json").out) == []


def test_the_sandbox_needs_no_trust_and_has_a_fingerprint(gameday, kubeconfig):
    assert "by itself" in gameday("trust", "--on", "sandbox", "--kubeconfig", kubeconfig).out
    assert len(gameday("trust", "--on", "sandbox", "--kubeconfig", kubeconfig, "--fingerprint").out.strip()) == 32
    assert trust.trusted() == []


def test_a_context_that_is_not_there_is_not_ready(gameday, tmp_path):
    assert gameday("trust", "--on", "nowhere", "--kubeconfig", tmp_path / "none").code == 5


# -- the real thing --------------------------------------------------------------------------------------------------


@pytest.mark.cluster
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_shop_comes_to_a_cluster_of_somebody_else_and_goes_again(gameday):
    name, config = os.environ.get("GAMEDAY_TEST_KIND", "gameday"), Path(os.environ["KUBECONFIG"])
    up = gameday("cluster", "up", "--name", name, "--kubeconfig", config, "--weak", "no-timeout")
    assert up.code == 0, up.err
    assert "with the sample shop (no-timeout)" in up.out
    seen = json.loads(gameday("cluster", "status", "--name", name, "--kubeconfig", config, "--json").out)
    assert seen["trusted"]
    assert {node["zone"] for node in seen["nodes"]} >= {"zone-a", "zone-b", "zone-c"}
    assert seen["shop"]
    assert all(each["ready"] == each["wanted"] for each in seen["shop"])
    down = gameday("cluster", "down", "--name", name, "--kubeconfig", config)
    assert down.code == 0, down.err
    assert "stays, since it was not made" in down.out
