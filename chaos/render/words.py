"""Numbers and codes in the words of people. One wording, whichever page or terminal shows it."""

import re
from datetime import datetime

from chaos.model.run import Environment
from chaos.model.tolerance import AT_LEAST
from chaos.model.verdict import Row

OUTCOME_WORDS = {"held": "Held", "inconclusive": "Inconclusive", "breached": "Breached"}

MEASURE_WORDS = {
    "availability": "of requests answered",
    "latency": "latency",
    "longest-outage": "longest time without a good answer",
    "time-to-recover": "time to recover",
    "throughput-kept": "of the usual throughput kept",
    "lost-transactions": "transactions lost",
    "wrong-transactions": "transactions wrong",
    "graceful-degradation": "of what could not be answered in full was answered in part",
    "probe": "of the probe's readings as expected",
    "check": "check",
}

REASON_WORDS = {
    "baseline-unhealthy": "the service was not healthy before anything was struck, so nothing was struck",
    "dose-missing": "it was not proved that the fault was in effect",
    "held-bypass": "too much of the traffic went past the fault on connections that were open before it",
    "control-unhealthy": "something beside the target was hit too, so the harm cannot be put down to the fault",
    "generator-saturated": "the load generator was too busy to be believed",
    "generator-lost": "the load generator fell silent before the end",
    "no-data": "there is no data to judge by",
    "too-few-samples": "there were too few requests to judge by",
    "not-reached": "the run never came to where this is measured",
    "ledger-unreadable": "the service's own list of transactions could not be read",
    "stopped": "the run was stopped before its end",
    "not-attributed": "the tolerance was broken, but it was not proved that the fault did it",
    "crashed": "the tool itself failed during the run",
    "arm-failed": "what the fault needs could not be put in place, so nothing was struck",
}

ENVIRONMENT_WORDS = {
    "sandbox": "an embedded stand-in for a cluster, on this machine. Where it differs from a cluster, it is wrong",
    "kind": "a kind cluster: real Kubernetes, in containers on one machine",
    "cluster": "a Kubernetes cluster",
    "none": "no cluster: load and checks only",
}

FINDING_WORDS = {
    "save": "a weakness found before it cost anything",
    "near-miss": "held, with little margin",
    "strength": "a defence that held",
    "gap": "a process or document that was missing",
}


_NEAR = 0.01
"""Closer to its limit than this, a share is told to the hundredth of a percent."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text without control characters: a name must not move a terminal's cursor, nor turn the reading direction.

    >>> printable("pod\\x1b[2J-1")
    'pod\ufffd[2J-1'
    """
    return _CONTROL.sub("\ufffd", text)


def place(environment: Environment) -> str:
    """
    >>> place(Environment(kind="sandbox", name="sandbox")), place(Environment(kind="kind", name="gameday"))
    ('sandbox', 'kind gameday')
    """
    return environment.kind if environment.name in ("", environment.kind) else f"{environment.kind} {environment.name}"


def reason(code: str) -> str:
    """A reason code in words; one that this version does not know stands for itself."""
    return REASON_WORDS.get(code, code)


def count(number: float) -> str:
    return f"{number:,.0f}"


def plural(number: float, one: str, many: str = "") -> str:
    """
    >>> plural(1, "finding"), plural(1200, "finding"), plural(0, "entry", "entries")
    ('1 finding', '1,200 findings', '0 entries')
    """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """
    >>> percent(0.9922), percent(1.0), percent(0.99996), percent(0.5)
    ('99.22 %', '100 %', '99.99 %', '50 %')
    """
    shown = share * 100
    if share < 1 and round(shown, 2) >= 100:
        return "99.99 %"  # never rounded up to "all"
    return f"{shown:.2f}".rstrip("0").rstrip(".") + " %"


