"""Short facts that every page of a report tells in the same words: how to run it again, what became of a change."""

import shlex

from chaos.history.roadmap import state_of
from chaos.model.finding import RoadmapItem
from chaos.render import words
from chaos.render.happenings import Change, DoseShown
from chaos.render.report_data import ReportData


def commands(data: ReportData) -> list[tuple[str, str]]:
    """What does this again, each with what it is for."""
    again = [
        "gameday",
        "run",
        data.story.entry or data.story.id,
        "--on",
        data.info.environment.on,
        "--seed",
        str(data.info.seed),
    ]
    if data.info.subject.release:
        again += ["--release", data.info.subject.release]
    return [
        ("Run it again", shlex.join(again)),
        ("Judge and render the stored run again, without a cluster", shlex.join(["gameday", "judge", data.info.id])),
        ("See what a run would touch, without touching it", shlex.join([*again[:1], "plan", *again[2:7]])),
    ]


def dose_of(data: ReportData, step: str) -> DoseShown | None:
    """The best evidence for a step: a proof where there is one, else the last look."""
    doses = [dose for dose in data.doses if dose.step == step]
    return next((dose for dose in doses if dose.proved), doses[-1] if doses else None)


def fate(change: Change) -> str:
    """What became of a change, in one clause."""
    if "strike-failed" in change.at and "struck" not in change.at and "armed" not in change.at and change.state == "unknown":
        return f"not struck: {change.trouble}"
    at = {edge: words.moment(moment) for edge, moment in change.at.items()}
    if change.state == "verified":
        return f"put back, and read back at {at['verified']}"
    if change.state == "left-over":
        return f"NOT put back: {change.trouble or 'unknown'}"
    if change.state == "undone":
        return f"undone at {at.get('disarmed', at.get('undone', ''))}; the record ends before the proof"
    return "the record ends before it was put back"


def notes(data: ReportData, step: str) -> list[str]:
    """What the plan said beside: limits of the fault, and who else would change its targets."""
    return [note for fault in data.plan.faults if fault.step == step for note in fault.notes]


def targets(change: Change, most: int = 5) -> str:
    """What was touched, by kind and name."""
    names = [f"{str(target.get('kind', '')).lower()}/{target.get('name', '?')}" for target in change.targets]
    return words.listing(names, most=most) if names else change.dependency


def load_words(data: ReportData) -> str:
    """How much load, in one clause."""
    load = data.story.load
    if load is None:
        return "no load"
    total = data.series.total()
    kind = f"{load.rate:g} arrivals a second" if load.rate is not None else f"{words.plural(load.users or 0, 'user')} at once"
    dropped = f", {words.plural(data.series.dropped, 'arrival')} not sent" if data.series.dropped else ""
    return f"{kind}; {words.plural(total.attempted, 'request')} attempted{dropped}"


def work_state(item: RoadmapItem) -> str:
    """What people say of an item, as far as no run has said otherwise since."""
    return state_of(item)


def closing(item: RoadmapItem) -> str:
    """What closed an item, or what will: nothing else does."""
    if work_state(item) == "closed" and item.observed.closed_by:
        return f"closed by run {item.observed.closed_by}: {accepted_by(item)}"
    return f"closed when {accepted_by(item)}"


def accepted_by(item: RoadmapItem) -> str:
    """What has to be seen before an item is closed."""
    acceptance = item.acceptance
    times = "" if acceptance.repeats == 1 else f" {acceptance.repeats} times in a row"
    place = "" if acceptance.min_environment == "none" else f" on {acceptance.min_environment} or nearer to production"
    what = f" ({words.listing(acceptance.tolerances, most=4)})" if acceptance.tolerances else ""
    return f"{acceptance.scenario} holds{what}{times}{place}"


def impact_words(impact: dict[str, object]) -> list[tuple[str, str]]:
    """(number, what it counts), in customers' units; only what is not nothing."""

    def number(key: str) -> float:
        value = impact.get(key)
        return float(value) if isinstance(value, int | float) else 0.0

    told = []
    if number("attempted"):
        told.append((words.count(number("failed")), f"of {words.count(number('attempted'))} requests failed"))
    if number("users"):
        told.append((words.count(number("users")), "customers turned away" if number("users") != 1 else "customer turned away"))
    if number("minutes_outside"):
        told.append((words.seconds(round(number("minutes_outside") * 60)), "outside the tolerance"))
    if number("lost"):
        told.append((words.count(number("lost")), "acknowledged and then lost"))
    if number("wrong"):
        told.append((words.count(number("wrong")), "wrong or doubled"))
    if impact.get("cost"):
        amount, _, how = str(impact["cost"]).partition(" (")
        told.append((amount, f"lost: {how.rstrip(')')}" if how else "lost"))
    return told
