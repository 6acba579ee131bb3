import subprocess
import sys

import pytest
from pydantic import ValidationError

from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.model.base import Model
from chaos.scenario import AnyFault


class Holder(Model):
    fault: AnyFault


def refused(value):
    with pytest.raises(ValidationError) as error:
        Holder.model_validate({"fault": value})
    return {(each["type"], each["loc"]) for each in error.value.errors()}


def test_a_fault_is_the_spec_of_its_kind():
    held = Holder.model_validate({"fault": {"kind": "pod-kill", "selector": {"app": "x"}, "count": 1}})
    assert isinstance(held.fault, INJECTORS["pod-kill"].Spec)
    assert held.as_json()["fault"] | {"duration": 0} == {
        "kind": "pod-kill",
        "selector": {"app": "x"},
        "count": 1,
        "duration": 0,
        "grace": "0s",
        "back_within": "1m",
    }
    assert Holder(fault=held.fault).fault == held.fault


def test_all_its_mistakes_are_told_with_their_places():
    assert refused({"kind": "pod-kill", "selector": {}, "count": "1", "x": 2}) == {
        ("too_short", ("fault", "selector")),
        ("int_type", ("fault", "count")),
        ("extra_forbidden", ("fault", "x")),
    }


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"kind": "pod-kil"}, "union_tag_invalid"),
        ({"kind": ["pod-kill"]}, "union_tag_invalid"),
        ({}, "union_tag_not_found"),
        ("pod-kill", "model_type"),
        (None, "model_type"),
    ],
)
def test_the_union_is_closed(value, kind):
    assert refused(value) == {(kind, ("fault",))}


def test_every_name_of_the_table_has_its_module():
    for kind, injector in {**INJECTORS, **FITTINGS}.items():
        assert injector.Spec, kind
    assert all(injector.Spec.model_fields["kind"].annotation.__args__ == (kind,) for kind, injector in INJECTORS.items())


def test_a_module_is_imported_only_when_it_is_asked_for():
    code = "import sys, chaos.scenario; print([m for m in sys.modules if m.startswith('chaos.injectors.pod')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout == "[]\n"
