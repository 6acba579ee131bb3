"""The cap on nodes holds for all faults of a run together: what holds at the same time is added up."""

from types import SimpleNamespace

import pytest

from chaos.engine.blast import too_many_nodes
from chaos.engine.prepared import Prepared
from chaos.engine.timeline import Scheduled
from chaos.injectors import node_cordon
from chaos.injectors.base import FaultState
from chaos.model.caps import Caps, RaisedCount
from chaos.model.service import Service
from chaos.model.target import Target
from chaos.story import Story

TWO = Caps(nodes=RaisedCount(value=2, because="two of five may be away"))


def planned(*steps, caps=None, places=True):
    """Steps as (id, start, end, nodes); what is refused, in words."""
    timeline = [Scheduled(SimpleNamespace(id=step), "fault", start, end) for step, start, end, _ in steps]
    faults = {}
    for step, _, _, nodes in steps:
        pod = Target(kind="Pod", namespace="shop", name="web-1", uid="u")
        targets = [pod, *(Target(kind="Node", name=node, uid=node) for node in nodes)]
        state = FaultState(namespace="shop", run="r", step=step, targets=targets)
        faults[step] = Prepared(step=step, kind="node-cordon", module=node_cordon, state=state)
    answered = {"id": "answered", "measure": "availability", "at_least": "99%"}
    head = {"format": "service/v1", "id": "s", "title": "S", "team": "t", "owner": "o"}
    service = Service.model_validate({**head, "tolerances": [answered]})
    at = {step[0]: ("storm.yaml", 10 + index, 5) for index, step in enumerate(steps)} if places else {}
    more = {"caps": caps} if caps else {}
    story = Story(kind="scenario", id="storm", title="", text="", service=service, namespace="shop", steps_at=at, **more)
    return [str(problem) for problem in too_many_nodes(timeline, faults, story)]


def test_two_nodes_at_once_are_refused_at_the_step_that_makes_it_two():
    assert planned(("stop", 0, 20, ["a"]), ("cordon", 10, 30, ["b"])) == [
        "storm.yaml:11:5: step cordon: together with step stop this would strike 2 nodes at once (a, b), the cap is 1; "
        "let one end before the other begins; where that is meant: caps: {nodes: {value: 2, because: ...}}"
    ]


@pytest.mark.parametrize(
    "steps",
    [
        [("stop", 0, 20, ["a"]), ("cordon", 20, 30, ["b"])],  # one after the other
        [("stop", 0, 20, ["a"]), ("cordon", 10, 30, ["a"])],  # the same one
        [("stop", 0, 20, ["a"]), ("kill", 10, 30, [])],  # no node
    ],
)
def test_nodes_in_turn_and_the_same_node_are_within_the_cap(steps):
    assert planned(*steps) == []


def test_at_the_very_same_moment_is_at_once_however_short():
    (problem,) = planned(("one", 5, 5, ["a"]), ("other", 5, 5, ["b"]))
    assert "step other: together with step one" in problem


def test_a_raised_cap_is_the_sum_of_all_as_well():
    steps = [("one", 0, 9, ["a"]), ("two", 0, 9, ["b"]), ("three", 5, 9, ["c"])]
    assert planned(*steps[:2], caps=TWO) == []
    (problem,) = planned(*steps, caps=TWO)
    assert "step three: together with step one, two this would strike 3 nodes at once (a, b, c), the cap is 2" in problem
    assert "value: 3" in problem


def test_a_zone_counts_with_all_its_nodes():
    (problem,) = planned(("zone", 0, 9, ["a", "b"]), ("stop", 3, 9, ["c"]), caps=TWO)
    assert "3 nodes at once" in problem


def test_a_story_made_without_files_is_told_without_a_place():
    (problem,) = planned(("one", 0, 9, ["a"]), ("two", 0, 9, ["b"]), places=False)
    assert problem.startswith("step two: together with step one")
