"""Service accounts: a program in a pod may do at the API what roles and their bindings say, and nothing else."""

import hashlib
import hmac

from chaos.sandbox.kinds import Resource
from chaos.sandbox.status import Refusal
from chaos.sandbox.store import Obj, Store

Account = tuple[str, str]
"""Namespace and name."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Accounts:
    """Gives each account a secret path of its own, and knows it again."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._known: dict[str, Account] = {}

    def path(self, account: Account) -> str:
        """The secret that stands for the account; the same each time."""
        token = hmac.new(self._secret, "/".join(account).encode(), hashlib.sha256).hexdigest()[:32]
        self._known[token] = account
        return token

    def of(self, token: str) -> Account | None:
        return next((account for known, account in self._known.items() if hmac.compare_digest(known, token)), None)


def verb_of(method: str, query: dict[str, str], *, named: bool) -> str:
    if method == "GET":
        return "get" if named else "watch" if query.get("watch") in ("1", "true") else "list"
    verb = _VERBS.get(method, method.lower())
    return verb if named or verb != "delete" else "deletecollection"


def require(store: Store, account: Account, verb: str, resource: Resource, namespace: str, rest: list[str]) -> None:
    """403 unless a binding gives the account this right."""
    plural = "/".join([resource.plural, *rest[1:2]])
    name = rest[0] if rest else ""
    if any(_covers(rule, verb, resource.group, plural, name) for rule in _rules(store, account, namespace)):
        return
    who = f"system:serviceaccount:{account[0]}:{account[1]}"
    what = f'"{plural}" in API group "{resource.group}"'
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = f'{resource.full_name} "{name}" is forbidden: User "{who}" cannot {verb} resource {what} {where}'
    raise Refusal(403, "Forbidden", message, details={"name": name, "kind": resource.plural})


def _rules(store: Store, account: Account, namespace: str) -> list[Obj]:
    found: list[Obj] = []
    bindings = store.all("ClusterRoleBinding") + (store.all("RoleBinding", namespace) if namespace else [])
    for binding in bindings:
        subjects = [(each.get("namespace", ""), each["name"]) for each in binding.get("subjects") or ()]
        if account in subjects:
            role = binding["roleRef"]
            space = binding["metadata"].get("namespace", "") if role["kind"] == "Role" else ""
            found += (store.find(role["kind"], space, role["name"]) or {}).get("rules") or []
    return found


def _covers(rule: Obj, verb: str, group: str, plural: str, name: str) -> bool:
    """As on a cluster, a right that names objects covers no create and no list."""
    if not all(
        {"*", wanted} & set(rule.get(key) or ())
        for key, wanted in (("verbs", verb), ("apiGroups", group), ("resources", plural))
    ):
        return False
    return not rule.get("resourceNames") or name in rule["resourceNames"]
