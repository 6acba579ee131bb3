"""A node whose container refuses to start again: exit 4, with the very command that starts it."""

import dataclasses

import pytest
import yaml

from chaos import api
from chaos.catalogue import load_story
from chaos.errors import DockerError
from chaos.injectors import node_containers
from chaos.journal import read
from chaos.ledger import all_open


class Docker:
    """The containers of the sandbox's nodes, as a Docker daemon would have them; `full` = it cannot start any."""

    def __init__(self, cluster):
        self.full = False
        self.containers = {
            node["metadata"]["name"]: {
                "name": node["metadata"]["name"],
                "id": f"id-{node['metadata']['name']}",
                "role": "worker",
                "state": "running",
                "started": "2020-01-01T00:00:00Z",
                "addresses": {"kind": node["status"]["addresses"][0]["address"]},
                "fixed": [],
            }
            for node in cluster.find("Node")
        }

    def nodes(self):
        return [{**each, "addresses": dict(each["addresses"])} for each in self.containers.values()]

    def stop(self, node):
        self.containers[node]["state"] = "exited"

    def revive(self, node, addresses, fixed=()):
        if self.full:
            raise DockerError(f"could not start container {node}: no space left on device")
        self.containers[node]["state"] = "running"


@pytest.fixture
def docker(cluster):
    return Docker(cluster)


@pytest.fixture
def place(docker, through_the_door):
    """The sandbox, as if its nodes were containers."""
    there = api.connect("staging", kubeconfig=through_the_door)
    return dataclasses.replace(there, world=dataclasses.replace(there.world, containers=docker))


@pytest.fixture
def story(experiment):
    """A node of the two web pods is off for a moment."""
    value = yaml.safe_load(experiment.read_text())
    value["fault"] = {"kind": "node-stop", "hosting": {"app": "web"}, "duration": "1s", "back_within": "2s"}
    value["caps"] = {"docker": {"because": "a test"}, "last_replica": {"because": "both may be on it"}}
    experiment.write_text(yaml.safe_dump(value))
    return load_story(experiment)


@pytest.mark.crash  # it waits for as long as an undo is tried
@pytest.mark.timeout(150)
def test_a_node_that_does_not_come_back_is_exit_4_with_the_docker_command(story, place, docker, tmp_path):
    docker.full = True
    result = api.run(story, place, api.RunOptions(reports=tmp_path / "reports", seed=1, guard=False))
    (struck,) = [each["name"] for each in docker.nodes() if each["state"] != "running"]
    end = [event for event in read(result.folder / "journal.jsonl") if event.kind == "end"][-1].payload
    assert (result.exit_code, end["clean"]) == (4, False)
    assert any(f"docker start {struck}" in words for words in end["left_overs"]), end
    assert end["commands"][0] == f"gameday recover {result.folder.name}"
    assert f"docker start {struck}" in (result.folder / "summary.md").read_text()
    (open_,) = all_open()
    docker.full = False
    (entry,) = [each for each in open_.entries if each.fault == "node-stop"]
    state = node_containers.ContainerState.model_validate(entry.state)
    node_containers.stop(state, place.world)
    assert node_containers.verify(state, place.world) == []
