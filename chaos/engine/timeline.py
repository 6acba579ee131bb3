"""What happens when: a pure function from a story's steps to a schedule, in seconds after the end of the baseline."""

from dataclasses import dataclass

from chaos.scenario import CheckStep, FaultStep, HoldStep, InjectStep, LoadStep, NoteStep, Step
from chaos.story import Story

_TYPES: dict[type, str] = {
    FaultStep: "fault",
    LoadStep: "load",
    CheckStep: "check",
    HoldStep: "hold",
    InjectStep: "inject",
    NoteStep: "note",
}


@dataclass(frozen=True)
class Scheduled:
    """One step with its times."""

    step: Step
    type: str
    start: float
    end: float

    @property
    def for_people(self) -> bool:
        return self.type in ("inject", "note")


def schedule(story: Story, mode: str = "ci") -> list[Scheduled]:
    """The steps that this mode runs, by their start. A step begins at its `at`, else when the one before it ends."""
    ends: dict[str, float] = {}
    previous = 0.0
    found: list[Scheduled] = []
    for step in story.steps:
        start = step.at if step.at is not None else ends.get(step.after, 0.0) if step.after else previous
        start += step.delay
        planned = Scheduled(step, _TYPES[type(step)], start, start + _length(step))
        ends[step.id] = previous = planned.end
        if mode in step.modes or mode == "demo":
            found.append(planned)
    return sorted(found, key=lambda each: each.start)


def _length(step: Step) -> float:
    if isinstance(step, FaultStep):
        return step.fault.duration if step.fault else 0.0
    if isinstance(step, LoadStep):
        return step.load.duration
    if isinstance(step, CheckStep):
        return step.check.within
    return step.hold if isinstance(step, HoldStep) else 0.0


def length(planned: list[Scheduled]) -> float:
    """Seconds from the end of the baseline to the end of the last step."""
    return max((each.end for each in planned), default=0.0)
