"""A program in a pod may do at the API what its roles say, and nothing else."""

import pytest

from chaos.sandbox.accounts import Accounts, require, verb_of
from chaos.sandbox.kinds import KINDS
from chaos.sandbox.status import Refusal
from chaos.sandbox.store import Store

ME = ("shop", "guard")


@pytest.fixture
def store():
    return Store()


def bind(store, *, rules, namespace="shop", subject=ME, cluster=False):
    prefix, meta = ("Cluster", {}) if cluster else ("", {"namespace": namespace})
    store.add(f"{prefix}Role", {"metadata": {"name": "r", **meta}, "rules": rules})
    subjects = [{"kind": "ServiceAccount", "namespace": subject[0], "name": subject[1]}]
    role = {"kind": f"{prefix}Role", "name": "r"}
    store.add(f"{prefix}RoleBinding", {"metadata": {"name": "r", **meta}, "roleRef": role, "subjects": subjects})


PATCH_WEB = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"], "resourceNames": ["web"]}]


def may(store, verb, kind, namespace, *rest):
    try:
        require(store, ME, verb, KINDS[kind], namespace, list(rest))
    except Refusal:
        return False
    return True


def test_without_a_binding_nothing_is_allowed(store):
    assert not may(store, "get", "Deployment", "shop", "web")


def test_a_role_allows_what_it_names_in_its_own_namespace(store):
    bind(store, rules=PATCH_WEB)
    assert may(store, "patch", "Deployment", "shop", "web")
    assert not may(store, "delete", "Deployment", "shop", "web")
    assert not may(store, "patch", "Deployment", "shop", "other")
    assert not may(store, "patch", "Deployment", "elsewhere", "web")
    assert not may(store, "patch", "Deployment", "shop", "web", "scale")
    assert not may(store, "list", "Deployment", "shop")


def test_a_cluster_role_reaches_what_lives_in_no_namespace(store):
    bind(
        store,
        rules=[{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"], "resourceNames": ["worker"]}],
        cluster=True,
    )
    assert may(store, "patch", "Node", "", "worker")
    assert not may(store, "patch", "Node", "", "control-plane")


def test_a_binding_is_for_its_subjects(store):
    bind(store, rules=PATCH_WEB, subject=("shop", "default"))
    assert not may(store, "patch", "Deployment", "shop", "web")


@pytest.mark.parametrize(
    ("method", "query", "named", "verb"),
    [
        ("GET", {}, True, "get"),
        ("GET", {}, False, "list"),
        ("GET", {"watch": "true"}, False, "watch"),
        ("POST", {}, False, "create"),
        ("PUT", {}, True, "update"),
        ("PATCH", {}, True, "patch"),
        ("DELETE", {}, True, "delete"),
        ("DELETE", {}, False, "deletecollection"),
    ],
)
def test_a_request_is_one_verb(method, query, named, verb):
    assert verb_of(method, query, named=named) == verb


def test_each_account_has_a_path_of_its_own():
    accounts = Accounts("secret")
    path = accounts.path(ME)
    assert accounts.path(ME) == path
    assert accounts.of(path) == ME
    assert accounts.path(("shop", "default")) != path
    assert accounts.of("0" * 32) is None
