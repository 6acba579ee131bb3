"""Selectors: what is chosen, and what is refused before anything is chosen."""

import pytest

from chaos.sandbox.selectors import as_text, by_fields, by_labels, matches
from chaos.sandbox.status import Refusal


def labelled(**labels):
    return {"metadata": {"name": "x", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", "abc"),
        ("app=web", "ab"),
        ("app==web", "ab"),
        ("app!=web", "c"),
        ("app in (web, db)", "abc"),
        ("app notin (db)", "ab"),
        ("tier", "a"),
        ("!tier", "bc"),
        ("app=web,tier=front", "a"),
        ("app in (web,db),!tier", "bc"),
        ("nothing=here", ""),
    ],
)
def test_label_selectors(selector, chosen):
    objects = {"a": labelled(app="web", tier="front"), "b": labelled(app="web"), "c": labelled(app="db")}
    test = by_labels(selector)
    assert "".join(name for name, obj in objects.items() if test(obj)) == chosen


@pytest.mark.parametrize("selector", ["a==b==c", "app in web", "=x", "app in (a", "a b"])
def test_a_label_selector_that_makes_no_sense_is_refused(selector):
    with pytest.raises(Refusal) as refused:
        by_labels(selector)
    assert refused.value.code == 400


def test_field_selectors():
    pod = {"metadata": {"name": "x", "namespace": "s"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    for text in ("metadata.name=x", "spec.nodeName==n,status.phase!=Failed", "metadata.namespace=s"):
        assert by_fields(text, "Pod")(pod), text
    assert not by_fields("status.phase=Pending", "Pod")(pod)
    with pytest.raises(Refusal, match=r"field label not supported: spec\.foo"):
        by_fields("spec.foo=1", "Pod")
    with pytest.raises(Refusal):
        by_fields("spec.nodeName=n", "ConfigMap")


def test_selectors_of_objects():
    labels = {"app": "web", "tier": "front"}
    assert matches({}, labels)
    assert not matches(None, labels)
    assert matches({"matchLabels": {"app": "web"}}, labels)
    for operator, values, expected in (("In", ["front"], True), ("NotIn", ["front"], False), ("Exists", None, True)):
        assert matches({"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]}, labels) is expected
    assert not matches({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, labels)
    assert as_text(
        {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["x"]}]}
    ) == ("a=1,b=2,c in (x)")
