"""The `kind` command as we call it: a stand-in that notes its arguments and keeps its clusters in a file."""

import json
import os
import stat
import sys

import pytest

from chaos.clients.kind import Kind
from chaos.errors import NotReady

PROGRAM = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
state = folder / "clusters"
clusters = json.loads(state.read_text()) if state.exists() else []
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + chr(10))
what = sys.argv[1:3]
if (folder / "broken").exists():
    for number in range(20):
        print("ERROR: line", number, file=sys.stderr)
    sys.exit(1)
if what == ["get", "clusters"]:
    print(chr(10).join(clusters))
elif what == ["create", "cluster"]:
    print(" * Preparing nodes", file=sys.stderr, flush=True)
    clusters.append(sys.argv[4])
elif what == ["delete", "cluster"]:
    clusters = [each for each in clusters if each != sys.argv[4]]
state.write_text(json.dumps(clusters))
"""


@pytest.fixture
def kind(tmp_path):
    program = tmp_path / "kind"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Kind(str(program))


def calls(tmp_path):
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_a_cluster_comes_and_goes_and_says_what_it_does(kind, tmp_path):
    said = []
    assert kind.clusters() == []
    kind.create("mine", config=tmp_path / "config.yaml", image="kindest/node:v1", kubeconfig="/k", tell=said.append)
    assert kind.clusters() == ["mine"]
    assert said == ["* Preparing nodes"]
    kind.delete("mine", tell=said.append)
    assert kind.clusters() == []
    create = ["create", "cluster", "--name", "mine", "--config", str(tmp_path / "config.yaml"), "--wait", "180s"]
    assert calls(tmp_path)[1] == [*create, "--image", "kindest/node:v1", "--kubeconfig", "/k"]


def test_without_an_image_kind_uses_its_own(kind, tmp_path):
    kind.create("mine", config=tmp_path / "c", tell=lambda _: None)
    assert "--image" not in calls(tmp_path)[0]
    assert "--kubeconfig" not in calls(tmp_path)[0]


def test_names_are_arguments_and_never_words_of_a_shell(kind, tmp_path):
    kind.load("mine", ["a:1", "$(touch pwned); b"], tell=lambda _: None)
    assert calls(tmp_path) == [["load", "docker-image", "a:1", "$(touch pwned); b", "--name", "mine"]]


def test_a_failure_repeats_the_end_of_what_kind_said(kind, tmp_path):
    (tmp_path / "broken").touch()
    said = []
    with pytest.raises(NotReady, match=r"kind create cluster failed(?s:.)*line 19") as told:
        kind.create("mine", config=tmp_path / "c", tell=said.append)
    assert "line 7" not in str(told.value)
    assert len(said) == 20
    with pytest.raises(NotReady, match="kind get clusters failed"):
        kind.clusters()


def test_without_kind_it_is_said_where_to_find_it():
    with pytest.raises(NotReady, match=r"kind\.sigs\.k8s\.io"):
        Kind(os.devnull + "/kind").clusters()
    with pytest.raises(NotReady, match=r"kind\.sigs\.k8s\.io"):
        Kind("/nowhere/kind").load("x", ["y"], tell=lambda _: None)


def test_who_interrupts_the_telling_ends_kind_too(kind, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kind.create("mine", config=tmp_path / "c", tell=interrupt)
