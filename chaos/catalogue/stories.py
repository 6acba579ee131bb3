"""Files -> stories: everything that a scenario or a lone experiment refers to, resolved, checked and frozen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from chaos import source
from chaos.catalogue import rules
from chaos.catalogue.library import MODELS, Kind, Library, model_of, shown, validate
from chaos.errors import BadInput, Problem
from chaos.model.service import Service
from chaos.model.tolerance import ProbeHolds, Tolerance
from chaos.model.units import Exact
from chaos.scenario import Experiment, FaultStep, Scenario, Step
from chaos.source import Document, nearest
from chaos.story import Story

M = TypeVar("M", bound=BaseModel)


def load_story(path: Path, library: Library | None = None) -> Story:
    """The story in a scenario or experiment file; BadInput with every mistake of every file that it needs."""
    library = library or Library()
    document = source.read(path, shown=shown(path))
    model = _model(document)
    if model is Scenario:
        return _Builder(path, document, library).scenario(validate(document, Scenario))
    if model is Experiment:
        return experiment_story(path, document, validate(document, Experiment))
    raise BadInput(document.problem(("format",), "format: a service cannot be run; give a scenario or an experiment"))


def load_stories(paths: Sequence[Path], tags: Sequence[str] = ()) -> list[Story]:
    """All stories, those with one of the tags where any are given; the mistakes of all files together."""
    library = Library()
    stories: list[Story] = []
    problems: list[Problem | str] = []
    for path in paths:
        try:
            stories.append(load_story(path, library))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(*dict.fromkeys(problems))
    wanted = [story for story in stories if not tags or set(tags) & set(story.tags)]
    if stories and not wanted:
        known = sorted({tag for story in stories for tag in story.tags})
        raise BadInput(f"none of the files is tagged {', '.join(tags)}; tags here: {', '.join(known) or 'none'}")
    return wanted


def check(path: Path, library: Library) -> str:
    """What the file is (`scenario`, `experiment`, `service`); BadInput with every mistake in it."""
    document = source.read(path, shown=shown(path))
    model = _model(document)
    if model is Scenario:
        _Builder(path, document, library).scenario(validate(document, Scenario))
    elif model is Experiment:
        _raise(experiment_problems(document, validate(document, Experiment)))
    else:
        service = validate(document, Service)
        _raise(named_as_its_id(document, path, service.id))
    return str(document.value["format"]).partition("/")[0]


def _model(document: Document) -> type:
    """Which model the file asks for by its `format`; with a wrong one nothing else can be judged."""
    value = document.value
    if not isinstance(value, dict):
        raise BadInput.of(
            [*document.flaws, document.problem((), "expected keys and values, beginning with format: scenario/v1")]
        )
    if model := model_of(value.get("format")):
        return model
    known = ", ".join(MODELS)
    if "format" not in value:
        raise BadInput.of([*document.flaws, document.problem((), "format: is missing", f"known: {known}")])
    hint = nearest(str(value["format"]), MODELS) or f"known: {known}"
    raise BadInput.of([*document.flaws, document.problem(("format",), f"format: {value['format']!r} is not known", hint)])


def _raise(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        raise BadInput.of(found)


def named_as_its_id(document: Document, path: Path, id: str) -> Iterator[Problem]:
    """Others find this file by its name, so the name must be the id."""
    if path.stem != id:
        yield document.problem(
            ("id",), f"id: {id} is found by its file's name, which is {path.name}", f"name the file {id}.yaml"
        )


@dataclass
class _Builder:
    """One scenario on its way to a story; collects what is wrong on the way."""

    path: Path
    document: Document
    library: Library
    problems: list[Problem] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.path.absolute().parent
        self.home = self.library.home(self.folder)

    def scenario(self, scenario: Scenario) -> Story:
        self.files[f"scenarios/{self.path.name}"] = self.document.content
        self.problems += rules.scenario_problems(self.document, scenario)
        service = self._service(scenario)
        steps = [self._resolved(index, step) for index, step in enumerate(scenario.steps)]
        locustfile = self._locustfile(scenario)
        tolerances = rules.merged(scenario, service) if service else tuple(scenario.tolerances)
        if service:
            self.problems += rules.tolerance_problems(self.document, scenario, service)
        self.problems += rules.merged_problems(self.document, scenario, tolerances)
        if self.problems or service is None:
            raise BadInput.of(self.problems)
        return Story(
            kind="scenario",
            id=scenario.id,
            title=scenario.title,
            text=scenario.story,
            service=service,
            severity=scenario.severity,
            severe_because=scenario.severe_because,
            plausibility=tuple(scenario.plausibility),
            namespace=scenario.namespace or "",
            load=scenario.load,
            locustfile=locustfile,
            baseline=scenario.load.baseline,
            recovery=scenario.load.recovery,
            probes=tuple(scenario.probes),
            observe=tuple(scenario.observe),
            steps=tuple(steps),
            tolerances=tolerances,
            stop_conditions=tuple(scenario.stop_conditions),
            caps=scenario.caps,
            roles=scenario.roles,
            tags=tuple(scenario.tags),
            files=self.files,
            entry=f"scenarios/{self.path.name}",
            steps_at={step.id: _at(self.document, ("steps", index)) for index, step in enumerate(steps)},
        )

    def _service(self, scenario: Scenario) -> Service | None:
        found = self._find("services", scenario.service, ("service",), Service)
        if found is None:
            return None
        document, service, path = found
        self.problems += named_as_its_id(document, path, service.id)
        self.files[f"scenarios/services/{service.id}.yaml"] = document.content
        return service

    def _resolved(self, index: int, step: Step) -> Step:
        """The step with its fault: an experiment's, where it names one."""
        if not isinstance(step, FaultStep) or step.experiment is None:
            return step
        found = self._find("experiments", step.experiment, ("steps", index, "experiment"), Experiment)
        if found is None:
            return step
        document, experiment, path = found
        self.problems += named_as_its_id(document, path, experiment.id)
        self.problems += rules.fault_problems(document, ("fault",), experiment.fault)
        self.files[f"experiments/{experiment.id}.yaml"] = document.content
        return step.model_copy(update={"fault": experiment.fault, "title": step.title or experiment.title})

    def _find(self, kind: Kind, id: str, loc: tuple[str | int, ...], model: type[M]) -> tuple[Document, M, Path] | None:
        """The file that the scenario names by id; its mistakes count as the scenario's own."""
        path = self.library.find(kind, id, self.home)
        if path is None:
            known = self.library.known(kind, self.home)
            hint = nearest(id, known) or "known: " + (", ".join(sorted(known)) or "none")
            self.problems.append(self.document.problem(loc, f"{kind[:-1]}: there is no {id}", hint))
            return None
        try:
            document, value = self.library.model(path, model)
        except BadInput as error:
            self.problems += [each for each in error.problems if isinstance(each, Problem)]
            return None
        return document, value, path

    def _locustfile(self, scenario: Scenario) -> Path | None:
        loc = ("load", "locustfile")
        try:
            path, contents = self.library.locustfile(scenario.load.locustfile, self.folder)
        except BadInput as error:
            self.problems += [
                each if isinstance(each, Problem) else self.document.problem(loc, each) for each in error.problems
            ]
            return None
        self.files.update({f"scenarios/{name}": content for name, content in contents.items()})
        return path


