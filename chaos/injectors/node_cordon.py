"""`node-cordon`: a worker takes no new pods, as before its maintenance; those that run on it stay.

Source: `spec.unschedulable` of the Node, as `kubectl cordon` sets it.
"""

from typing import Literal

from chaos.injectors import cordoning
from chaos.injectors.base import Aim, Privilege
from chaos.injectors.cordoning import NodeSpec, NodeState
from chaos.model.dose import Dose

PRIVILEGE: Privilege = "api"


class NodeCordon(NodeSpec):
    """A node takes no new pods."""

    kind: Literal["node-cordon"]


State = NodeState
Spec = NodeCordon
permissions, undo_words, undo_calls = cordoning.permissions, cordoning.undo_words, cordoning.undo_calls
start, stop, verify = cordoning.cordon, cordoning.uncordon, cordoning.verify


def prepare(spec: NodeCordon, aim: Aim) -> NodeState:
    node = cordoning.chosen_node(spec, aim)
    name = node["metadata"]["name"]
    notes = [
        "a cordon alone moves nothing: pods that run on the node stay, and only new ones go elsewhere",
        f"new pods of every namespace keep away from node {name}, not only those of {aim.namespace}",
    ]
    return NodeState(**cordoning.fields(node, aim), notes=notes)


def dose(state: NodeState) -> Dose:
    return Dose(expect=[cordoning.expectation(state)], words=f"node {state.node} takes no new pods")
