"""Faults that would undo each other are refused; those that share a proxy, or follow one another, are not."""

from types import SimpleNamespace

import pytest

from chaos.engine.claims import Claim, claims_of, clashes
from chaos.engine.timeline import Scheduled
from chaos.injectors import scale_to_zero, vendor_outage

ALWAYS = (float("-inf"), float("inf"))


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (Claim("a", "deployment/web", 0, 5), Claim("b", "deployment/web", 4, 9), True),
        (Claim("a", "deployment/web", 0, 5), Claim("b", "deployment/web", 5, 9), False),
        (Claim("a", "deployment/web", 0, 5), Claim("b", "deployment/api", 0, 5), False),
        (Claim("a", "service/web", *ALWAYS, shared=True), Claim("b", "service/web", *ALWAYS, shared=True), False),
        (Claim("a", "service/web", *ALWAYS, shared=True), Claim("b", "service/web", 5, 9), True),
        (Claim("a", "service/web", *ALWAYS, shared=True), Claim("a", "service/web", 5, 9), False),
    ],
)
def test_what_clashes(one, other, clash):
    problems = clashes([one, other])
    assert len(problems) == clash
    assert all(step == "b" and words.startswith("step a changes") for step, words in problems)


def scheduled(step, start, end):
    return Scheduled(SimpleNamespace(id=step), "fault", start, end)


def outage(**more):
    ports = [{"port": 80, "target": 8080, "protocol": "TCP"}]
    path = {"service": "pay", "service_uid": "u", "selector": {"app": "pay"}, "port": 80, "ports": ports}
    made = {"proxy": "p", "twin": "t", "image": "i", "drain": 0.0, "mode": "refuse", "seconds": 9.0}
    return vendor_outage.State(namespace="n", run="r", step="s", **path, **made, **more)


def test_two_outages_of_one_port_clash_only_while_both_hold():
    def problems(start, end):
        first = claims_of(scheduled("a", 0, 5), vendor_outage, outage())
        return clashes([*first, *claims_of(scheduled("b", start, end), vendor_outage, outage())])

    assert ["service/pay port 80" in words for _, words in problems(4, 9)] == [True]
    assert problems(5, 9) == []


def test_what_is_armed_for_the_whole_run_clashes_with_whoever_changes_the_service_in_it():
    scaled = scale_to_zero.State(namespace="n", run="r", step="s", workload="pay", uid="u", before=2, to=0, services=[])
    assert not clashes(
        [
            *claims_of(scheduled("a", 0, 5), vendor_outage, outage()),
            *claims_of(scheduled("b", 0, 5), scale_to_zero, scaled),
        ]
    )
    assert clashes(
        [
            *claims_of(scheduled("a", 0, 5), scale_to_zero, scaled),
            *claims_of(scheduled("b", 4, 9), scale_to_zero, scaled),
        ]
    )
