"""Windows and origins, from the journal's edges."""

import pytest

from chaos.evaluation.windows import Window, bind, read_timeline


def windows(run):
    return read_timeline(run.events()).windows()


def test_the_four_windows_of_a_run(kit, healthy):
    found = windows(healthy)
    edges = {name: (window.start, window.end) for name, window in found.items()}
    assert edges == {
        "baseline": (kit.base, kit.strike),
        "fault": (kit.strike, kit.undo),
        "recovery": (kit.undo, kit.over),
        "whole": (kit.strike, kit.over),
    }


def test_a_strike_begins_when_it_is_made_not_when_it_has_returned(kit, healthy):
    healthy.strike = kit.strike + 0.4  # `struck` is told 0.05 s later, having taken 0.05 s
    assert windows(healthy)["fault"].start == pytest.approx(kit.strike + 0.4)


def test_a_fault_that_holds_no_time_has_the_timelines_fault_phase(kit, healthy):
    healthy.undo = kit.strike + 0.1
    found = windows(healthy)
    assert (found["fault"].end, found["recovery"].start) == (kit.undo, kit.strike + 0.1)


def test_a_fitting_in_the_path_is_no_strike(kit, healthy):
    from chaos.model.events import FaultEdge

    for mono, edge in ((kit.warm, "intent"), (kit.warm + 0.1, "armed"), (kit.over + 3, "undone"), (kit.over + 3, "verified")):
        healthy.tell(mono, FaultEdge(step="witness", entry="w", fault="witness", edge=edge))
    timeline = read_timeline(healthy.events())
    assert [strike.step for strike in timeline.strikes] == ["strike"]
    assert timeline.undo == kit.undo


def test_a_run_that_ended_with_its_baseline_has_no_other_window(kit, healthy):
    early = [event for event in healthy.events() if event.mono < kit.strike]
    assert list(read_timeline(early).windows()) == ["baseline"]


def test_a_run_cut_off_during_the_fault_ends_where_its_phase_did(kit, healthy):
    cut = [event for event in healthy.events() if event.mono <= kit.undo and event.payload.get("phase") != "recovery"]
    assert read_timeline(cut).windows()["whole"].end == kit.undo


@pytest.mark.parametrize(
    ("more", "edges"),
    [
        ({}, (9, 29)),
        ({"window": "fault"}, (9, 21)),
        ({"window": "fault", "from": "strike", "after": "5s"}, (14, 21)),
        ({"window": "recovery", "after": "2s"}, (23, 29)),
        ({"from": "undo", "after": "1s"}, (22, 29)),
        ({"from": "first-harm"}, (12, 29)),
        ({"window": "fault", "after": "20s"}, None),
    ],
)
def test_where_a_tolerance_binds(kit, healthy, more, edges):
    story = kit.story({"id": "a", "measure": "availability", "at_least": "99%", **more})
    found = bind(story.tolerances[0], read_timeline(healthy.events()), {None: kit.strike + 3})
    assert (found and (found.start, found.end)) == (edges and tuple(1000.0 + edge for edge in edges))


@pytest.mark.parametrize(("start", "end", "seconds"), [(9.0, 21.0, (9, 21)), (9.4, 20.6, (9, 21)), (9.6, 9.7, (10, 10))])
def test_seconds_of_a_window_go_to_the_nearest_edge(start, end, seconds):
    assert Window("w", start, end).seconds == range(*seconds)
