"""What a latency fault says, adds, and promises to be seen."""

import pytest
from pydantic import ValidationError

from chaos.injectors import latency


def spec(**more):
    return latency.Spec.model_validate({"kind": "latency", "service": "web", "duration": "5s", **more})


def toxics(**more):
    return {toxic.kind: toxic.attributes for toxic in latency._toxics(spec(**more), "step")}


def state(**more):
    fields = {"toxics": [], "service": "web", "service_uid": "u", "selector": {"a": "b"}, "port": 80, "ports": [], "path": "/x"}
    return latency.State(namespace="n", run="r", step="s", proxy="p", twin="t", image="i", drain=0.0, **{**fields, **more})


def test_units_are_those_of_toxiproxy():
    assert toxics(latency="1500ms", jitter="200ms") == {"latency": {"latency": 1500, "jitter": 200}}
    assert toxics(bandwidth="64kB", reset="2s") == {"bandwidth": {"rate": 64}, "reset_peer": {"timeout": 2000}}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "at least one of latency, bandwidth, reset"),
        ({"jitter": "10ms", "reset": "1s"}, "jitter needs latency"),
        ({"latency": "10ms", "jitter": "20ms"}, "jitter is larger than latency"),
        ({"bandwidth": "999B"}, "below 1kB"),
        ({"latency": "10ms", "toxicity": "0%"}, "would strike nothing"),
        ({"latency": "10ms", "renew": "now"}, "wait"),
        ({"latency": "10ms", "latenci": "10ms"}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(more, words):
    with pytest.raises(ValidationError, match=words):
        spec(**more)


def test_most_of_the_latency_must_be_seen_on_held_and_new_connections():
    (expected,) = latency.dose(state(latency=1.0)).expect
    assert (expected.what, expected.by, expected.connections) == ("route-slower", 0.8, ["held", "new"])
    assert (expected.route.host, expected.route.path) == ("web", "/x")


def test_a_thin_line_must_be_seen_by_the_time_that_an_answer_takes():
    (expected,) = latency.dose(state(bandwidth=8000)).expect
    assert 0.01 < expected.by < 0.02


def test_latency_for_a_share_of_connections_must_be_seen_on_new_ones():
    (expected,) = latency.dose(state(latency=1.0, toxicity=0.5)).expect
    assert (expected.by, expected.connections) == (0.8, ["new"])


def test_connections_that_are_reset_must_fail():
    (expected,) = latency.dose(state(latency=1.0, resets=True)).expect
    assert (expected.what, expected.share) == ("route-fails", 0.8)


def test_the_same_pods_past_the_proxy_must_stay_healthy():
    (control,) = latency.dose(state(latency=1.0)).control
    assert (control.host, control.port, control.path) == ("t", 80, "/x")
