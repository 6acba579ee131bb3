"""What checkout does when others fail, with its defences and with each of them switched off."""

import threading
from dataclasses import replace

import pytest

from chaos.shop.checkout import join
from chaos.shop.defences import Unavailable
from chaos.shop.web import Answer

BACKENDS = ("orders", "payments", "inventory", "checkout")


def order(number=1):
    return {"id": f"o-{number}", "sku": "sku-01", "amount": 100}


@pytest.fixture
def place(shop):
    """Place one order at checkout."""

    def placed(number=1, timeout=5.0):
        return shop.peer("checkout").request("POST", "/orders", value=order(number), timeout=timeout)

    return placed


def stored(shop):
    return {entry["id"]: entry["charge"] for entry in shop.peer("orders").request("GET", "/orders").json()}


@pytest.fixture
def vendor(double):
    """Answers 503 until a test says otherwise."""
    return double(lambda request: Answer(503, {}))


def run(shop, vendor, *weak):
    return shop.start(*BACKENDS, weak=frozenset(weak), doubles={"payments": vendor})


@pytest.mark.parametrize(
    "answer",
    [Answer(503, {}), Answer(429, {}), Answer(401, {}), Answer(200, {"id": "x"}), Answer(201, {"status": "declined"})],
    ids=["503", "429", "401", "other-schema", "not-captured"],
)
def test_an_order_that_cannot_be_charged_is_taken_and_charged_later(shop, vendor, place, answer):
    vendor.answer = lambda request: answer
    reply = run(shop, vendor) and place()
    assert (reply.status, reply.json()["state"], reply.headers["X-Degraded"]) == (201, "payment-deferred", "payment deferred")
    assert stored(shop) == {"o-1": ""}


def test_without_a_fallback_the_order_fails_and_is_not_kept(shop, vendor, place):
    run(shop, vendor, "no-fallback")
    assert place().status == 503
    assert stored(shop) == {}


def test_a_silent_vendor_holds_an_order_up_for_a_moment_only(shop, vendor, place):
    over = threading.Event()
    vendor.answer = lambda request: over.wait(5) and Answer(503, {})
    run(shop, vendor)
    assert place(timeout=1.5).json()["state"] == "payment-deferred"
    over.set()


def test_without_a_timeout_the_order_hangs_as_long_as_the_vendor(shop, vendor, place):
    over = threading.Event()
    vendor.answer = lambda request: over.wait(5) and Answer(503, {})
    run(shop, vendor, "no-timeout")
    with pytest.raises(Unavailable, match="timeout"):
        place(timeout=1.0)
    over.set()


def test_throttled_once_the_vendor_is_left_alone(shop, vendor, place):
    vendor.answer = lambda request: Answer(429, {}, {"Retry-After": "30"})
    run(shop, vendor)
    for number in range(5):
        assert place(number).status == 201
    assert len(vendor.seen) == 1


def without_pauses(shop):
    """The same number of retries, but none waits."""
    payments = shop.role("checkout")._payments
    payments._policy = replace(payments._policy, pause=lambda retry: 0.0)


def test_an_answer_that_no_retry_will_change_is_not_asked_for_again(shop, vendor, place):
    vendor.answer = lambda request: Answer(401, {})
    run(shop, vendor)
    place()
    assert len(vendor.seen) == 1


def test_while_the_vendor_fails_now_and_then_unpaid_orders_wait(shop, vendor, place):
    run(shop, vendor)
    place()
    calls = len(vendor.seen)
    shop.role("checkout").settle()
    assert len(vendor.seen) == calls


def test_a_retry_storm_calls_ten_times_an_order(shop, vendor, place):
    vendor.answer = lambda request: Answer(429, {}, {"Retry-After": "30"})
    run(shop, vendor, "retry-storm")
    without_pauses(shop)
    place()
    assert len(vendor.seen) == 10


def failing_in_turn():
    """Three failures, then an answer, and so on."""
    count = iter(range(10_000))

    def answer(request):
        if next(count) % 4 < 3:
            return Answer(500, {})
        body = request.json()
        return Answer(201, {"charge": "ch-1", "order": body["order"], "amount": body["amount"], "status": "captured"})

    return answer


