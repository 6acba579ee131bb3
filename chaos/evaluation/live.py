"""Evaluation while the run goes on: is the baseline healthy, is a stop condition met?"""

import threading

from chaos.evaluation.baseline import baseline_problem
from chaos.evaluation.stop_conditions import StopWatch
from chaos.journal import payload_of
from chaos.model.events import Event, LoadSecond, PhaseEdge, Sample
from chaos.story import Story


class Live:
    """Sees every event; safe from any thread. Events are kept until the baseline has been judged, and not a moment longer."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._watch = StopWatch(story.stop_conditions)
        self._lock = threading.Lock()
        self._kept: list[Event] | None = []
        self._struck = False

    def feed(self, event: Event) -> None:
        with self._lock:
            if self._kept is not None and event.kind in ("phase", "load", "load-note", "sample"):
                self._kept.append(event)
            if event.kind == "phase" and payload_of(event, PhaseEdge).phase == "fault":
                self._struck = True
            elif event.kind == "load" and self._story.stop_conditions:
                self._watch.load(payload_of(event, LoadSecond))
            elif event.kind == "sample":
                self._watch.sample(payload_of(event, Sample), event.mono)

    def baseline_problem(self) -> str:
        """Why nothing may be struck, or "" when the baseline is healthy."""
        with self._lock:
            kept, self._kept = self._kept or [], None
        return baseline_problem(self._story, lambda: iter(kept))

    def broken_condition(self, now: float) -> str:
        """The stop condition that is met now (`id: what was seen`), or "". Nothing is met before the fault phase."""
        with self._lock:
            return self._watch.broken(now) if self._struck else ""
