"""What is shown while a run goes on: from events alone, on a terminal and in a pipe."""

import io
import os
import pty

from rich.console import Console

from chaos.model.events import Event, Stop
from chaos.render.live import LiveView, view_for
from chaos.render.plain import PlainView
from chaos.render.progress import Progress


def told(events: list[Event]) -> list[str]:
    stream = io.StringIO()
    with PlainView(stream) as view:
        for event in events:
            view(event)
    return [line[11:] for line in stream.getvalue().splitlines()]


def test_one_line_a_happening_in_a_pipe(breached_events: list[Event]) -> None:
    lines = told(breached_events)
    wanted = [
        "── baseline ──",
        "── fault ──",
        "STRUCK: vendor-outage at payments in 130 ms",
        "HARM: ",
        "dose proved: held 12 of 12",
        "undone: vendor-outage at payments in 40 ms",
        "requests are answered again",
        "put back and read back: vendor-outage at payments",
        "everything is put back",
    ]
    found = [next(number for number, line in enumerate(lines) if line.startswith(want)) for want in wanted]
    assert found == sorted(found)
    assert sum(line.startswith("HARM") for line in lines) == 1
    assert len(lines) < 30


def test_hanging_requests_are_not_taken_for_recovery(breached_events: list[Event]) -> None:
    """While nothing has failed yet since all hangs, answers are not good again."""
    hanging = []
    for event in breached_events:
        payload = dict(event.payload)
        if event.kind == "load" and 1014 <= payload["second"] < 1023:
            payload["names"] = {"checkout": {"attempted": 9}}
        hanging.append(event.model_copy(update={"payload": payload}))
    lines = told(hanging)
    assert lines.index("requests are answered again") > next(n for n, line in enumerate(lines) if line.startswith("undone"))


def test_control_characters_do_not_reach_the_stream(breached_events: list[Event]) -> None:
    stop = Event(
        seq=1, mono=1.0, wall="", source="engine", kind="stop", payload=Stop(reason="signal", detail="\x1b[2J\nx").as_json()
    )
    (line,) = told([stop])
    assert line == "STOPPED (signal): \ufffd[2J x"


def test_unknown_events_are_passed_over(breached_events: list[Event]) -> None:
    strange = Event(seq=1, mono=1.0, wall="", source="x", kind="hologram", payload={})
    torn = Event(seq=1, mono=1.0, wall="", source="x", kind="dose", payload={"proved": "?"})
    assert told([strange, torn]) == []


def drawn(events: list[Event], until: float, lengths: dict[str, float]) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=110, color_system=None)
    view = LiveView(console, lengths, now=lambda: until)
    for event in events:
        if event.mono <= until:
            view.on_event(event)
    screen = Console(file=io.StringIO(), width=110, color_system=None, record=True)
    screen.print(view.draw())
    return screen.export_text()


LENGTHS = {"warm-up": 3.0, "baseline": 6.0, "fault": 12.0, "recovery": 8.0}


def test_the_live_view_shows_phase_rates_fault_dose_and_what_is_left(breached_events: list[Event]) -> None:
    text = drawn(breached_events, 1015.1, LENGTHS)
    assert "fault ━━━" in text
    assert "16 s left" in text
    assert "vendor-outage at payments: in force for 4 s  dose proved" in text
    failed = next(line for line in text.splitlines() if "failed" in line)
    assert failed.rstrip().endswith("▂▃▂▂")
    assert "p95 3.0" in text


def test_the_live_view_follows_the_fault_to_the_proof(breached_events: list[Event]) -> None:
    assert "vendor-outage at payments: undone, not read back yet" in drawn(breached_events, 1025.0, {})
    assert "vendor-outage at payments: put back and read back" in drawn(breached_events, 1032.4, {})


def test_progress_knows_the_phase_and_its_share(breached_events: list[Event]) -> None:
    progress = Progress(LENGTHS)
    for event in breached_events:
        if event.mono <= 1014.0:
            progress.feed(event)
    assert progress.phase == "fault"
    assert progress.share_of("baseline", 1014.0) == 1.0
    assert progress.share_of("recovery", 1014.0) == 0.0
    assert progress.share_of("fault", 1014.0) == 0.25
    assert Progress({}).share_of("fault", 1014.0) == 0.0


def test_a_pipe_gets_plain_lines_and_a_terminal_the_live_view(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(view_for(io.StringIO()), PlainView)
    outer, inner = pty.openpty()
    with os.fdopen(inner, "w") as terminal:
        assert isinstance(view_for(terminal), LiveView)
    os.close(outer)


def test_the_live_view_leaves_the_terminal_as_it_was(breached_events: list[Event]) -> None:
    stream = io.StringIO()
    with LiveView(Console(file=stream, force_terminal=True, width=110)) as view:
        for event in breached_events:
            view(event)
    text = stream.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "put back and read back: vendor-outage at payments" in text
