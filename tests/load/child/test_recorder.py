from chaos.load.child.recorder import MOST_NAMES, OTHER, Recorder
from chaos.model.histogram import Histogram


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def begun(clock: Hand, recorder: Recorder, at: float, name: str = "buy"):
    clock.at = at
    return recorder.begin(name)


def answered(clock: Hand, recorder: Recorder, request, at: float) -> None:
    clock.at = at
    recorder.answered(request)


def test_a_request_counts_in_the_second_and_slot_of_its_start_and_is_good_in_the_slot_of_its_end():
    clock = Hand()
    recorder = Recorder(clock)
    request = begun(clock, recorder, 100.98)
    answered(clock, recorder, request, 101.23)
    recorder.good(request)
    seconds = recorder.drain()
    assert list(seconds) == [100, 101]
    started, ended = seconds[100]["buy"], seconds[101]["buy"]
    assert (started["attempted"], started["good"], started["slots"]["attempted"][19]) == (1, 1, 1)
    assert 0.25 <= Histogram(started["latencies"]).percentile(0.5) <= 0.255
    assert "attempted" not in ended
    assert ended["slots"]["good"][4] == 1
    assert abs(ended["slots"]["fastest"][4] - 0.25) < 1e-9


def test_the_fastest_good_answer_of_a_slot_is_kept():
    clock = Hand()
    recorder = Recorder(clock)
    slow, fast = begun(clock, recorder, 100.0), begun(clock, recorder, 100.3)
    for request in (slow, fast):
        answered(clock, recorder, request, 100.4)
        recorder.good(request)
    assert abs(recorder.drain()[100]["buy"]["slots"]["fastest"][8] - 0.1) < 1e-9


def test_what_was_taken_is_not_told_again_and_late_answers_come_as_additions():
    clock = Hand()
    recorder = Recorder(clock)
    request = begun(clock, recorder, 100.5)
    assert recorder.drain(before=101)[100]["buy"]["attempted"] == 1
    assert recorder.drain(before=101) == {}
    answered(clock, recorder, request, 103.5)
    recorder.failed(request, "timeout")
    late = recorder.drain(before=104)[100]["buy"]
    assert (late.get("attempted", 0), late["failed"], late["errors"]) == (0, 1, {"timeout": 1})
    assert late["slots"]["bad"][10] == 1


def test_the_running_second_is_not_taken_before_it_is_over():
    clock = Hand()
    recorder = Recorder(clock)
    begun(clock, recorder, 100.5)
    begun(clock, recorder, 101.5)
    assert list(recorder.drain(before=101)) == [100]
    assert list(recorder.drain(before=102)) == [101]


def test_who_is_open_at_the_end_has_failed():
    clock = Hand()
    recorder = Recorder(clock)
    begun(clock, recorder, 100.5)
    clock.at = 104.5
    recorder.close()
    told = recorder.drain()[100]["buy"]
    assert (told["failed"], told["errors"], told["slots"]["bad"][10]) == (1, {"open at end": 1}, 1)
    assert 4.0 <= Histogram(told["failures"]).percentile(1.0) <= 4.08
    assert not recorder.open


def test_an_answer_that_the_locustfile_thought_about_counts_when_it_came():
    clock = Hand()
    recorder = Recorder(clock)
    request = begun(clock, recorder, 100.0)
    answered(clock, recorder, request, 100.1)
    begun(clock, recorder, 102.0)  # meanwhile the world goes on
    recorder.good(request)
    taken = recorder.drain()
    taken_again = recorder.drain()
    good = [second for told in (taken, taken_again) for second, names in told.items() if sum(names["buy"]["slots"]["good"])]
    assert good == [100]


def test_too_many_names_are_folded_into_one():
    clock = Hand()
    recorder = Recorder(clock)
    for number in range(MOST_NAMES + 5):
        request = begun(clock, recorder, 100.5, f"/item/{number}")
        answered(clock, recorder, request, 100.6)
        recorder.good(request)
    told = recorder.drain()[100]
    assert len(told) == MOST_NAMES + 1
    assert (told[OTHER]["attempted"], told[OTHER]["good"]) == (5, 5)
    assert recorder.folded


def test_reasons_are_bounded():
    clock = Hand()
    recorder = Recorder(clock)
    for number in range(50):
        request = begun(clock, recorder, 100.5)
        answered(clock, recorder, request, 100.6)
        recorder.failed(request, f"wrong: {number}")
    errors = recorder.drain()[100]["buy"]["errors"]
    assert len(errors) == 21
    assert sum(errors.values()) == 50


def test_ids_are_told_when_sent_and_when_acknowledged_with_what_the_customer_was_told():
    clock = Hand()
    recorder = Recorder(clock)
    request = begun(clock, recorder, 100.5)
    context = {"transaction": "buy", "id": "a1", "total": 4200}
    recorder.identify(request, context)
    answered(clock, recorder, request, 100.6)
    recorder.good(request, degraded=True)
    sent, acknowledged = recorder.take_ids()
    assert (sent["id"], sent["outcome"]) == ("a1", "sent")
    assert (acknowledged["outcome"], acknowledged["degraded"], acknowledged["told"]) == ("acknowledged", True, {"total": 4200})
    assert recorder.take_ids() == []


def test_an_id_that_only_the_answer_knows_is_told_with_it():
    clock = Hand()
    recorder = Recorder(clock)
    request = begun(clock, recorder, 100.5)
    context = {"transaction": "buy"}
    recorder.identify(request, context)
    answered(clock, recorder, request, 100.6)
    context["id"] = "from the server"
    recorder.good(request)
    assert [entry["outcome"] for entry in recorder.take_ids()] == ["acknowledged"]


def test_who_could_not_be_sent_was_attempted_and_failed():
    clock = Hand()
    recorder = Recorder(clock)
    recorder.not_sent("buy", "5 in flight")
    told = recorder.drain()[100]["buy"]
    assert (told["attempted"], told["failed"], told["errors"]) == (1, 1, {"not sent: 5 in flight": 1})