def seconds(value: float) -> str:
    """
    >>> seconds(0.0123), seconds(0.8), seconds(3.04), seconds(42.0), seconds(125)
    ('12.3 ms', '800 ms', '3.04 s', '42 s', '2 min 5 s')
    """
    if value >= 120:
        return f"{int(value // 60)} min {value % 60:.0f} s"
    if value >= 1 or value == 0:
        return _short(value) + " s"
    return _short(value * 1000) + " ms"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def quantity(value: float | None, unit: str) -> str:
    """A measured value in its unit; "unknown" where there is none."""
    if value is None:
        return "unknown"
    if unit == "share":
        return percent(value)
    return seconds(value) if unit == "s" else count(value)


def value(row: Row) -> str:
    """The measured value, no more exact than its distance from the limit asks for.

    >>> near, far = ({"tolerance": "a", "measure": "availability", "outcome": "held", "value": v} for v in (0.95123, 0.39316))
    >>> [value(Row(**row, limit=0.95, unit="share", window="whole")) for row in (near, far)]
    ['95.12 %', '39.3 %']
    """
    if row.unit == "share" and row.value is not None and abs(row.value - row.limit) > _NEAR:
        return percent(round(row.value, 3) if row.value < 0.999 else row.value)
    return quantity(row.value, row.unit)


def limit(row: Row) -> str:
    return f"{'at least' if row.measure in (*AT_LEAST, 'check') else 'at most'} {quantity(row.limit, row.unit)}"


def margin(row: Row) -> str:
    """How far inside or outside its limit a value is, in the customer's units.

    >>> def example(measure, value, limit, unit):
    ...     return Row(tolerance="a", measure=measure, outcome="held", value=value, limit=limit, unit=unit, window="whole")
    >>> margin(example("availability", 0.6, 0.95, "share"))
    '35 points short'
    >>> margin(example("latency", 3.0, 1.0, "s"))
    '2 s over, 3 times the limit'
    >>> margin(example("latency", 0.25, 1.0, "s"))
    '750 ms to spare'
    """
    if row.value is None:
        return ""
    if row.measure == "check":
        return "as expected" if row.value >= row.limit else "not as expected"
    gap = row.value - row.limit if row.measure in AT_LEAST else row.limit - row.value
    if row.unit == "share":
        points = f"{abs(gap) * 100:.{1 if abs(gap) > _NEAR else 2}f}".rstrip("0").rstrip(".") or "0"
        word = "point" if points == "1" else "points"
        return f"{points} {word} {'to spare' if gap >= 0 else 'short'}"
    if gap == 0:
        return "at the limit" if row.limit else "none, as promised"
    if gap > 0:
        return f"{quantity(gap, row.unit)} to spare"
    times = f", {row.value / row.limit:.2g} times the limit" if row.limit > 0 and row.value / row.limit >= 1.5 else ""
    return f"{quantity(-gap, row.unit)} over{times}"


def moment(offset: float) -> str:
    """Seconds after the start of load, as on the time axis.

    >>> moment(12.04), moment(-0.5), moment(75.2)
    ('12.0 s', '-0.5 s', '1:15.2')
    """
    if abs(offset) < 60:
        return f"{offset:.1f} s"
    sign, offset = ("-", -offset) if offset < 0 else ("", offset)
    return f"{sign}{int(offset // 60)}:{offset % 60:04.1f}"


def wall(text: str) -> str:
    """A time of day for people, in UTC; what cannot be read stands as it is."""
    try:
        return datetime.fromisoformat(text).strftime("%-d %B %Y, %H:%M:%S UTC")
    except ValueError:
        return text


def listing(words: list[str], most: int = 6) -> str:
    """
    >>> listing(["a", "b", "c"]), listing(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most:,} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def initial(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """No line ends between a number and its unit.

    >>> unbroken("at least 99 % within 3 s").split("\\N{NO-BREAK SPACE}")
    ['at least 99', '% within 3', 's']
    """
    return re.sub(r"(?<=\d) (?=(%|ms|s|min|h)\b|%)", "\N{NO-BREAK SPACE}", text)
