"""`gameday rbac` prints what a run needs, by the names of its targets, and changes nothing."""

import yaml

from chaos.clients.kube import connect


def test_the_role_names_the_targets_and_asking_for_it_changes_nothing(gameday, door, experiment, through_the_door, web):
    code, said = gameday("rbac", experiment, "--kubeconfig", through_the_door, "--account", "ci")
    assert code == 0, said
    assert door.changes == []
    role = next(obj for obj in yaml.safe_load_all(said) if obj["kind"] == "Role" and obj["metadata"]["namespace"] == web)
    (scale,) = [rule for rule in role["rules"] if rule["resources"] == ["deployments"] and "patch" in rule["verbs"]]
    assert scale["resourceNames"] == ["web"]
    rules = [rule for obj in yaml.safe_load_all(said) for rule in obj.get("rules", [])]
    assert not [rule for rule in rules if "*" in (*rule["verbs"], *rule["resources"], *rule["apiGroups"])]
    assert not [rule for rule in rules if {"pods/exec", "secrets"} & set(rule["resources"])]


def test_what_is_printed_can_be_applied_as_it_is(gameday, experiment, through_the_door, cluster, web):
    code, said = gameday("rbac", experiment, "--kubeconfig", through_the_door)
    assert code == 0, said
    there = connect(through_the_door)
    for obj in yaml.safe_load_all(said):
        if obj["kind"] in ("Role", "RoleBinding", "ServiceAccount"):
            there.create(obj)
            assert cluster.get(obj["kind"], "gameday", obj["metadata"]["namespace"])
            cluster.delete(obj["kind"], "gameday", obj["metadata"]["namespace"])
