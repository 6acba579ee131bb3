"""The summary and the plan on a terminal, and as plain lines."""

import io
from collections.abc import Callable

from rich.console import Console

from chaos.model.run import Plan
from chaos.render import terminal
from chaos.render.report_data import ReportData

Ending = Callable[[str], ReportData]


def plain(data: ReportData) -> str:
    stream = io.StringIO()
    terminal.summary(data, Console(file=stream))
    return stream.getvalue()


def test_every_ending_is_told_without_colours_where_there_is_no_terminal(any_run: ReportData) -> None:
    text = plain(any_run)
    assert "\x1b" not in text
    assert any(word in text for word in ("HELD", "BREACHED", "INCONCLUSIVE"))
    assert "sandbox" in text


def test_the_summary_tells_verdict_arithmetic_dose_cause_and_undo(breached: ReportData) -> None:
    text = plain(breached)
    assert "✗ BREACHED  The payment provider goes dark" in text
    assert "✗ orders-answered  42 %, at least 95 %  53 points short" in text
    assert "68 of 162 answered = 41.98 %, outside at least 95 %" in text
    assert "proved: held 12 of 12" in text
    assert "put back, and read back at 30.3 s" in text
    assert "Checkout waits for the payment provider without a timeout" in text


def test_names_are_neither_markup_nor_control_characters(ending: Ending) -> None:
    from dataclasses import replace

    data = ending("breached")
    story = replace(data.story, title="[red]boo[/red] \x1b[2Jgone")
    text = plain(replace(data, story=story))
    assert "[red]boo[/red] \ufffd[2Jgone" in text


def test_on_a_terminal_lines_keep_within_its_width(breached: ReportData) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, color_system=None)
    terminal.summary(breached, console)
    assert max(len(line) for line in stream.getvalue().splitlines()) <= 60


def test_left_overs_are_loud(ending: Ending) -> None:
    text = plain(ending("crashed"))
    assert "! Not everything is put back" in text
    assert "    gameday recover --run " in text


def test_a_plan_tells_targets_undo_rights_and_raised_caps(planned: Plan) -> None:
    text = terminal.plan_text(planned)
    assert "service/payments (shop)" in text
    assert "undo      take the toxic out, and point Service payments at its own pods again" in text
    assert "api: patch services" in text
    assert "2 nodes at once, raised because: two zones" in text
    assert "first-ticket  A ticket  (for people)" in text
    assert text.rstrip().endswith("Nothing was changed.")


def test_roadmap_items_as_lines(breached: ReportData) -> None:
    text = terminal.roadmap_text(breached.items)
    assert "checkout-payments-hangs  Orders hang" in text
    assert "closed when payments-dark holds (orders-answered) on sandbox or nearer to production" in " ".join(text.split())
    assert terminal.roadmap_text([]) == ""
