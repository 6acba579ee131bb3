"""`summary.md`, as a CI job's summary page shows it."""

from collections.abc import Callable

from chaos.render import markdown
from chaos.render.report_data import ReportData

Ending = Callable[[str], ReportData]


def test_the_first_lines_say_it_all(breached: ReportData) -> None:
    top = markdown.render(breached).splitlines()
    assert top[0] == "# ❌ Breached: The payment provider goes dark on the busiest day"
    assert top[2].startswith("**Checkout did not stay inside its impact tolerance during vendor outage at payments: 42 %")
    assert top[4] == "✅ Everything that was changed has been put back, and read back to prove it."


def test_a_tolerance_is_a_row_with_its_arithmetic(breached: ReportData) -> None:
    row = "| ✅ held | `back-soon` | 900 ms | at most 5 s | 4.1 s to spare | 162 | good again 0.9 s after the undo |"
    assert row in markdown.render(breached).splitlines()


def test_a_finding_tells_cause_evidence_owner_and_what_closes_it(breached: ReportData) -> None:
    text = markdown.render(breached)
    assert "### Save: Orders hang for as long as the payment provider does" in text
    assert "- **cause** Checkout waits for the payment provider without a timeout (`no-timeout`)" in text
    assert "  - considered and set aside: retry storm: calls an order stayed at 1.0" in text
    assert "- **owner** payments-on-call, due 2026-11-30" in text
    assert "- **closed only by** `gameday run scenarios/payments-dark.yaml --on sandbox`" in text


def test_every_ending_is_rendered_and_says_where_it_ran(any_run: ReportData) -> None:
    text = markdown.render(any_run)
    assert text.endswith("\n")
    assert "On **sandbox**" in text
    assert "\n\n\n" not in text


def test_tables_have_as_many_cells_in_every_row(any_run: ReportData) -> None:
    for block in markdown.render(any_run).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        widths = {line.replace("\\|", "").count("|") for line in rows}
        assert len(widths) <= 1, block


def test_hostile_names_stay_text(ending: Ending, hostile_name: str) -> None:
    text = markdown.render(ending("hostile"))
    outside_code = "".join(part for number, part in enumerate(text.split("`")) if number % 2 == 0)
    assert "<script" not in outside_code
    assert "&lt;script&gt;" in text


def test_code_holds_any_number_of_back_ticks() -> None:
    assert markdown.code("a`b``c") == "``` a`b``c ```"
    assert markdown.code("plain") == "`plain`"


def test_left_overs_come_with_the_command(ending: Ending) -> None:
    text = markdown.render(ending("crashed"))
    assert "🛑 Not everything is put back" in text
    assert "    gameday recover --run " in text
