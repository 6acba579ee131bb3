"""The small public surface: connect, plan, run, judge, recover.

>>> from chaos import api
>>> [name for name in ("connect", "plan", "run", "judge", "recover") if not hasattr(api, name)]
[]
"""

import getpass
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import chaos
from chaos.catalogue import load_story
from chaos.engine import cluster_ledger, drift, reaching
from chaos.engine.guarding import TTL
from chaos.engine.place import Place, without_credentials
from chaos.engine.planning import Settings, prepare
from chaos.engine.recovery import Recovered, take_over
from chaos.engine.recovery import recover as _recover
from chaos.engine.run import Run, execute, refuse_to_start
from chaos.engine.safeguards import refuse_busy
from chaos.errors import BadInput, GamedayError, NotReady
from chaos.evaluation.findings import find
from chaos.evaluation.judge import judge as _judge
from chaos.evaluation.live import Live
from chaos.history import roadmap
from chaos.history.runs import new_run_id, point_latest
from chaos.journal import dumps, read
from chaos.ledger import all_open
from chaos.model.events import Event
from chaos.model.finding import Finding, RoadmapItem
from chaos.model.run import Plan, RunInfo, Subject
from chaos.model.verdict import Verdict
from chaos.render import html, junit, markdown
from chaos.render.report_data import ReportData
from chaos.story import Story

PACKAGES = ("kubernetes", "docker", "httpx", "locust", "pydantic", "pytest", "toxiproxy-python")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run, beyond what the story says."""

    reports: Path
    release: str = ""
    seed: int | None = None
    mode: str = "ci"
    trigger: str = "manual"
    guard: bool = True
    ttl: float = TTL
    """Seconds without a sign of life after which the guard in the cluster puts everything back."""
    plan: Plan | None = None
    """What was looked at before: the run is refused where it would do anything else."""

    @property
    def settings(self) -> Settings:
        return Settings(mode=self.mode, ttl=self.ttl if self.guard else 0.0)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run, or judging it again, came to. `data` holds everything that a report shows."""

    folder: Path
    verdict: Verdict
    findings: list[Finding] = field(default_factory=list)
    items: list[RoadmapItem] = field(default_factory=list)
    data: ReportData

    @property
    def exit_code(self) -> int:
        return self.verdict.exit_code


def connect(on: str, *, url: str = "", kubeconfig: Path | None = None) -> Place:
    """Where `--on` strikes: `sandbox`, `kind-NAME`, a kubeconfig context, or `none`."""
    return reaching.place(on, url=url, kubeconfig=kubeconfig)


def plan(story: Story, place: Place, *, seed: int, guard: bool = True, ttl: float = TTL) -> Plan:
    """What a run would do, resolved; sends no mutating request."""
    return prepare(story, place, run="plan", seed=seed, settings=Settings(ttl=ttl if guard else 0.0)).plan


def run(story: Story, place: Place, options: RunOptions, *, on_event: Callable[[Event], None] = lambda _: None) -> RunResult:
    """Run the story, judge it, and write its run directory."""
    refuse_to_start(place)
    if options.plan:
        drift.refuse_other_place(options.plan, story, place.environment)
    refuse_busy(place, story)
    seed = _seed(options)
    started = datetime.now(UTC)
    run_id = new_run_id(started, story.id)
    prepared = prepare(story, place, run=run_id, seed=seed, settings=options.settings)
    if options.plan:
        drift.refuse_other_targets(options.plan, prepared.plan)
    info = _info(story, place, options, run_id=run_id, seed=seed, started=started)
    folder = _open_folder(options.reports, info, prepared.plan, story)
    live = Live(story)
    execute(Run(story=story, place=place, info=info, prepared=prepared, folder=folder, judges=live), on_event=on_event)
    point_latest(options.reports, folder)
    return _conclude(folder, story, info, prepared.plan)


def _seed(options: RunOptions) -> int:
    if options.plan:
        return options.plan.seed
    return options.seed if options.seed is not None else random.SystemRandom().randrange(2**31)


def judge(folder: Path) -> RunResult:
    """Judge a stored run again, from its files alone, and write its verdict, findings and reports anew."""
    try:
        info = RunInfo.model_validate_json((folder / "run.json").read_bytes())
        planned = Plan.model_validate_json((folder / "plan.json").read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} is not a run directory: {error}") from error
    entry = (folder / "inputs" / "ENTRY").read_text().strip()
    return _conclude(folder, load_story(folder / "inputs" / entry), info, planned)


