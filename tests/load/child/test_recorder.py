import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chaos.load.child.recorder import MOST_NAMES, OTHER, Pending, Recorder
from chaos.model.histogram import Histogram, bucket_of


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


BUY = "buy"


def good(recorder: Recorder, start: float, end: float, name: str = BUY, **more) -> None:
    recorder.good((start, name), end, **more)


def test_a_request_counts_in_the_second_and_slot_of_its_start_and_is_good_in_the_slot_of_its_end():
    recorder = Recorder(Hand())
    good(recorder, 100.98, 101.23)
    seconds = recorder.drain()
    assert list(seconds) == [100, 101]
    started, ended = seconds[100][BUY], seconds[101][BUY]
    assert (started["attempted"], started["good"], started["slots"]["attempted"][19]) == (1, 1, 1)
    assert sum(started["slots"]["good"]) == 0
    assert 0.25 <= Histogram(started["latencies"]).percentile(0.5) <= 0.255
    assert "attempted" not in ended
    assert ended["slots"]["good"][4] == 1
    assert abs(ended["slots"]["fastest"][4] - 0.25) < 1e-9


def test_the_fastest_good_answer_of_a_slot_is_kept():
    recorder = Recorder(Hand())
    good(recorder, 100.0, 100.4)
    good(recorder, 100.3, 100.4)
    good(recorder, 100.2, 100.4)
    assert abs(recorder.drain()[100][BUY]["slots"]["fastest"][8] - 0.1) < 1e-9


def test_answers_that_come_in_any_order_count_each_where_it_belongs():
    recorder = Recorder(Hand())
    for start, end in ((100.9, 101.1), (100.1, 100.2), (101.3, 101.4), (100.2, 101.2), (101.5, 102.5)):
        good(recorder, start, end)
    told = {second: names[BUY] for second, names in recorder.drain().items()}
    assert [told[second].get("attempted", 0) for second in (100, 101, 102)] == [3, 2, 0]
    assert [sum(told[second]["slots"]["good"]) for second in (100, 101, 102)] == [1, 3, 1]


def test_a_failed_request_is_bad_where_it_started():
    recorder = Recorder(Hand())
    recorder.failed((100.5, BUY), 103.5, "timeout")
    told = recorder.drain()[100][BUY]
    assert (told["attempted"], told["failed"], told["errors"]) == (1, 1, {"timeout": 1})
    assert told["slots"]["bad"][10] == told["slots"]["attempted"][10] == 1
    assert 3.0 <= Histogram(told["failures"]).percentile(1.0) <= 3.06


def test_a_request_under_way_is_attempted_at_once_and_its_end_comes_as_an_addition():
    recorder = Recorder(Hand())
    mark = (100.5, BUY)
    recorder.flying["a greenlet"] = mark
    first = recorder.drain(before=101)[100][BUY]
    assert (first["attempted"], first["slots"]["attempted"][10]) == (1, 1)
    assert recorder.drain(before=102) == {}
    del recorder.flying["a greenlet"]
    recorder.failed(mark, 103.5, "timeout")
    late = recorder.drain(before=104)[100][BUY]
    assert (late.get("attempted", 0), late["failed"]) == (0, 1)
    assert late["slots"]["bad"][10] == 1


def test_the_same_holds_for_a_good_end_and_while_the_locustfile_looks_at_the_answer():
    recorder = Recorder(Hand())
    mark = (100.5, BUY)
    pending = Pending(mark, 100.9, None, None)
    recorder.undecided[pending] = "the answer"
    assert recorder.drain(before=101)[100][BUY]["attempted"] == 1
    del recorder.undecided[pending]
    recorder.good(mark, pending.end)
    late = recorder.drain(before=104)[100][BUY]
    assert (late.get("attempted", 0), late["good"], late["slots"]["good"][18]) == (0, 1, 1)


def test_what_was_taken_is_not_told_again():
    recorder = Recorder(Hand())
    good(recorder, 100.5, 100.6)
    assert recorder.drain()[100][BUY]["good"] == 1
    assert recorder.drain() == {}


def test_the_running_second_is_not_taken_before_it_is_over():
    recorder = Recorder(Hand())
    good(recorder, 100.5, 100.6)
    good(recorder, 101.5, 101.6)
    assert list(recorder.drain(before=101)) == [100]
    good(recorder, 101.7, 101.8)
    assert recorder.drain(before=102)[101][BUY]["good"] == 2


