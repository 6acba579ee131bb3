"""What readings of routes tell about a dose. Pure: readings in, judgement and words out."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.model.dose import Dose, Expectation, Route

Reading = dict[str, Any]

_NEWEST = 3
"""Readings of each kind of connection that decide where (nearly) all must show it: right after a strike older ones may not."""
_SOME = 30
"""... and where only a share of them must."""
_ALL = 0.8  # from this share on, the newest readings decide
_MEMORY = 30  # readings before the strike that say what is usual
_SICK_BEFORE = 0.2  # a route with more failures than this before the strike proves nothing
_HEALTHY = 0.8  # share of good readings that a control route needs
_CLEARLY = 0.005  # seconds: the least that counts as slower where no amount is promised


@dataclass
class Proof:
    """What is seen of one expectation."""

    shown: bool
    words: str
    held_untouched: bool = False  # new connections feel it, held ones do not
    unread: bool = False  # there was nothing to judge


@dataclass
class Look:
    """The readings before and since the strike. `since` holds only readings that began after it."""

    struck: float
    before: Sequence[Reading]
    since: list[Reading] = field(default_factory=list)
    newest: int = 0  # number of the latest reading seen
    _by_way: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)  # route and connection -> those of `since`
    _usual: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)  # ... -> the last of those before

    def take(self, readings: Sequence[Reading]) -> None:
        """Take in new readings; one that was under way when the strike came tells neither of before nor of after."""
        if readings:
            self.newest = readings[-1]["seq"]
        for each in readings:
            if each["at"] >= self.struck:
                self.since.append(each)
                self._by_way.setdefault((each["route"], each["connection"]), []).append(each)

    def of(self, route: Route, kind: str) -> list[Reading]:
        return self._by_way.get((route.name, kind), [])

    def before_of(self, route: Route, kind: str) -> list[Reading]:
        way = (route.name, kind)
        if way not in self._usual:
            self._usual[way] = [each for each in self.before if (each["route"], each["connection"]) == way][-_MEMORY:]
        return self._usual[way]


@dataclass(frozen=True)
class _Said:
    shown: bool
    words: str


def judge_route(expected: Expectation, route: Route, look: Look, *, last_chance: bool = False) -> Proof:
    """Whether the readings over every kind of connection show what is expected. Few readings are enough at the last chance."""
    shown: dict[str, bool] = {}
    words: list[str] = []
    unread = False
    for kind in expected.connections:
        said = _judge_kind(expected, look.of(route, kind), look.before_of(route, kind), last_chance)
        shown[kind] = said is not None and said.shown
        unread = unread or said is None
        words.append(f"{kind} connections: {said.words if said else 'no readings yet'}")
    untouched = shown.get("new", False) and shown.get("held") is False and not unread
    return Proof(all(shown.values()), f"{route.name}: {', '.join(words)}", held_untouched=untouched, unread=unread)


def _judge_kind(expected: Expectation, since: Sequence[Reading], before: Sequence[Reading], last_chance: bool) -> _Said | None:
    window = since[-(_NEWEST if expected.share >= _ALL else _SOME) :]
    if len(window) < (1 if last_chance else _NEWEST):
        return None
    if not before:
        return _Said(False, f"{len(window)} readings, but none from before the strike to compare them with")
    return _RULES[expected.what](expected, window, before)


def _fails(expected: Expectation, window: Sequence[Reading], before: Sequence[Reading]) -> _Said:
    def failed(reading: Reading) -> bool:
        if expected.error:
            return bool(reading["error"] == expected.error)
        return bool(reading["status"] == expected.status) if expected.status else not reading["ok"]

    already = sum(map(failed, before))
    if already and already >= min(expected.share, _SICK_BEFORE) * len(before):
        return _Said(False, f"{already} of {len(before)} failed before the strike already")
    bad = [each for each in window if failed(each)]
    what = f"were answered {expected.status}" if expected.status else f"failed with {expected.error}" if expected.error else ""
    what = what or "got no answer"
    return _Said(
        _enough(bad, expected, window),
        f"{len(bad)} of {len(window)} {what} ({_outcomes(window)}), before {already} of {len(before)}",
    )


def _differs(expected: Expectation, window: Sequence[Reading], before: Sequence[Reading]) -> _Said:
    usual = [(each["status"], each["digest"]) for each in before if each["ok"]]
    earlier, later = usual[: len(usual) // 2], usual[len(usual) // 2 :]
    if not earlier or any(each not in earlier for each in later):
        return _Said(False, "the answers differed from call to call before the strike already: a change cannot be told")
    other = [each for each in window if each["ok"] and (each["status"], each["digest"]) not in usual]
    return _Said(_enough(other, expected, window), f"{len(other)} of {len(window)} answers differ from the {len(usual)} before")


def _changes(expected: Expectation, window: Sequence[Reading], before: Sequence[Reading]) -> _Said:
    """Unlike any answer of before: by body where bodies were steady, else by status; or no answer where there was one."""
    answered = [each for each in before if each["ok"]]
    if len(answered) < len(before):
        return _Said(False, f"{len(before) - len(answered)} of {len(before)} got no answer before the strike already")
    bodies = {(each["status"], each["digest"]) for each in answered}
    usual = bodies if len(bodies) == 1 else {(status, "") for status, _ in bodies}
    other = [each for each in window if not each["ok"] or not {(each["status"], each["digest"]), (each["status"], "")} & usual]
    words = f"{len(other)} of {len(window)} unlike the {len(before)} before ({_outcomes(window)})"
    return _Said(_enough(other, expected, window), words)


def _slower(expected: Expectation, window: Sequence[Reading], before: Sequence[Reading]) -> _Said:
    then = [each["seconds"] for each in before if each["ok"]]
    now = [each["seconds"] for each in window if each["ok"] or each["error"] == "timeout"]
    if not then or 2 * len(now) <= len(window):
        return _Said(
            False, f"only {len(now)} of {len(window)} were answered ({_outcomes(window)}), before {len(then)} of {len(before)}"
        )
    was, by = statistics.median(then), expected.by
    if by <= 0:
        by = max(_CLEARLY, 0.5 * was)
    took = statistics.median(now)
    silent = sum(not each["ok"] for each in window)
    return _Said(
        took - was >= by,
        f"{_ms(took)}, before {_ms(was)}" + (f" ({silent} of {len(window)} took longer than we waited)" if silent else ""),
    )


_RULES: dict[str, Callable[[Expectation, Sequence[Reading], Sequence[Reading]], _Said]] = {
    "route-fails": _fails,
    "route-slower": _slower,
    "route-differs": _differs,
    "route-changes": _changes,
}


def _enough(seen: Sequence[Reading], expected: Expectation, window: Sequence[Reading]) -> bool:
    return bool(seen) and len(seen) >= expected.share * len(window) - 1e-9


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _outcomes(readings: Sequence[Reading]) -> str:
    """The different outcomes, most frequent first: "timeout 3, 503 1"."""
    seen = [_outcome(each) for each in readings]
    return ", ".join(f"{what} {seen.count(what)}" for what in sorted(set(seen), key=lambda what: (-seen.count(what), what)))


def _outcome(reading: Reading) -> str:
    detail = reading.get("detail", "")
    if reading["error"]:
        return f"{reading['error']} ({detail})" if detail else str(reading["error"])
    return str(reading["status"] or detail or "open")


def controls_read(dose: Dose, look: Look) -> bool:
    """Whether each control route has been read often enough to speak of its health."""
    return all(len(look.of(route, "new")) >= _NEWEST for route in dose.control)


def sick_controls(dose: Dose, look: Look) -> list[str]:
    """Control routes that did not stay healthy: the fault hit more than it was meant to, or something else did."""
    return [words for route in dose.control if (words := _sick(route, dose, look))]


def _sick(route: Route, dose: Dose, look: Look) -> str:
    since = look.of(route, "held") + look.of(route, "new")
    before = look.before_of(route, "held") + look.before_of(route, "new")
    if not since:
        return ""
    good = [each for each in since if is_good(each, before)]
    if len(good) < _HEALTHY * len(since):
        return f"control route {route.name} is not healthy: {len(good)} of {len(since)} readings good ({_outcomes(since)})"
    by = max((each.by for each in dose.expect if each.what == "route-slower"), default=0.0)
    if by > 0 and before and len(since) >= _NEWEST:
        rise = statistics.median(each["seconds"] for each in since) - statistics.median(each["seconds"] for each in before)
        if rise >= by / 2:
            return f"control route {route.name} is slower too, by {_ms(rise)}: it is not the fault alone that slows"
    return ""


def is_good(reading: Reading, before: Sequence[Reading]) -> bool:
    """Answered, and not by an error that was unknown before the strike."""
    return bool(reading["ok"]) and (
        reading["status"] < 400 or reading["status"] in {each["status"] for each in before if each["ok"]}
    )


def is_back(expected: Expectation, route: Route, look: Look) -> Proof:
    """Whether the newest readings of a route look as they did before the strike."""
    back, words = True, []
    for kind in expected.connections:
        window, before = look.of(route, kind)[-_NEWEST:], look.before_of(route, kind)
        good = [each for each in window if is_good(each, before)]
        was = statistics.median([each["seconds"] for each in before if each["ok"]] or [0.0])
        took = statistics.median([each["seconds"] for each in window] or [0.0])
        slow = expected.what == "route-slower" and took - was >= max(expected.by / 2, _CLEARLY)
        back = back and len(window) == len(good) == _NEWEST and not slow
        words.append(f"{kind} connections: {len(good)} of {len(window)} good, {_ms(took)}")
    return Proof(back, f"{route.name}: {', '.join(words)}")


def summary(look: Look) -> list[dict[str, Any]]:
    """One line a route and kind of connection, for the report."""
    lines = []
    for route, kind in sorted({(each["route"], each["connection"]) for each in look.since}):
        own = Route(name=route, host="", port=0)
        before = look.before_of(own, kind)
        lines.append(
            {
                "route": route,
                "connection": kind,
                "before": _figures(before, before),
                "during": _figures(look.of(own, kind), before),
            }
        )
    return lines


def _figures(readings: Sequence[Reading], usual: Sequence[Reading]) -> dict[str, Any]:
    if not readings:
        return {"n": 0}
    return {
        "n": len(readings),
        "ok": sum(is_good(each, usual) for each in readings),
        "median_ms": round(statistics.median(each["seconds"] for each in readings) * 1000, 1),
        "outcomes": _outcomes(readings),
    }