def test_retries_stay_within_their_budget(shop, vendor, place):
    vendor.answer = failing_in_turn()
    run(shop, vendor)
    for number in range(20):
        place(number)
    assert len(vendor.seen) <= 20 + 3 + 20 * 0.2


def test_without_a_budget_every_failure_is_retried(shop, vendor, place):
    vendor.answer = failing_in_turn()
    run(shop, vendor, "no-retry-budget")
    without_pauses(shop)
    assert place().json()["state"] == "charged"
    assert len(vendor.seen) == 4


def test_the_breaker_spares_a_vendor_that_is_down(shop, vendor, place):
    run(shop, vendor)
    for number in range(20):
        place(number)
    assert len(vendor.seen) == 8


def test_without_a_breaker_every_order_calls_the_vendor(shop, vendor, place):
    run(shop, vendor, "no-circuit-breaker")
    for number in range(20):
        place(number)
    assert len(vendor.seen) >= 20


def charges_but_the_answer_is_lost(payments):
    def answer(request):
        payments.routes["POST /charges"](request)
        return Answer(502, {})

    return answer


def charges_of(payments, order_id):
    return sum(charge["order"] == order_id for charge in payments.routes["GET /charges"](None).value)


@pytest.mark.parametrize(("weak", "expected"), [((), 1), (("no-idempotency-key",), 2)], ids=["fixed", "weak"])
def test_a_charge_whose_answer_is_lost_is_made_once_with_a_key_and_twice_without(shop, vendor, place, weak, expected):
    run(shop, vendor, *weak)
    payments = shop.role("payments")
    vendor.answer = charges_but_the_answer_is_lost(payments)
    place()
    assert charges_of(payments, "o-1") == expected


def test_what_was_deferred_is_charged_later_once(shop, vendor, place):
    run(shop, vendor)
    place()
    payments, checkout = shop.role("payments"), shop.role("checkout")
    shop.servers["payments"].routes = payments.routes
    checkout._payments.breaker._last_failure = float("-inf")  # long ago
    checkout.settle()
    assert stored(shop) == {"o-1": "ch-000001"}
    checkout.settle()
    assert charges_of(payments, "o-1") == 1


def test_the_stock_is_taken_for_granted_when_nobody_can_tell(shop, place):
    shop.start("orders", "payments", "checkout")
    reply = place()
    assert (reply.status, reply.headers["X-Degraded"]) == (201, "stock not checked")


def test_without_a_fallback_no_stock_means_no_order(shop, place):
    shop.start("orders", "payments", "checkout", weak=frozenset({"no-fallback"}))
    assert place().status == 503


def test_an_order_is_acknowledged_only_when_it_is_stored(shop, double, place):
    broken = double(lambda request: Answer(500, {}))
    shop.start(*BACKENDS, doubles={"orders": broken})
    assert place().status == 503


def test_acknowledged_before_stored_an_order_is_promised_that_nobody_keeps(shop, double, place):
    broken = double(lambda request: Answer(500, {}))
    shop.start(*BACKENDS, weak=frozenset({"ack-before-stored"}), doubles={"orders": broken})
    assert place().status == 201
    assert not [request for request in broken.seen if request.method == "PUT"]


def test_the_ledger_shows_an_order_once_for_each_of_its_charges():
    kept = [{"id": "a", "sku": "s", "amount": 1, "charge": "c1"}, {"id": "b", "sku": "s", "amount": 2, "charge": ""}]
    made = [{"order": "a", "charge": "c1"}, {"order": "a", "charge": "c2"}, {"order": "lost", "charge": "c3"}]
    assert [(line["id"], line["charge"]) for line in join(kept, made)] == [("a", "c1"), ("a", "c2"), ("b", "")]


def test_a_ledger_that_cannot_be_read_says_so(shop, vendor):
    run(shop, vendor)
    assert shop.peer("checkout").request("GET", "/ledger").status == 503
