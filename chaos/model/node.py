"""What a Node says of itself, as Kubernetes writes it."""

from collections.abc import Mapping
from typing import Any

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def is_control_plane(node: Mapping[str, Any]) -> bool:
    """Whether it carries the label of the control plane, in its present or its former wording."""
    return any(each in (node["metadata"].get("labels") or {}) for each in _CONTROL_PLANE)


def address_of(node: Mapping[str, Any]) -> str:
    """Its address inside the cluster's network; "" while it has none."""
    return next((each["address"] for each in node["status"].get("addresses", []) if each["type"] == "InternalIP"), "")
