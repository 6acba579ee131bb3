"""A plan -> the least roles with which it can be run, as YAML: a Role a namespace, a ClusterRole for the rest."""

from collections.abc import Iterable
from typing import Any

from chaos import source
from chaos.model.run import Permission, Plan

Obj = dict[str, Any]
_API = "rbac.authorization.k8s.io"
ONLY_IN_TROUBLE = "gameday.dev/only-in-trouble"
"""Annotation of a role: those of its rights that a run without trouble does not use, and what they are for."""
_NO_NAMES = ("list", "watch", "create", "deletecollection")
"""Verbs that Kubernetes cannot limit to names."""


def roles(plan: Plan, *, account: str, namespace: str) -> str:
    """Roles for all that the plan needs, bound to a service account of that name and namespace."""
    wanted = [*plan.permissions, *(permission for fault in plan.faults for permission in fault.permissions)]
    objects: list[Obj] = [_object("v1", "ServiceAccount", account, namespace)]
    for space in sorted({permission.namespace for permission in wanted}):
        kind = "Role" if space else "ClusterRole"
        # cluster-wide names are shared by all: they say whose they are
        name = account if space else f"{namespace}-{account}"
        own = [permission for permission in wanted if permission.namespace == space]
        role = _object(f"{_API}/v1", kind, name, space)
        if rarely := _only_in_trouble(own):
            role["metadata"]["annotations"] = {ONLY_IN_TROUBLE: "; ".join(rarely)}
        objects.append({**role, "rules": rules(own)})
        binding = _object(f"{_API}/v1", f"{kind}Binding", name, space)
        binding["roleRef"] = {"apiGroup": _API, "kind": kind, "name": name}
        binding["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        objects.append(binding)
    head = f"# The least rights with which {plan.scenario} (revision {plan.revision}) is planned, run and put back.\n"
    return head + "---\n".join(source.dump(each) for each in objects)


def _only_in_trouble(permissions: Iterable[Permission]) -> list[str]:
    """Rights that a run uses only when something went wrong, each with what that is; all others every run uses."""
    found: dict[str, list[str]] = {}
    for each in permissions:
        resource = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
        found.setdefault(f"{each.verb} {resource}", []).append(each.trouble and f" (to {each.use}): {each.trouble}")
    return [right + words[0] for right, words in sorted(found.items()) if all(words)]


def rules(permissions: Iterable[Permission]) -> list[Obj]:
    """As few rules as say exactly this; a right without a name makes the same one with a name needless."""
    names: dict[tuple[str, str, str], set[str]] = {}
    for each in permissions:
        resource = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
        known = names.setdefault((each.group, resource, each.verb), set())
        known.add("" if each.verb in _NO_NAMES else each.name)
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, verb), named in sorted(names.items()):
        verbs.setdefault((group, resource, () if "" in named else tuple(sorted(named))), []).append(verb)
    return [_rule(group, resource, found, limited) for (group, resource, limited), found in verbs.items()]


def _rule(group: str, resource: str, verbs: list[str], names: tuple[str, ...]) -> Obj:
    rule: Obj = {"apiGroups": [group], "resources": [resource]}
    if names:
        rule["resourceNames"] = list(names)
    return {**rule, "verbs": verbs}


def _object(version: str, kind: str, name: str, namespace: str) -> Obj:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": version, "kind": kind, "metadata": meta}