def experiment_problems(document: Document, experiment: Experiment) -> Iterator[Problem]:
    yield from rules.fault_problems(document, ("fault",), experiment.fault)
    yield from rules.unique(document, ("probes",), [probe.id for probe in experiment.probes])


def experiment_story(path: Path, document: Document, experiment: Experiment) -> Story:
    """A lone experiment as a story: no load; its probes must be as expected before, and again in the end."""
    problems = list(experiment_problems(document, experiment))
    if not experiment.probes:
        problems.append(document.problem((), "probes: are needed to judge an experiment that runs alone"))
    if problems:
        raise BadInput.of(problems)
    tolerances = _probes_hold(experiment)
    service = Service(
        format="service/v1",
        id=experiment.id,
        title=experiment.title,
        team="unassigned",
        owner="unassigned",
        tolerances=list(tolerances),
    )
    entry = f"experiments/{path.name}"
    return Story(
        kind="experiment",
        id=experiment.id,
        title=experiment.title,
        text=experiment.hypothesis,
        service=service,
        namespace=experiment.namespace,
        baseline=experiment.baseline,
        recovery=experiment.recovery,
        probes=tuple(experiment.probes),
        steps=(FaultStep(id="fault", title=experiment.title, fault=experiment.fault),),
        tolerances=tolerances,
        caps=experiment.caps,
        tags=tuple(experiment.tags),
        files={entry: document.content},
        entry=entry,
        steps_at={"fault": _at(document, ("fault",))},
    )


def _at(document: Document, loc: tuple[str | int, ...]) -> tuple[str, int, int]:
    return (document.path, *document.where(loc))


def _probes_hold(experiment: Experiment) -> tuple[Tolerance, ...]:
    """Each probe as expected in the whole baseline, and in the second half of recovery: coming back may take the first."""
    half = Exact(experiment.recovery / 2)
    return tuple(
        tolerance
        for probe in experiment.probes
        for tolerance in (
            ProbeHolds(id=f"{probe.id[:54]}-before", measure="probe", probe=probe.id, window="baseline"),
            ProbeHolds(id=f"{probe.id[:54]}-after", measure="probe", probe=probe.id, window="recovery", after=half),
        )
    )
