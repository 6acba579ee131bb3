"""What a vendor outage says, asks for, and promises to be seen."""

import pytest
from pydantic import ValidationError

from chaos.errors import BadInput, NotFound
from chaos.injectors import vendor_outage
from chaos.injectors.base import Aim
from chaos.injectors.vendor_outage import STATUS, Mode
from chaos.model.caps import Caps
from chaos.model.run import Environment

MODES = Mode.__args__
MORE = {"slow": {"latency": "2s"}, "partial": {"share": "30%"}}


def spec(mode, **more):
    return vendor_outage.Spec.model_validate(
        {"kind": "vendor-outage", "service": "pay", "mode": mode, **MORE.get(mode, {}), **more}
    )


class Cluster:
    """One Service and one Secret, and nothing else."""

    environment = Environment(kind="cluster", name="one")

    def __init__(self, port, secret):
        self.service = {
            "kind": "Service",
            "metadata": {"name": "pay", "namespace": "shop", "uid": "u"},
            "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "pay"}, "ports": [{"port": port}]},
        }
        self.secret = secret

    def get(self, kind, name, namespace):
        if (kind, name) == ("Service", "pay"):
            return self.service
        if (kind, name) == ("Secret", "pay-tls"):
            return {"data": self.secret}
        raise NotFound(name)

    def find(self, kind, namespace, **_):
        return []


def prepared(wanted, *, port=8080, secret=None):
    class World:
        cluster = Cluster(port, secret or {})

    images = {"toxiproxy": "toxi", "python": "py"}
    aim = Aim(world=World, namespace="shop", run="run", step="step", rng=None, caps=Caps(), images=images)
    return vendor_outage.prepare(wanted, aim)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_promises_something_that_can_be_seen_from_outside(mode):
    dose = vendor_outage.dose(prepared(spec(mode)))
    (expected,) = dose.expect
    assert expected.what == {"slow": "route-slower", "wrong-schema": "route-differs"}.get(mode, "route-fails")
    assert expected.status == (STATUS.get(mode) if expected.what == "route-fails" else None)
    assert expected.connections == ["held", "new"]
    assert [control.host.rpartition("-")[0] for control in dose.control] == ["gameday-twin-pay"]


@pytest.mark.parametrize("mode", MODES)
def test_a_stand_in_is_made_where_http_is_spoken_only(mode):
    state = prepared(spec(mode))
    assert bool(state.standin) == (mode in STATUS)
    rights = {(each.verb, each.resource, each.use) for each in vendor_outage.permissions(state) if not each.subresource}
    assert (("create", "pods", "inject") in rights) == (mode in STATUS)
    assert (("delete", "pods", "undo") in rights) == (mode in STATUS)


@pytest.mark.parametrize(
    ("mode", "more", "words"),
    [
        ("refuse", {"latency": "1s"}, "latency is for mode slow only"),
        ("http-503", {"retry_after": "1s"}, "retry_after is for mode http-429 only"),
        ("http-503", {"share": "10%"}, "share is for mode partial only"),
        ("slow", {"latency": None}, "mode slow needs latency"),
        ("partial", {"share": None}, "mode partial needs share"),
        ("partial", {"share": "0%"}, "mode partial needs share"),
        ("earthquake", {}, "Input should be"),
    ],
)
def test_what_makes_no_sense_is_refused(mode, more, words):
    with pytest.raises(ValidationError, match=words):
        spec(mode, **more)


def test_a_mode_outlives_its_fault_by_half_a_minute_at_most():
    assert prepared(spec("http-503", duration="10s")).seconds == 40.0


def test_retry_after_is_whole_seconds_rounded_up():
    assert prepared(spec("http-429", retry_after="1500ms")).retry_after == 2


def test_a_vendor_that_speaks_tls_cannot_be_stood_in_for_without_its_certificate():
    with pytest.raises(BadInput, match="speaks TLS: mode http-503 needs tls_secret"):
        prepared(spec("http-503"), port=8443)
    assert prepared(spec("refuse"), port=8443).scheme == "https"


@pytest.mark.parametrize(("secret", "words"), [("nope", "no secret nope"), ("pay-tls", "secret pay-tls has no tls.key")])
def test_a_secret_must_hold_a_certificate(secret, words):
    with pytest.raises(BadInput, match=words):
        prepared(spec("http-503", tls_secret=secret), secret={"tls.crt": "x"})


def test_with_its_certificate_the_witness_speaks_tls_in_the_vendors_name():
    state = prepared(spec("http-503", tls_secret="pay-tls"), secret={"tls.crt": "x", "tls.key": "x"})
    route = vendor_outage.dose(state).expect[0].route
    assert (route.scheme, route.server_name) == ("https", "pay")
    assert "secrets" in {permission.resource for permission in vendor_outage.permissions(state)}
