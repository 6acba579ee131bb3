"""Names that another process finds again."""

import pytest

from chaos.injectors.helpers import name_for


@pytest.mark.parametrize("step", ["web", "a" * 63, "Odd.name_with/everything", ""])
def test_a_name_fits_kubernetes_and_says_what_it_is(step):
    name = name_for("proxy", "20260105T090000Z-a-very-long-scenario-name-indeed-1234", step)
    assert name.startswith("gameday-proxy")
    assert len(name) <= 53  # a Deployment's pods add ten to it
    assert name.replace("-", "").isalnum()
    assert name == name.lower()


def test_names_follow_from_run_and_step_and_from_nothing_else():
    assert name_for("twin", "run-1", "web") == name_for("twin", "run-1", "web")
    others = {name_for("twin", run, step) for run in ("run-1", "run-2") for step in ("a" * 60 + "x", "a" * 60 + "y")}
    assert len(others) == 4
