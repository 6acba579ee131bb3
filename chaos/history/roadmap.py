"""The roadmap: findings turned into work, one tracked file an item, closed by a passing re-test and by nothing else.

open -> in-progress, fix-claimed (people say so) -> closed (a run says so) -> reopened (it breached again)
accepted-risk (people: by whom, why, until when)
"""

import re
from datetime import date
from pathlib import Path

from chaos.errors import BadInput, NotReady, Problem
from chaos.history.item_file import ItemFile, read_item, write_item
from chaos.model.finding import Acceptance, Finding, ItemState, Observed, PeoplesPlan, RoadmapItem
from chaos.model.run import RunInfo
from chaos.model.verdict import Verdict
from chaos.story import Story

RANK = {"none": 0, "sandbox": 1, "kind": 2, "cluster": 3}
"""What was found on a cluster is not closed by a pass on less."""
_BECOMES_WORK = ("save", "gap")
_KEPT_RUNS = 50


def update(
    folder: Path, *, findings: list[Finding], verdict: Verdict, info: RunInfo, story: Story, today: date
) -> list[RoadmapItem]:
    """Bring the roadmap up to date with a run; the items that it touched. Doing it again with the same run changes nothing."""
    files = {file.item.observed.fingerprint: file for file in _read_all(folder)}
    touched: dict[str, RoadmapItem] = {}
    work = [finding for finding in findings if finding.kind in _BECOMES_WORK]
    if work:
        _make(folder)
    for finding in work:
        known = files.get(finding.fingerprint)
        item = _seen_again(known.item, finding, info, today) if known else _new(finding, story, info, today)
        write_item(known.path if known else folder / f"{item.id}.yaml", item, known.plan if known else None)
        touched[finding.fingerprint] = item
    for code, file in files.items():
        if code not in touched and (passed := _passed(file.item, verdict, info, story, today)):
            write_item(file.path, passed, file.plan)
            touched[code] = passed
    return list(touched.values())


def load_all(folder: Path) -> list[RoadmapItem]:
    """Every item: what is not closed first, the worst and the most urgent at the top."""
    items = [file.item for file in _read_all(folder)]
    return sorted(
        items, key=lambda item: (state_of(item) in ("closed", "accepted-risk"), item.severity, item.plan.due, item.id)
    )


def state_of(item: RoadmapItem) -> ItemState:
    """What people say, as far as no run has said otherwise since."""
    observed, said = item.observed, item.plan.state
    if observed.state == "closed" or said is None:
        return observed.state
    if observed.state == "reopened" and said == observed.ignored_claim:
        return "reopened"  # the claim is from before it breached again
    return said


def _read_all(folder: Path) -> list[ItemFile]:
    """All files; all problems of all of them at once."""
    if not folder.is_dir():
        return []
    files: list[ItemFile] = []
    problems: list[Problem | str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files.append(read_item(path))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(*problems)
    return files


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotReady(f"cannot make {folder}: {error.strerror}") from error


def _new(finding: Finding, story: Story, info: RunInfo, today: date) -> RoadmapItem:
    return RoadmapItem(
        id=_id_of(finding),
        title=finding.title,
        service=finding.service,
        severity=finding.severity_measured,
        why=_why(finding),
        remedy=finding.cause.remedy if finding.cause else "",
        acceptance=Acceptance(
            scenario=story.id,
            tolerances=finding.tolerances,
            min_environment=info.environment.kind,
            command=finding.closed_by,
        ),
        observed=Observed(
            fingerprint=finding.fingerprint,
            finding=finding.as_json(),
            state="open",
            first_seen=today.isoformat(),
            last_seen=today.isoformat(),
            runs=[info.id],
            environments=[info.environment.kind],
        ),
        plan=PeoplesPlan(owner=finding.owner, due=finding.due),
    )


def _id_of(finding: Finding) -> str:
    words = "-".join((finding.service, finding.dependency or "load", finding.id.split("-")[1], finding.fingerprint[:6]))
    return re.sub(r"[^a-z0-9-]+", "-", words.lower())[:80].strip("-")


def _why(finding: Finding) -> str:
    """Why it matters, in the customers' units."""
    impact = finding.impact
    said = []
    if impact.attempted:
        said.append(f"{impact.failed:,} of {impact.attempted:,} requests failed")
    if impact.minutes_outside:
        said.append(f"the service was outside its tolerances for {impact.minutes_outside * 60:.0f} s")
    if impact.lost:
        said.append(f"{impact.lost} acknowledged transactions were lost")
    if impact.wrong:
        said.append(f"{impact.wrong} transactions were kept wrongly")
    if impact.cost:
        said.append(f"at this service's price that is {impact.cost}")
    broken = [factor.text for factor in finding.factors[: len(finding.tolerances)]]
    cause = [f"{finding.cause.title}: {'; '.join(finding.cause.evidence)}."] if finding.cause and finding.cause.evidence else []
    return " ".join([f"{'; '.join(said)}." if said else "", *(f"{text}." for text in broken), *cause]).strip()


def _seen_again(item: RoadmapItem, finding: Finding, info: RunInfo, today: date) -> RoadmapItem:
    """The same hole, seen by a further run: closed items open again, and passes are counted anew."""
    observed = item.observed
    if info.id in observed.runs and info.id != observed.runs[-1]:
        return item  # an old run, judged again: later ones have said more
    again = observed.state == "closed" and info.id not in observed.runs
    kinds = list(dict.fromkeys([*observed.environments, info.environment.kind]))
    seen = observed.model_copy(
        update={
            "finding": finding.as_json(),
            "state": "reopened" if again else observed.state,
            "last_seen": max(observed.last_seen, today.isoformat()),
            "runs": list(dict.fromkeys([*observed.runs, info.id]))[-_KEPT_RUNS:],
            "passes": observed.passes if info.id in observed.runs else [],
            "environments": kinds,
            "closed_by": "" if again else observed.closed_by,
            "ignored_claim": (item.plan.state or "") if again else observed.ignored_claim,
        }
    )
    return item.model_copy(
        update={
            "title": finding.title,
            "severity": finding.severity_measured,
            "why": _why(finding),
            "remedy": finding.cause.remedy if finding.cause else item.remedy,
            "observed": seen,
            "acceptance": item.acceptance.model_copy(
                update={
                    "tolerances": list(dict.fromkeys([*item.acceptance.tolerances, *finding.tolerances])),
                    "min_environment": max((item.acceptance.min_environment, info.environment.kind), key=RANK.__getitem__),
                }
            ),
        }
    )


def _passed(item: RoadmapItem, verdict: Verdict, info: RunInfo, story: Story, today: date) -> RoadmapItem | None:
    """The item after a run that passed its acceptance; None when this run says nothing about it."""
    observed, acceptance = item.observed, item.acceptance
    if acceptance.scenario != story.id or info.id in [*observed.passes, *observed.runs] or observed.state == "closed":
        return None
    held = {row.tolerance for row in verdict.rows if row.outcome == "held"}
    good = verdict.outcome == "held" and verdict.exit_code == 0 and held.issuperset(acceptance.tolerances)
    if not good or RANK[info.environment.kind] < RANK[acceptance.min_environment]:
        return None
    if observed.runs and info.id < observed.runs[-1]:
        return None  # a run from before the breach, judged again
    passes = [*observed.passes, info.id]
    closes = len(passes) >= acceptance.repeats
    seen = observed.model_copy(
        update={
            "passes": passes,
            "state": "closed" if closes else observed.state,
            "closed_by": info.id if closes else "",
            "last_seen": max(observed.last_seen, today.isoformat()),
        }
    )
    return item.model_copy(update={"observed": seen})
