"""Whether a stored plan is still what a run would do: same cluster by fingerprint, same files, same targets by UID, same undo.

Drift is bad input: waiting does not cure it, and nobody has looked at what would be struck instead. Plan again.
"""

import re
from collections.abc import Iterator

from chaos.errors import BadInput
from chaos.model.run import Environment, Plan, PlannedFault
from chaos.story import Story

_OF_RUN = re.compile(r"-[0-9a-f]{8}\b")  # names of what a run makes end in a digest of the run


def refuse_other_place(stored: Plan, story: Story, place: Environment) -> None:
    """BadInput where the plan is for another cluster, another story, or other files. Asks the cluster nothing."""
    _refuse(
        stored,
        [
            *([] if story.id == stored.scenario else [f"the plan is for {stored.scenario}, not for {story.id}"]),
            *_other_cluster(stored.environment, place),
            *_other_files(stored, story),
        ],
    )


def refuse_other_targets(stored: Plan, fresh: Plan) -> None:
    """BadInput where a run would strike other objects than planned, or put them back to something else."""
    now = {fault.step: fault for fault in fresh.faults}
    lines = [line for fault in stored.faults for line in _other_fault(fault, now.get(fault.step))]
    known = {fault.step for fault in stored.faults}
    lines += [f"step {step}: was not in the plan" for step in now if step not in known]
    _refuse(stored, lines)


def _refuse(stored: Plan, drifted: list[str]) -> None:
    if drifted:
        raise BadInput(
            f"the plan of {stored.scenario} no longer holds; nothing was touched. Since it was made:",
            *(f"  {line}" for line in drifted),
            "look at what a run would do now: gameday plan",
        )


def _other_cluster(planned: Environment, now: Environment) -> Iterator[str]:
    if (planned.kind, planned.fingerprint) != (now.kind, now.fingerprint):
        yield f"cluster: planned for {_words(planned)}, but this is {_words(now)}"


def _words(environment: Environment) -> str:
    return f"{environment.name} (fingerprint {environment.fingerprint or 'none'})"


def _other_files(stored: Plan, story: Story) -> Iterator[str]:
    if story.revision == stored.revision:
        return
    now, named = story.digests, False
    for name in sorted({*stored.inputs, *now}):
        if stored.inputs.get(name) != now.get(name):
            what = "is new" if name not in stored.inputs else "is gone" if name not in now else "has changed"
            named = True
            yield f"file: {name} {what}"
    if not named:
        yield f"files: revision {stored.revision} has become {story.revision}"


def _other_fault(planned: PlannedFault, now: PlannedFault | None) -> Iterator[str]:
    if now is None:
        yield f"step {planned.step}: is no longer there"
        return
    before, after = ({(t.kind, t.namespace, t.name, t.uid): t for t in fault.targets} for fault in (planned, now))
    for key in sorted(before.keys() - after.keys()):
        yield f"step {planned.step}: {before[key]} (uid {before[key].uid}) would no longer be struck"
    for key in sorted(after.keys() - before.keys()):
        yield f"step {planned.step}: {after[key]} (uid {after[key].uid}) would be struck, which was not planned"
    if before.keys() == after.keys() and _bare(planned.undo) != _bare(now.undo):
        yield f"step {planned.step}: planned undo: {planned.undo}; now: {now.undo}"


def _bare(undo: str) -> str:
    return _OF_RUN.sub("", undo)
