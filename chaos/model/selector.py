"""Label selectors, as Kubernetes evaluates them. Pure."""

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a label selector matches; an empty one matches all, a missing one (None) nothing."""
    if selector is None:
        return False
    own = labels or {}
    equal = all(own.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_holds(each, own) for each in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    return {
        "In": value is not None and value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]
