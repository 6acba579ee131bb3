"""The vendor's contract, and what the cache forgets."""

import json

import pytest

from chaos.shop.payments import Payments, Quota
from chaos.shop.sessions import Sessions
from chaos.shop.settings import CREDENTIALS_DIR, Settings
from chaos.shop.web import Request


def charge(payments, number=1, **headers):
    body = json.dumps({"order": f"o-{number}", "amount": 100}).encode()
    return payments.routes["POST /charges"](Request("POST", "/charges", headers=headers, body=body))


@pytest.fixture
def with_key(tmp_path):
    folder = tmp_path / CREDENTIALS_DIR.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "api-key").write_text("secret\n")
    return Payments(Settings(role="payments", root=tmp_path))


def test_the_vendor_knows_its_customers(with_key):
    assert charge(with_key, Authorization="Bearer secret").status == 201
    assert charge(with_key, Authorization="Bearer other").status == 401
    assert charge(with_key).status == 401


def test_calls_beyond_the_quota_are_declined_with_a_pause():
    payments = Payments(Settings(role="payments", quota=2.0))
    answers = [charge(payments, number) for number in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert answers[-1].headers["Retry-After"] == "1"


def test_hammering_keeps_a_quota_empty_and_a_pause_fills_it():
    at = [0.0]
    quota = Quota(10.0, now=lambda: at[0])
    assert sum(quota.take() for _ in range(30)) == 10
    at[0] += 0.5
    assert not quota.take(), "the refused calls count as well"
    at[0] += 2.0
    assert sum(quota.take() for _ in range(30)) == 10


def put(cache, key, value, lives="60"):
    request = Request("PUT", f"/cache/{key}", key, {"Cache-For": lives}, json.dumps(value).encode())
    return cache.routes["PUT /cache/"](request)


def get(cache, key):
    return cache.routes["GET /cache/"](Request("GET", f"/cache/{key}", key))


def test_the_cache_keeps_what_is_fresh_only():
    cache = Sessions(Settings(role="sessions"))
    put(cache, "fresh", [1])
    put(cache, "stale", [2], lives="0")
    assert (get(cache, "fresh").status, get(cache, "fresh").value) == (200, [1])
    assert get(cache, "stale").status == 404
    assert get(cache, "never").status == 404


def test_a_full_cache_forgets_the_oldest():
    cache = Sessions(Settings(role="sessions"))
    for number in range(10_001):
        put(cache, f"k{number}", number)
    assert get(cache, "k0").status == 404
    assert get(cache, "k1").value == 1
