"""From a story to a plan: targets frozen by UID, caps kept, rights asked for. Reads only; sends no mutating request."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chaos
from chaos.clients.images import load_image
from chaos.clients.world import World
from chaos.engine import guarding, rights
from chaos.engine.blast import too_many_nodes
from chaos.engine.claims import claims_of, clashes
from chaos.engine.loading import on_the_cluster
from chaos.engine.place import Place
from chaos.engine.prepared import Prepared
from chaos.engine.timeline import Scheduled, length, schedule
from chaos.errors import BadInput, NotReady, Problem
from chaos.injectors.base import LABEL_TARGET, Aim
from chaos.injectors.rivals import rivals
from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.injectors.targets import refuse_protected
from chaos.model.dose import Route
from chaos.model.run import Cap, Permission, Plan, PlannedFault, PlannedStep
from chaos.probes.dose import routes_of
from chaos.scenario import FaultStep
from chaos.story import Story

IMAGES = {"toxiproxy": "ghcr.io/shopify/toxiproxy:2.12.0", "python": "python:3.13-slim"}


def images() -> dict[str, str]:
    """What our helper pods run: public images, unless GAMEDAY_TOXIPROXY_IMAGE or GAMEDAY_PYTHON_IMAGE names another one."""
    return {what: os.environ.get(f"GAMEDAY_{what.upper()}_IMAGE", image) for what, image in IMAGES.items()}


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """All that planning found out."""

    plan: Plan
    timeline: list[Scheduled]
    faults: dict[str, Prepared] = field(default_factory=dict)  # by step id
    fittings: list[Prepared] = field(default_factory=list)
    ttl: float = 0.0  # seconds of silence after which the guard acts; 0 = there is none
    base_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run, as far as planning needs to know."""

    mode: str = "ci"
    images: Mapping[str, str] = field(default_factory=images)
    ttl: float = guarding.TTL
    """Seconds without a sign of life after which the guard puts everything back; 0 = without a guard."""


DEFAULTS = Settings()


def prepare(story: Story, place: Place, *, run: str, seed: int, settings: Settings = DEFAULTS) -> Prepare:
    """Resolve everything that the run will touch. All problems of the targets are told at once (BadInput)."""
    timeline = schedule(story, settings.mode)
    faults: dict[str, Prepared] = {}
    fittings: list[Prepared] = []
    base_url = place.base_url(story)
    fault_steps = [each.step for each in timeline if isinstance(each.step, FaultStep)]
    far = story.load is not None and story.load.workers is not None
    if fault_steps or story.observe or far:
        world = _struck_world(story, place)
        aims = _Aims(story, world, run, seed, settings.images)
        faults = _prepare_faults(fault_steps, aims)
        _refuse_together(timeline, faults, story)
        fittings = [_load_workers(story, place, aims, timeline)] if far else []
        fittings += _prepare_fittings(story, faults, aims, settings.ttl)
    plan = _plan_of(story, place, seed, timeline, [*faults.values(), *fittings])
    if place.world is not None:
        plan = plan.model_copy(update={"permissions": _rights_of_run(story, [*faults.values()], fittings)})
    ttl = settings.ttl if any(each.kind == "guard" for each in fittings) else 0.0
    return Prepare(plan=plan, timeline=timeline, faults=faults, fittings=fittings, ttl=ttl, base_url=base_url)


def _struck_world(story: Story, place: Place) -> World:
    if place.world is None:
        raise BadInput("this story strikes a cluster: --on none is for stories of load and checks only")
    refuse_protected(story.namespace)
    labels = place.world.cluster.get("Namespace", story.namespace)["metadata"].get("labels", {})
    if labels.get(LABEL_TARGET) != "true":
        raise BadInput(
            f"namespace {story.namespace} has not opted in to be struck; whoever owns it can: "
            f"kubectl label namespace {story.namespace} {LABEL_TARGET}=true"
        )
    return place.world


