"""The verdict in sentences that anybody understands: what was promised, what happened, and whether all was put back."""

from dataclasses import dataclass

from chaos.model.tolerance import AT_LEAST
from chaos.model.verdict import Row
from chaos.render import words
from chaos.render.report_data import ReportData


@dataclass(frozen=True)
class Banner:
    """The top of every report."""

    outcome: str  # held, inconclusive, breached
    word: str
    sentence: str  # the verdict
    put_back: str  # what became of what was changed
    put_back_ok: bool
    commands: tuple[str, ...] = ()  # what puts right what is not


def banner(data: ReportData) -> Banner:
    put_back, ok, commands = _put_back(data)
    outcome = data.verdict.outcome
    sentence = {"held": _held, "breached": _breached, "inconclusive": _inconclusive}[outcome](data)
    return Banner(outcome, words.OUTCOME_WORDS[outcome], sentence, put_back, ok, commands)


def row_sentence(row: Row) -> str:
    """One tolerance in a clause.

    >>> row_sentence(Row(tolerance="a", measure="latency", outcome="breached", value=2.0, limit=1.0, unit="s",
    ...     window="fault", spec={"percentile": 95, "transaction": "checkout"}))
    '95 of 100 checkout requests were done within 2 s, where at most 1 s is tolerable'
    """
    value, limit = words.value(row), words.quantity(row.limit, row.unit)
    bound = "at least" if row.measure in AT_LEAST else "at most"
    of = f"{row.spec['transaction']} requests" if row.spec.get("transaction") else "requests"
    said = {
        "availability": f"{value} of {of} were answered",
        "latency": f"{row.spec.get('percentile', 95):g} of 100 {of} were done within {value}",
        "longest-outage": f"there was no good answer to {of} for {value}",
        "time-to-recover": f"it took {value} to recover",
        "throughput-kept": f"{value} of the usual {of} got through",
        "lost-transactions": f"{value} acknowledged transactions were lost"
        if row.value != 1
        else "an acknowledged transaction was lost",
        "wrong-transactions": f"{value} transactions are wrong or doubled"
        if row.value != 1
        else "a transaction is wrong or doubled",
        "graceful-degradation": f"{value} of the {of} that could not be answered in full were answered in part",
        "probe": f"{value} of the readings of {row.spec.get('probe', 'the probe')} were as expected",
    }.get(row.measure)
    if said is None:
        return f"{row.title or row.tolerance}: {row.arithmetic or value}"
    if row.value is None:
        return f"{row.title or row.tolerance}: {words.reason(row.reason)}"
    return f"{said}, where {bound} {limit} is tolerable"


def _service(data: ReportData) -> str:
    return data.story.service.title or data.story.service.id


def _trouble(data: ReportData) -> str:
    """What was struck, in a clause: " during vendor outage at payments"."""
    struck = [f"{c.fault.replace('-', ' ')}{' at ' + c.dependency if c.dependency else ''}" for c in data.faults]
    return f" during {words.listing(list(dict.fromkeys(struck)), most=3)}" if struck else ""


def _held(data: ReportData) -> str:
    rows = data.rows("held")
    tight = min((row for row in rows if row.margin is not None), key=lambda row: row.margin or 0.0, default=None)
    sentence = f"{_service(data)} stayed inside {_all_of(len(rows))}{_trouble(data)}"
    if tight is not None and tight.value is not None:
        return f"{sentence}. Closest to its limit: {row_sentence(tight)}."
    return sentence + "."


def _all_of(number: int) -> str:
    return "its impact tolerance" if number == 1 else f"all {number} of its impact tolerances"


def worst_row(rows: list[Row]) -> Row | None:
    """The row a boss should hear first: the share of customers answered, else what is furthest outside."""
    order = ("lost-transactions", "availability", "longest-outage", "time-to-recover")
    ranked = sorted(rows, key=lambda row: (order.index(row.measure) if row.measure in order else len(order), row.margin or 0.0))
    return ranked[0] if ranked else None


def _breached(data: ReportData) -> str:
    rows = data.rows("breached")
    worst = worst_row(rows)
    if worst is None:
        return f"{_service(data)} did not stay inside its impact tolerance{_trouble(data)}."
    gap = words.margin(worst)
    more = (
        f" {words.plural(len(rows) - 1, 'other tolerance was', 'other tolerances were')} broken too." if len(rows) > 1 else ""
    )
    doubt = "" if data.verdict.attributed else " It is not proved that the fault did it, so no cause is named."
    return (
        f"{_service(data)} did not stay inside its impact tolerance{_trouble(data)}: "
        f"{row_sentence(worst)}{f' ({gap})' if gap else ''}.{more}{doubt}"
    )


def _inconclusive(data: ReportData) -> str:
    if data.stop is not None and data.verdict.reason in ("", "stopped"):
        why = f"the run was stopped before its end ({data.stop.detail})"
    elif data.end is not None and data.end.crash:
        why = f"the tool itself failed during the run ({data.end.crash})"
    elif data.end is None and data.verdict.reason in ("", "no-data", "not-reached"):
        why = "the record of the run ends before the run did"
    else:
        why = words.reason(data.verdict.reason or "no-data")
    detail = next((str(gate.get("detail", "")) for gate in data.verdict.gates if not gate.get("passed", True)), "")
    more = f" {words.initial(detail)}." if detail and detail not in why else ""
    return f"Nothing can be said about {_service(data)}: {why}.{more}"


def _put_back(data: ReportData) -> tuple[str, bool, tuple[str, ...]]:
    recover = (f"gameday recover --run {data.info.id}",)
    left = [change for change in data.changes if change.state == "left-over"]
    if data.end is None:
        begun = [change for change in data.changes if not change.verified]
        if begun or not data.verdict.clean:
            return "The record ends before everything was proved to be put back: its state is unknown.", False, recover
    if left or not data.verdict.clean:
        told = data.end.left_overs if data.end else []
        what = words.listing(told or [f"{change.step} ({change.trouble})" for change in left], most=4)
        by_hand = tuple(data.end.commands) if data.end else ()
        return f"Not everything is put back{f': {what}' if what else ''}.", False, by_hand or recover
    if not data.changes:
        return "Nothing was changed, so there was nothing to put back.", True, ()
    return "Everything that was changed has been put back, and read back to prove it.", True, ()
