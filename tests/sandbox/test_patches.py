"""The patch types, each against what its specification says."""

import pytest

from chaos.sandbox import patches
from chaos.sandbox.status import Refusal

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_merge(target, patch, result):
    assert patches.apply("merge", target, patch) == result


def containers(*names):
    return {"spec": {"containers": [{"name": name, "image": "i:1", "env": [{"name": "A", "value": "1"}]} for name in names]}}


def test_strategic_merges_named_items_and_leaves_the_others():
    target = containers("one", "two")
    patch = {"spec": {"containers": [{"name": "two", "image": "i:2", "env": [{"name": "B", "value": "2"}]}]}}
    one, two = patches.apply("strategic", target, patch)["spec"]["containers"]
    assert one == target["spec"]["containers"][0]
    assert two == {"name": "two", "image": "i:2", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    assert target == containers("one", "two"), "the old object is left alone"


def test_strategic_directives():
    gone = {"spec": {"containers": [{"name": "one", "$patch": "delete"}]}}
    assert [each["name"] for each in patches.apply("strategic", containers("one", "two"), gone)["spec"]["containers"]] == [
        "two"
    ]
    assert patches.apply("strategic", {"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}
    dropped = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}
    assert patches.apply("strategic", {"metadata": {"finalizers": ["x", "y"]}}, dropped) == {"metadata": {"finalizers": ["y"]}}
    retained = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    old = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    assert patches.apply("strategic", old, retained) == {"strategy": {"type": "Recreate"}}


@pytest.mark.parametrize(
    ("target", "operations", "result"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
        ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": {"c~d": 1}}, [{"op": "test", "path": "/a~1b/c~0d", "value": 1}], {"a/b": {"c~d": 1}}),
    ],
)
def test_json_patch(target, operations, result):
    assert patches.apply("json", target, operations) == result


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "replace", "path": "/missing", "value": 2}],
        [{"op": "remove", "path": "/missing"}],
        [{"op": "add", "path": "/list/9", "value": 2}],
        [{"op": "dance", "path": "/a"}],
        [{"path": "/a"}],
        ["nonsense"],
        [{"op": "add", "path": "a", "value": 1}],
    ],
)
def test_a_json_patch_that_fails_is_refused_whole(operations):
    target = {"a": 1, "list": []}
    with pytest.raises(Refusal) as refused:
        patches.apply("json", target, [{"op": "replace", "path": "/a", "value": 7}, *operations])
    assert refused.value.code == 422
    assert target == {"a": 1, "list": []}


def test_applying_takes_out_what_the_same_manager_no_longer_applies():
    live = {"data": {"mine": "1", "theirs": "2", "kept": "3"}, "spec": containers("one", "two")["spec"]}
    before = {"data": {"mine": "1", "kept": "3"}, "spec": {"containers": [{"name": "one"}]}}
    left = patches.without_dropped(live, before, {"data": {"kept": "3"}, "spec": {"containers": []}})
    assert left["data"] == {"theirs": "2", "kept": "3"}
    assert [each["name"] for each in left["spec"]["containers"]] == ["two"]
