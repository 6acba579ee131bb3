"""The sentence that a boss reads: which tolerance, by how much, and whether all was put back."""

from collections.abc import Callable
from dataclasses import replace

from chaos.model.events import Stop
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner

Ending = Callable[[str], ReportData]


def test_a_breach_names_the_tolerance_that_customers_felt_most_and_by_how_much(breached: ReportData) -> None:
    assert banner(breached).sentence == (
        "Checkout did not stay inside its impact tolerance during vendor outage at payments: 42 % of checkout requests "
        "were answered, where at least 95 % is tolerable (53 points short). 2 other tolerances were broken too."
    )


def test_lost_transactions_come_before_anything_else(breached: ReportData) -> None:
    rows = [
        row.model_copy(update={"outcome": "breached", "value": 3.0}) if row.tolerance == "no-order-lost" else row
        for row in breached.verdict.rows
    ]
    lost = replace(breached, verdict=breached.verdict.model_copy(update={"rows": rows}))
    assert "3 acknowledged transactions were lost, where at most 0 is tolerable (3 over)" in banner(lost).sentence


def test_a_breach_without_dose_names_no_cause(breached: ReportData) -> None:
    doubted = replace(breached, verdict=breached.verdict.model_copy(update={"attributed": False}))
    assert banner(doubted).sentence.endswith("It is not proved that the fault did it, so no cause is named.")


def test_what_held_says_what_came_closest(ending: Ending) -> None:
    assert banner(ending("held")).sentence == (
        "Checkout stayed inside all 3 of its impact tolerances during vendor outage at payments. Closest to its limit: "
        "95 of 100 checkout requests were done within 810 ms, where at most 1 s is tolerable."
    )


def test_inconclusive_says_why(ending: Ending) -> None:
    said = {name: banner(ending(name)).sentence for name in ("inconclusive", "stopped", "crashed", "unfinished")}
    assert said == {
        "inconclusive": "Nothing can be said about Checkout: it was not proved that the fault was in effect.",
        "stopped": "Nothing can be said about Checkout: the run was stopped before its end (Ctrl-C).",
        "crashed": "Nothing can be said about Checkout: the tool itself failed during the run (KeyError: 'uid').",
        "unfinished": "Nothing can be said about Checkout: the record of the run ends before the run did.",
    }


def test_an_unknown_reason_code_stands_for_itself(ending: Ending) -> None:
    data = ending("inconclusive")
    later = replace(data, verdict=data.verdict.model_copy(update={"reason": "moon-phase"}))
    assert "moon-phase" in banner(later).sentence


def test_clean_is_said_only_when_it_was_proved(ending: Ending) -> None:
    proved = banner(ending("breached"))
    assert proved.put_back_ok
    assert proved.put_back == "Everything that was changed has been put back, and read back to prove it."
    assert banner(ending("empty")).put_back == "Nothing was changed, so there was nothing to put back."


def test_a_record_that_ends_early_is_never_clean(ending: Ending) -> None:
    data = ending("unfinished")
    said = banner(replace(data, verdict=data.verdict.model_copy(update={"clean": True})))
    assert not said.put_back_ok
    assert said.put_back == "The record ends before everything was proved to be put back: its state is unknown."
    assert said.commands == (f"gameday recover --run {data.info.id}",)


def test_left_overs_are_named(ending: Ending) -> None:
    said = banner(ending("crashed"))
    assert said.put_back == "Not everything is put back: provider-dark (vendor-outage): unknown: no answer."
    assert not said.put_back_ok


def test_a_stop_that_came_with_a_breach_is_still_a_breach(breached: ReportData) -> None:
    stopped = replace(breached, stop=Stop(reason="stop-condition", detail="browsing hurt too"))
    assert banner(stopped).word == "Breached"