def recover(run: str = "", *, kubeconfig: Path | None = None) -> list[Recovered]:
    """Put back what runs of this machine left behind; all of them, or one. NotReady while a runner is still at work on it."""
    found = [contents for contents in all_open() if run in ("", contents.header.run)]
    if run and not found:
        raise BadInput(f"no run {run} of this machine has anything left to put back; from the cluster: --cluster --on WHERE")
    if busy := [contents.header.run for contents in found if contents.running]:
        raise NotReady(f"run {', '.join(busy)} is still at work; stop it first")
    if kubeconfig:
        found = [
            each.model_copy(update={"header": each.header.model_copy(update={"kubeconfig": str(kubeconfig), "context": ""})})
            for each in found
        ]
    return [result for contents in found for result in _recover(contents, reaching.reach)]


def recover_from_cluster(place: Place, run: str = "", *, namespace: str = "") -> list[Recovered]:
    """Put back what any run, from whatever machine, left in this cluster, from its ledger there alone."""
    if place.world is None:
        raise BadInput("--cluster needs a cluster: --on WHERE")
    world = place.world
    found = [each for each in cluster_ledger.read_all(world.cluster, namespace) if run in ("", each.header.run)]
    if run and not found:
        raise BadInput(f"run {run} left no ledger in {place.environment.name}{f', namespace {namespace}' if namespace else ''}")
    results: list[Recovered] = []
    busy: list[str] = []
    for contents in found:
        try:
            take_over(contents, world)
        except NotReady as error:
            busy.append(str(error))
            continue
        results += _recover(contents, lambda _: world)
    if busy and all(result.state == "clean" for result in results):
        raise NotReady("\n".join(busy))
    return results


def versions() -> dict[str, str]:
    """The versions of the packages that a run stands on."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _info(story: Story, place: Place, options: RunOptions, *, run_id: str, seed: int, started: datetime) -> RunInfo:
    return RunInfo(
        id=run_id,
        mode=options.mode,
        trigger=options.trigger,
        scenario=story.id,
        title=story.title,
        revision=story.revision,
        environment=place.environment,
        subject=Subject(service=story.service.id, release=options.release, git_sha=_git_sha()),
        tool_version=chaos.__version__,
        versions=versions(),
        seed=seed,
        operator=_operator(),
        started=started.isoformat(timespec="milliseconds"),
        guard=options.guard,
        ttl=options.ttl,
        url=without_credentials(place.url),
    )


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _git_sha() -> str:
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=2, check=False)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _open_folder(reports: Path, info: RunInfo, planned: Plan, story: Story) -> Path:
    folder = reports / info.id
    try:
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(dumps(info.as_json()))
        (folder / "plan.json").write_text(dumps(planned.as_json()))
        for name, content in {**story.files, "ENTRY": story.entry.encode()}.items():
            path = folder / "inputs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise NotReady(f"cannot write the run directory {folder}: {error.strerror}; nothing was touched") from error
    return folder


def _conclude(folder: Path, story: Story, info: RunInfo, planned: Plan) -> RunResult:
    """Judge the journal and write everything that follows from it."""

    def events() -> Iterator[Event]:
        return read(folder / "journal.jsonl")

    verdict = _judge(story, events, info)
    findings = find(story, events, info, verdict)
    _write(folder, {"verdict.json": dumps(verdict.as_json()), "findings.json": dumps([each.as_json() for each in findings])})
    today = datetime.fromisoformat(info.started).date()
    items = roadmap.update(folder.parent / "roadmap", findings=findings, verdict=verdict, info=info, story=story, today=today)
    data = ReportData.build(story, info, planned, events(), verdict, findings, items)
    _write(folder, {"report.html": html.render(data), "summary.md": markdown.render(data), "junit.xml": junit.render(data)})
    return RunResult(folder=folder, verdict=verdict, findings=findings, items=items, data=data)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            again = f"the run itself is over, and its journal can be judged again: gameday judge {folder}"
            raise GamedayError(f"cannot write {folder / name}: {error.strerror}; {again}") from error