@dataclass(frozen=True)
class _Aims:
    story: Story
    world: World
    run: str
    seed: int
    images: Mapping[str, str]

    def at(self, step: str) -> Aim:
        return Aim(
            world=self.world,
            namespace=self.story.namespace,
            run=self.run,
            step=step,
            rng=random.Random(f"{self.seed}/{step}"),  # noqa: S311 - the choice must be repeatable, not secret
            caps=self.story.caps,
            images=self.images,
        )


def _prepare_faults(steps: list[FaultStep], aims: _Aims) -> dict[str, Prepared]:
    found: dict[str, Prepared] = {}
    problems: list[Problem | str] = []
    for step in steps:
        assert step.fault is not None  # the catalogue resolved every experiment
        module = INJECTORS[step.fault.kind]
        try:
            state = module.prepare(step.fault, aims.at(step.id))
        except BadInput as error:
            problems += [aims.story.problem(step.id, str(problem)) for problem in error.problems]
            continue
        found[step.id] = Prepared(
            step=step.id,
            kind=step.fault.kind,
            module=module,
            state=state,
            dose=module.dose(state),
            rivals=rivals(aims.world.cluster, module.undo_calls(state)),
        )
    if problems:
        raise BadInput(*problems)
    return found


def _refuse_together(timeline: list[Scheduled], faults: Mapping[str, Prepared], story: Story) -> None:
    """What each step may do alone, but not beside the others."""
    struck = [(each, faults[each.step.id]) for each in timeline if each.step.id in faults]
    claims = [claim for each, fault in struck for claim in claims_of(each, fault.module, fault.state)]
    problems = [story.problem(step, words) for step, words in clashes(claims)]
    if problems := [*problems, *too_many_nodes(timeline, faults, story)]:
        raise BadInput(*problems)


def _rights_of_run(story: Story, faults: list[Prepared], fittings: list[Prepared]) -> list[Permission]:
    found = rights.of_run(story)
    if faults or fittings:
        found += guarding.permissions(story.namespace, guarded=any(each.kind == "guard" for each in fittings))
    if story.load:
        found += rights.of_callers((each.module, each.state) for each in faults)
    return rights.unique([*found, *(right for each in fittings for right in rights.of_change(each.module, each.state, None))])


def _prepare_fittings(story: Story, faults: Mapping[str, Prepared], aims: _Aims, ttl: float) -> list[Prepared]:
    """A witness where readings over routes are needed; an idle proxy before each observed Service that has none yet; and a
    guard over all of it, where anything is changed that was there before.
    """
    found: list[Prepared] = []
    routes: list[Route] = routes_of([fault.dose for fault in faults.values() if fault.dose])
    if routes:
        struck = sorted({each.name for fault in faults.values() for each in fault.state.targets if each.kind == "Node"})
        found.append(_fitting("witness", "witness", aims, {"routes": routes, "avoid": struck}))
    in_path = {fault.dependency for fault in faults.values() if hasattr(fault.state, "proxy")}
    observed = [service for service in story.observe if service not in in_path]
    found += [_fitting(f"observe-{service}", "idle-proxy", aims, {"service": service}) for service in observed]
    changes = [*faults.values(), *found]
    if ttl and guarding.needed(changes):
        found.append(_fitting("guard", "guard", aims, guarding.over(changes, aims.run, ttl)))
    return found


def _load_workers(story: Story, place: Place, aims: _Aims, timeline: list[Scheduled]) -> Prepared:
    """Locust on the cluster; the sandbox is this very machine."""
    if place.environment.kind == "sandbox":
        raise BadInput("load.workers makes load on a cluster, and the sandbox is this machine: use load.processes there")
    image = aims.images.get("load") or load_image(Path(chaos.__file__).parent)
    wanted = on_the_cluster(story, seconds=sum(_phases(story, timeline).values()), seed=aims.seed, image=image)
    return _fitting("load", "load-workers", aims, wanted)


