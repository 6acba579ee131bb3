"""The table that is published says of every row what it says itself, and nothing is left out of it silently."""

import full
import pytest
from harness import cluster_matrix, table
from harness.cluster import FAULTS
from harness.crashes import Outcome

pytestmark = pytest.mark.crash
NONE = {"matrix": [], "cluster": [], "api": [], "suites": []}


def row(point, kind, layer, **more):
    return Outcome(point, kind, 0, layer, **{"sprung": True, "dirty": True} | more).as_json()


def test_the_cells_of_the_cluster_are_distinct_and_known_and_no_guard_is_asked_to_start_a_node():
    cells = cluster_matrix.CELLS
    assert len(set(cells)) == len(cells)
    assert {kind for _, kind, _ in cells} == set(FAULTS)
    assert {point for point, _, _ in cells} <= set(cluster_matrix.ALL_POINTS)
    assert not [cell for cell in cells if cell[1:] == ("node-stop", "guard")]
    assert {layer for _, _, layer in cells} == set(table.LAYERS)


def test_every_left_over_counts_in_its_layer_and_its_cell():
    rows = [
        row("C4", "latency", "watchdog", left=["services//web: was ..."], restored=1.5, seconds=2.5),
        row("C4", "latency", "watchdog", restored=0.5, seconds=1.0),
        row("C6", "node-stop", "recover", late_requests=["PATCH /x"]),
    ]
    text = table.write({**NONE, "cluster": rows}, {})
    assert "On a real cluster: 3 SIGKILLs in 2 of" in text
    assert "its watchdog puts back | 2 | 1 | 0 | 1.50 / 1.50 / 1.50 | 2.50 / 2.50 / 2.50 |" in text
    assert "| C4 applied, reply lost | 0 of 0 | 1 of 2 |" in text
    assert "requests after that: 1" in text
    assert "sandbox" not in text


def test_a_lost_host_is_judged_by_the_guards_silence_and_five_seconds():
    rows = [row("C6", "latency", "guard", restored=each) for each in (9.0, 12.9, 13.1)]
    rows += [row("C6", "latency", "guard", restored=0.0, dirty=False), row("C6", "latency", "watchdog", restored=20.0)]
    assert "with something to put back: 2 of 3." in table.write({**NONE, "cluster": rows}, {})


def test_without_a_cluster_it_says_that_nothing_was_run(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    full.cluster(tmp_path, 1)
    assert "NOT RUN" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
