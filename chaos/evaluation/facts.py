"""What one reading of a journal tells before anything is measured: edges, the generator's seconds, first harm, checks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.evaluation.generator import Generator
from chaos.evaluation.measuring import Scope
from chaos.evaluation.outage import SLOT, SLOTS
from chaos.evaluation.windows import Timeline, Window
from chaos.model.events import Event
from chaos.story import Story


@dataclass
class Facts:
    """What one reading of the journal tells: edges, the generator's seconds, first harm, readings of check steps."""

    timeline: Timeline = field(default_factory=Timeline)
    generator: Generator = field(default_factory=Generator)
    harm: dict[str | None, float] = field(default_factory=dict)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read_facts(story: Story, events: Iterable[Event]) -> Facts:
    facts = Facts()
    wanted = {each.transaction for each in story.tolerances if each.start == "first-harm"}
    failures: dict[str | None, set[float]] = {transaction: set() for transaction in wanted}
    for event in events:
        facts.timeline.feed(event)
        if event.kind == "load":
            facts.generator.feed(event)
            for transaction, seen in failures.items():
                _note_failures(seen, event.payload, transaction)
        elif event.kind == "sample" and event.payload.get("step"):
            facts.checks.setdefault(event.payload["step"], []).append(event.payload)
    strike = facts.timeline.strike
    for transaction, seen in failures.items():
        after = [moment for moment in seen if strike is not None and moment > strike - SLOT]
        if after:
            facts.harm[transaction] = min(after)
    return facts


def _note_failures(seen: set[float], payload: Mapping[str, Any], transaction: str | None) -> None:
    """Keep the slots in which requests started that failed."""
    second = int(payload["second"])
    for key, name in payload.get("names", {}).items():
        if transaction not in (None, key) or not name.get("failed"):
            continue
        slots = (name.get("slots") or {}).get("bad") or [1]
        seen.update(second + index / SLOTS for index, bad in enumerate(slots) if bad)


def is_clean(timeline: Timeline) -> bool:
    """What the run said at its end; without an end, whether everything that was begun is proved to be gone."""
    if timeline.end is not None:
        return timeline.end.clean
    return all(entry.verified for entry in timeline.entries.values() if entry.intended is not None)


def scope_of(facts: Facts, window: Window, origin: float | None = None, *, settled: bool = True) -> Scope:
    return Scope(window=window, timeline=facts.timeline, generator=facts.generator, origin=origin, settled=settled)
