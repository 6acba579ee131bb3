"""What the guard may do: what the undo calls of its run need, by the names of the objects, and nothing else."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chaos.clients.kinds import KINDS
from chaos.model.base import Record
from chaos.model.undo import Call, DeleteOwn, RestoreData

if TYPE_CHECKING:
    from chaos.injectors.guard import GuardSpec

MOST_PARTS = 9
"""Of the ledger in the cluster: the account names each."""


class Rule(Record):
    """A right of the guard in one namespace ("" = on what lives in none)."""

    namespace: str
    group: str
    resource: str
    verbs: list[str]
    names: list[str] = []  # none: a create, which cannot be limited by name


def rules_for(spec: "GuardSpec", namespace: str, own: str) -> list[Rule]:
    """Exactly what watching, the undo calls, and going away need."""
    parts = [f"{spec.ledger}-{number}" for number in range(1, MOST_PARTS + 1)]
    found = [
        _rule("Lease", namespace, "get update", spec.lease),
        _rule("ConfigMap", namespace, "get patch", spec.ledger),
        _rule("ConfigMap", namespace, "get", *parts),
        _rule("Job", namespace, "get patch delete", spec.owner),
    ]
    for call in spec.calls:
        found += _rules_of(call)
    for space in elsewhere(found, namespace):
        found.append(_rule("Role" if space else "ClusterRole", space, "get delete", own))
    return _merged(found)


def _rules_of(call: Call) -> list[Rule]:
    if isinstance(call, DeleteOwn):
        return [_rule(call.kind, call.namespace, "get delete", call.name)]
    if isinstance(call, RestoreData):
        found = [_rule(call.kind, call.namespace, "get patch", call.name)]
        found.append(_rule("Secret", call.namespace, "get delete", call.undo_secret))
        return found + ([_rule(call.kind, call.namespace, "create")] if call.recreate else [])
    below = _rule(call.kind, call.namespace, "patch", call.name, below=call.subresource)
    return [_rule(call.kind, call.namespace, "get", call.name), below]


def _rule(kind: str, namespace: str, verbs: str, *names: str, below: str = "") -> Rule:
    known = KINDS[kind]
    space = namespace if known.namespaced else ""
    resource = f"{known.plural}/{below}" if below else known.plural
    return Rule(namespace=space, group=known.group, resource=resource, verbs=verbs.split(), names=list(names))


def _merged(rules: list[Rule]) -> list[Rule]:
    """One rule for each resource and set of verbs, with all names; the same rights as before."""
    found: dict[tuple[str, str, str, str, bool], Rule] = {}
    for rule in rules:
        key = (rule.namespace, rule.group, rule.resource, " ".join(rule.verbs), bool(rule.names))
        names = found[key].names if key in found else []
        found[key] = rule.model_copy(update={"names": names + [name for name in rule.names if name not in names]})
    return list(found.values())


def elsewhere(rules: Iterable[Rule], namespace: str) -> list[str]:
    return sorted({rule.namespace for rule in rules} - {namespace})
