"""Every scenario and experiment that we ship is valid, says why it is plausible, and never speaks of a switch."""

from datetime import date
from pathlib import Path

import pytest

import chaos
from chaos.catalogue import load_story
from chaos.scenario import FaultStep, LoadStep
from chaos.shop.deploy import WEAKNESSES, manifests
from chaos.shop.pairs import PAIRS

ROOT = Path(chaos.__file__).parents[1]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


def names(path):
    return path.stem


@pytest.mark.parametrize("path", [*SCENARIOS, *EXPERIMENTS], ids=names)
def test_it_is_valid_and_named_as_its_file(path):
    assert load_story(path).id == path.stem


@pytest.mark.parametrize("path", SCENARIOS, ids=names)
def test_it_is_short_and_light(path):
    story = load_story(path)
    longest = sum(
        step.load.duration if isinstance(step, LoadStep) else getattr(getattr(step, "fault", None), "duration", 0.0)
        for step in story.steps
    )
    assert story.load.warm_up + story.baseline + longest + story.recovery <= 45
    rates = [story.load.rate, *(step.load.rate for step in story.steps if isinstance(step, LoadStep))]
    assert max(rates) <= 50


@pytest.mark.parametrize("path", SCENARIOS, ids=names)
def test_it_is_severe_and_plausible(path):
    story = load_story(path)
    assert story.severe_because
    assert {each.kind for each in story.plausibility} & {"incident", "near-miss"}
    assert all(each.date <= date(2026, 12, 31) for each in story.plausibility)
    assert all("fictional" in each.ref for each in story.plausibility if "sample shop" in each.ref)
    assert story.stop_conditions


@pytest.mark.parametrize("path", [*SCENARIOS, *EXPERIMENTS, *(ROOT / "scenarios/load").glob("*.py")], ids=names)
def test_it_never_speaks_of_a_switch(path):
    text = path.read_text()
    assert not [code for code in WEAKNESSES if code in text]


@pytest.mark.parametrize("path", [*SCENARIOS, *EXPERIMENTS], ids=names)
def test_it_strikes_what_is_deployed(path):
    story = load_story(path)
    deployed = {(obj["kind"], obj["metadata"]["name"]) for obj in manifests()}
    labels = [obj["spec"]["template"]["metadata"]["labels"] for obj in manifests() if obj["kind"] == "Deployment"]
    for fault in story.faults.values():
        if service := getattr(fault, "service", None):
            assert ("Service", service) in deployed
        if deployment := getattr(fault, "deployment", None):
            assert ("Deployment", deployment) in deployed
        for kind, named in (("ConfigMap", "config_map"), ("Secret", "secret")):
            assert (kind, getattr(fault, named, None)) in {*deployed, (kind, None)}
        if selector := getattr(fault, "selector", None):
            assert any(selector.items() <= each.items() for each in labels)


def test_each_scenario_has_a_weakness_that_makes_it_breach():
    assert {pair.scenario for pair in PAIRS} == {path.stem for path in SCENARIOS}
    for pair in PAIRS:
        story = load_story(ROOT / "scenarios" / f"{pair.scenario}.yaml")
        assert pair.weakness in WEAKNESSES
        assert pair.tolerance in {tolerance.id for tolerance in story.tolerances}


def test_one_fault_on_two_weaknesses_has_two_causes():
    causes = {}
    for pair in PAIRS:
        causes.setdefault(pair.scenario, set()).add(pair.weakness)
    assert [scenario for scenario, weak in causes.items() if len(weak) > 1]


def test_the_readme_lists_them_all():
    for folder, paths in (("scenarios", SCENARIOS), ("experiments", EXPERIMENTS)):
        text = (ROOT / folder / "README.md").read_text()
        assert not [path.name for path in paths if f"`{path.stem}`" not in text]


def test_experiments_of_scenarios_are_faults():
    used = {step.experiment for path in SCENARIOS for step in load_story(path).steps if isinstance(step, FaultStep)}
    assert used - {None} <= {path.stem for path in EXPERIMENTS}
