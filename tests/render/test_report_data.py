"""A journal read once: what is in it is told, what is not known is counted, nothing of it is fatal."""

import time
import tracemalloc
from collections.abc import Callable

from chaos.model.events import Event, LoadName, LoadSecond
from chaos.render import html
from chaos.render.gathering import gather
from chaos.render.report_data import ReportData
from chaos.render.series import MOST_COLUMNS, Series

Ending = Callable[[str], ReportData]


def test_times_begin_with_the_load(breached: ReportData) -> None:
    assert [(phase.name, round(phase.start, 1)) for phase in breached.phases][1:4] == [
        ("warm-up", 0.0),
        ("baseline", 3.0),
        ("fault", 9.0),
    ]


def test_a_strike_begins_when_its_call_began(breached: ReportData) -> None:
    (fault,) = breached.faults
    assert round(fault.at["struck"], 3) == 9.0
    assert round(fault.at["undone"], 3) == 21.05
    assert fault.state == "verified"
    assert not fault.instant


def test_late_additions_count_for_the_second_in_which_requests_started() -> None:
    series = Series()
    first = LoadSecond(second=100, names={"buy": LoadName(attempted=5, good=2)}, heartbeat=True, intended=5)
    late = LoadSecond(second=100, names={"buy": LoadName(failed=3, errors={"timeout": 3}, failures={600: 3})})
    for record in (first, late):
        series.feed(record.as_json())
    (point,) = series.points("buy", 100.0)
    assert (point.attempted, point.good, point.failed, point.intended) == (5, 2, 3, 5)
    assert point.answered == 0.4
    assert series.errors == {"buy": {"timeout": 3}}


def test_workers_of_one_second_are_added_up() -> None:
    series = Series()
    for worker in ("a", "b"):
        record = LoadSecond(
            second=7, names={"x": LoadName(attempted=1, good=1)}, heartbeat=True, in_flight=4, intended=2.5, worker=worker
        )
        series.feed(record.as_json())
    (point,) = series.points("", 0.0)
    assert (point.attempted, point.in_flight, point.intended) == (2, 8, 5.0)


def test_a_day_of_load_fits_into_a_bounded_number_of_columns_and_a_small_page(breached: ReportData) -> None:
    name = LoadName(attempted=50, good=49, failed=1, latencies=dict.fromkeys(range(400, 449), 1), failures={600: 1}).as_json()

    def day(seconds: int) -> ReportData:
        events = (
            Event(
                seq=n,
                mono=n,
                wall="",
                source="load",
                kind="load",
                payload={"second": n, "names": {"a": name, "b": name}, "heartbeat": True},
            )
            for n in range(seconds)
        )
        return ReportData.build(breached.story, breached.info, breached.plan, events, breached.verdict, [], [])

    tracemalloc.start()
    data = day(6_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    points = data.points("a")
    assert len(points) <= MOST_COLUMNS
    assert points[3].attempted == 50
    assert sum(point.attempted * data.series.width for point in points) == 6_000 * 50
    assert peak < 30e6
    started = time.process_time()
    page = html.render(data)
    assert time.process_time() - started < 5
    assert len(page.encode()) < 2_000_000


def test_kinds_and_payloads_of_a_later_version_are_counted_and_never_fatal(breached_events: list[Event]) -> None:
    strange = [
        Event(seq=900, mono=1010.0, wall="", source="engine", kind="hologram", payload={"x": 1}),
        Event(seq=901, mono=1010.0, wall="", source="engine", kind="fault", payload={"edge": "teleported"}),
        Event(seq=902, mono=1010.0, wall="", source="load", kind="load", payload={}),
    ]
    seen = gather([*breached_events[:5], *strange, *breached_events[5:]])
    assert seen.unknown_kinds == {"hologram": 1, "fault": 1, "load": 1}
    assert len(seen.changes) == 1


def test_the_focus_is_the_transaction_of_the_broken_tolerances(ending: Ending) -> None:
    assert ending("breached").focus == "checkout"
    assert ending("empty").focus == ""


def test_what_is_unfinished_is_open(ending: Ending) -> None:
    data = ending("unfinished")
    assert not data.finished
    assert data.phases[-1].name == "fault"
    assert data.phases[-1].end is None
    assert data.faults[0].state == "unknown"
