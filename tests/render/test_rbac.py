"""The roles printed say exactly what the plan needs: no more verbs, no more names."""

import yaml

from chaos.model.run import Environment, Permission, Plan, PlannedFault
from chaos.render.rbac import ONLY_IN_TROUBLE, roles, rules


def need(verb, resource, name="", namespace="shop", **more):
    return Permission(verb=verb, resource=resource, name=name, namespace=namespace, **more)


def plan(*permissions, of_faults=()):
    fault = PlannedFault(
        step="s", fault="f", at=0, duration=1, undo="u", privilege="api", dose="d", permissions=list(of_faults)
    )
    where = Environment(kind="kind", name="kind-x", fingerprint="f")
    return Plan(
        scenario="one",
        service="s",
        revision="r",
        environment=where,
        seed=1,
        timeline=[],
        faults=[fault],
        caps=[],
        phases={},
        permissions=list(permissions),
    )


def test_verbs_on_the_same_thing_are_one_rule():
    assert rules([need("get", "pods"), need("list", "pods"), need("get", "pods")]) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    ]


def test_names_limit_what_kubernetes_can_limit_by_name():
    assert rules([need("patch", "services", "a"), need("patch", "services", "b"), need("create", "services", "a")]) == [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["services"], "resourceNames": ["a", "b"], "verbs": ["patch"]},
    ]


def test_a_right_to_all_makes_the_right_to_one_needless():
    assert rules([need("get", "pods", "a"), need("get", "pods")]) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    ]


def test_groups_and_subresources_are_apart():
    found = rules([need("get", "pods", subresource="proxy"), need("patch", "deployments", "web", group="apps")])
    assert [(rule["apiGroups"], rule["resources"]) for rule in found] == [([""], ["pods/proxy"]), (["apps"], ["deployments"])]


def test_a_role_a_namespace_and_a_cluster_role_for_the_rest_all_bound_to_one_account():
    text = roles(
        plan(need("list", "nodes", namespace=""), of_faults=[need("delete", "pods"), need("get", "pods", namespace="other")]),
        account="ci",
        namespace="tools",
    )
    found = {(each["kind"], each["metadata"].get("namespace", "")): each for each in yaml.safe_load_all(text)}
    assert set(found) == {
        ("ServiceAccount", "tools"),
        ("ClusterRole", ""),
        ("ClusterRoleBinding", ""),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
        ("Role", "other"),
        ("RoleBinding", "other"),
    }
    for (kind, _), each in found.items():
        if kind.endswith("Binding"):
            assert each["subjects"] == [{"kind": "ServiceAccount", "name": "ci", "namespace": "tools"}]
            assert each["roleRef"]["name"] == each["metadata"]["name"]
    assert "*" not in text


def test_rights_for_trouble_alone_are_told_with_their_reason():
    lost = {"use": "undo", "trouble": "an answer was lost"}
    wanted = plan(need("get", "jobs", **lost), need("get", "pods", **lost), of_faults=[need("get", "pods")])
    role = next(obj for obj in yaml.safe_load_all(roles(wanted, account="ci", namespace="shop")) if obj["kind"] == "Role")
    assert role["metadata"]["annotations"] == {ONLY_IN_TROUBLE: "get jobs (to undo): an answer was lost"}
    assert [rule["resources"] for rule in role["rules"]] == [["jobs"], ["pods"]]


def test_a_role_without_such_rights_says_nothing():
    text = roles(plan(need("get", "pods")), account="ci", namespace="shop")
    assert "annotations" not in text