def test_who_is_under_way_at_the_end_has_failed():
    clock = Hand()
    recorder = Recorder(clock)
    recorder.flying["a greenlet"] = (100.5, BUY)
    clock.at = 104.5
    recorder.close()
    told = recorder.drain()[100][BUY]
    assert (told["attempted"], told["failed"], told["errors"], told["slots"]["bad"][10]) == (1, 1, {"open at end": 1}, 1)
    assert not recorder.flying


def test_a_degraded_answer_is_an_answer_but_not_a_good_one():
    recorder = Recorder(Hand())
    good(recorder, 100.5, 100.62, degraded=True)
    told = recorder.drain()[100][BUY]
    assert (told["attempted"], told.get("good", 0), told["degraded"], told["slots"]["good"][12]) == (1, 0, 1, 1)


def test_too_many_names_are_folded_into_one():
    recorder = Recorder(Hand())
    for number in range(MOST_NAMES + 5):
        good(recorder, 100.5, 100.6, f"/item/{number}")
    told = recorder.drain()[100]
    assert len(told) == MOST_NAMES + 1
    assert (told[OTHER]["attempted"], told[OTHER]["good"]) == (5, 5)
    assert recorder.folded


def test_an_address_goes_by_its_path():
    recorder = Recorder(Hand())
    good(recorder, 100.5, 100.6, "http://127.0.0.1:8000/items?page=2")
    good(recorder, 100.5, 100.6, "/items?page=2")
    assert {name: told["good"] for name, told in recorder.drain()[100].items()} == {"/items?page=2": 2}


def test_reasons_are_bounded():
    recorder = Recorder(Hand())
    for number in range(50):
        recorder.failed((100.5, BUY), 100.6, f"wrong: {number}")
    errors = recorder.drain()[100][BUY]["errors"]
    assert len(errors) == 21
    assert sum(errors.values()) == 50


def test_what_became_of_a_transaction_is_told():
    recorder = Recorder(Hand())
    good(recorder, 100.5, 100.6, degraded=True, context={"id": "a"})
    recorder.failed((100.5, BUY), 103.0, "timeout", "unanswered", {"id": "b"})
    lines = recorder.ids.take()
    assert [json.loads(line) for line in lines["acknowledged"]] == [
        {"id": "a", "transaction": BUY, "mono": 100.6, "outcome": "acknowledged", "degraded": True}
    ]
    assert [json.loads(line)["outcome"] for line in lines["attempted"]] == ["unanswered"]


def test_who_could_not_be_sent_was_attempted_and_failed():
    recorder = Recorder(Hand())
    recorder.not_sent(BUY, "5 in flight")
    told = recorder.drain()[100][BUY]
    assert (told["attempted"], told["failed"], told["errors"]) == (1, 1, {"not sent: 5 in flight": 1})


MOMENTS = st.floats(min_value=0.0, max_value=5.0, allow_nan=False)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["buy", "look"]), MOMENTS, st.floats(min_value=0.0, max_value=3.0), st.booleans())
)


def counted(parts: list[dict]) -> Counter:
    """All parts added up, flat."""
    added: Counter = Counter()
    for second, name, load in ((s, n, load) for part in parts for s, names in part.items() for n, load in names.items()):
        added.update({(name, second, key): load.get(key, 0) for key in ("attempted", "good", "failed")})
        for key in ("attempted", "bad", "good"):
            added.update({(name, second, "slot " + key, index): count for index, count in enumerate(load["slots"][key])})
        added.update({(name, second, "bucket", bucket): count for bucket, count in load.get("latencies", {}).items()})
    return +added


def one_by_one(requests: list[tuple[str, float, float, bool]]) -> Counter:
    """The same, the slow way."""
    expected: Counter = Counter()
    for name, start, took, fine in requests:
        first, end = int(start), start + took
        begun, over = int((start - first) * 20), int((end - int(end)) * 20)
        expected.update([(name, first, "attempted"), (name, first, "slot attempted", begun)])
        if fine:
            expected.update(
                [(name, first, "good"), (name, int(end), "slot good", over), (name, first, "bucket", bucket_of(end - start))]
            )
        else:
            expected.update([(name, first, "failed"), (name, first, "slot bad", begun)])
    return expected


@given(REQUESTS, st.integers(min_value=1, max_value=7))
def test_counting_in_bulk_is_the_same_as_counting_one_by_one(requests, at_once):
    recorder, told = Recorder(Hand()), []
    for number, (name, start, took, fine) in enumerate(requests):
        if fine:
            recorder.good((start, name), start + took)
        else:
            recorder.failed((start, name), start + took, "503")
        if number % at_once == 0:
            told.append(recorder.drain())
    told.append(recorder.drain())
    assert counted(told) == one_by_one(requests)
