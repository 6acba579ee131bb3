"""Pages and orders when the cache, the origin or checkout is not there."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.shop.web import Answer


@pytest.fixture
def origin(double):
    """An inventory that answers when it is let to."""
    free = threading.Event()
    made = double(lambda request: free.wait(5) and Answer(200, [{"sku": "sku-01"}]))
    made.free = free
    return made


def browse_together(shop, origin, many):
    def browse(_):
        return shop.peer("storefront").request("GET", "/products").status

    with ThreadPoolExecutor(many) as pool:
        pages = [pool.submit(browse, number) for number in range(many)]
        while len(origin.seen) < 1:
            threading.Event().wait(0.005)
        origin.free.set()
        return [page.result() for page in pages]


def test_many_misses_of_the_cache_are_one_query_at_the_origin(shop, origin):
    shop.start("inventory", "storefront", doubles={"inventory": origin})
    assert browse_together(shop, origin, 8) == [200] * 8
    assert len(origin.seen) == 1


def test_a_stampede_is_a_query_for_each_page(shop, origin):
    origin.free.set()
    shop.start("inventory", "storefront", weak=frozenset({"cache-stampede"}), doubles={"inventory": origin})
    for _ in range(8):
        assert shop.peer("storefront").request("GET", "/products").status == 200
    assert len(origin.seen) == 8


def test_an_order_needs_no_session(shop):
    shop.start("orders", "payments", "inventory", "checkout", "storefront")
    reply = shop.peer("storefront").request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1})
    assert reply.status == 201


def test_without_a_fallback_a_lost_cache_takes_orders_with_it(shop):
    shop.start("orders", "payments", "inventory", "checkout", "storefront", weak=frozenset({"no-fallback"}))
    reply = shop.peer("storefront").request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1})
    assert reply.status == 503


def test_a_degraded_order_is_marked_for_the_customer(shop, double):
    failing = double(lambda request: Answer(503, {}))
    shop.start("orders", "payments", "inventory", "checkout", "storefront", doubles={"payments": failing})
    reply = shop.peer("storefront").request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1})
    assert (reply.status, reply.headers["X-Degraded"]) == (201, "payment deferred")


def test_a_checkout_that_is_gone_is_said(shop):
    shop.start("storefront")
    reply = shop.peer("storefront").request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1})
    assert (reply.status, reply.json()["error"]) == (503, "the order was not taken: refused")