def _phases(story: Story, timeline: list[Scheduled]) -> dict[str, float]:
    return {
        "warm-up": story.load.warm_up if story.load else 0.0,
        "baseline": story.baseline,
        "fault": length(timeline),
        "recovery": story.recovery,
    }


def _fitting(step: str, kind: str, aims: _Aims, wanted: dict[str, Any]) -> Prepared:
    module = FITTINGS[kind]
    return Prepared(
        step=step, kind=kind, module=module, state=module.prepare(module.Spec(**wanted), aims.at(step)), fitting=True
    )


def _plan_of(story: Story, place: Place, seed: int, timeline: list[Scheduled], changes: list[Prepared]) -> Plan:
    load = story.load
    faults = {each.step: each for each in changes if not each.fitting}
    guard = next((each for each in changes if each.kind == "guard"), None)
    return Plan(
        scenario=story.id,
        title=story.title,
        service=story.service.id,
        revision=story.revision,
        inputs=story.digests,
        environment=place.environment,
        seed=seed,
        timeline=[
            PlannedStep(
                step=each.step.id,
                type=each.type,
                at=each.start,
                until=each.end,
                title=each.step.title or "",
                for_people=each.for_people,
            )
            for each in timeline
        ],
        faults=[_planned(each, faults[each.step.id], guard) for each in timeline if each.step.id in faults],
        caps=_caps(story),
        phases=_phases(story, timeline),
        load=load.as_json() if load else {},
        notes=guarding.notes(changes, guard),
    )


def _planned(scheduled: Scheduled, fault: Prepared, guard: Prepared | None) -> PlannedFault:
    assert isinstance(scheduled.step, FaultStep)
    assert scheduled.step.fault is not None
    return PlannedFault(
        step=fault.step,
        fault=fault.kind,
        at=scheduled.start,
        duration=scheduled.end - scheduled.start,
        dependency=fault.dependency,
        targets=fault.state.targets,
        undo=fault.module.undo_words(fault.state),
        privilege=fault.module.PRIVILEGE,
        dose=fault.dose.words if fault.dose else "",
        ttl=guarding.ttl_words(fault, guard),
        permissions=rights.of_change(fault.module, fault.state, fault.dose),
        notes=[*getattr(fault.state, "notes", []), *fault.rivals],
        spec=scheduled.step.fault.as_json(),
    )


def _caps(story: Story) -> list[Cap]:
    caps = story.caps
    raised = {
        "workload_share": (f"{caps.max_share:.0%} of a workload at once", caps.workload_share),
        "nodes": (f"{caps.max_nodes} node at once", caps.nodes),
        "last_replica": (
            "the last ready replica " + ("may be struck" if caps.last_replica else "is never struck"),
            caps.last_replica,
        ),
        "net_admin": ("NET_ADMIN " + ("allowed" if caps.net_admin else "not used"), caps.net_admin),
        "docker": ("the Docker socket " + ("allowed" if caps.docker else "not used"), caps.docker),
        "control_plane": ("the control plane " + ("may be struck" if caps.control_plane else "is spared"), caps.control_plane),
    }
    return [
        Cap(name=name, value=value, raised=raise_ is not None, because=raise_.because if raise_ else "")
        for name, (value, raise_) in raised.items()
    ]


def ask_permissions(prepared: Prepare, place: Place) -> list[Permission]:
    """Every right the plan needs, answered by the API server. Missing ones are NotReady: never inject what we may not undo."""
    assert place.world is not None
    plan = prepared.plan
    of_faults = [permission for fault in plan.faults for permission in fault.permissions]
    answered = place.world.cluster.may(rights.unique([*plan.permissions, *of_faults]))
    if missing := [permission for permission in answered if not permission.allowed]:
        lines = [
            f"{p.verb} {p.resource}{'/' + p.subresource if p.subresource else ''} in {p.namespace or 'the cluster'} ({p.use})"
            for p in missing
        ]
        raise NotReady("the plan needs rights that we do not have; nothing was touched:\n  " + "\n  ".join(lines))
    return answered
