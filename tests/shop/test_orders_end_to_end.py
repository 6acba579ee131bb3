"""An order goes through all services of the shop."""

import time

ALL = ("orders", "payments", "sessions", "inventory", "checkout", "storefront")


def test_an_order_is_charged_and_kept(shop):
    customer = shop.start(*ALL).peer("storefront")
    answer = customer.request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1400})
    assert (answer.status, answer.json()) == (201, {"id": "o-1", "state": "charged"})
    assert "X-Degraded" not in answer.headers
    [line] = customer.request("GET", "/orders").json()
    assert (line["id"], line["amount"], line["charge"]) == ("o-1", 1400, "ch-000001")


def test_an_order_sent_twice_is_kept_and_charged_once(shop):
    customer = shop.start(*ALL).peer("storefront")
    for _ in range(2):
        customer.request("POST", "/orders", value={"id": "o-1", "sku": "sku-01", "amount": 1400})
    assert len(customer.request("GET", "/orders").json()) == 1


def test_the_catalogue_is_served_and_comes_from_the_cache_when_it_is_there(shop):
    customer = shop.start(*ALL).peer("storefront")
    first = customer.request("GET", "/products")
    assert len(first.json()) == 12
    assert shop.peer("sessions").request("GET", "/cache/catalogue").json() == first.json()


def test_bad_orders_are_refused_by_name(shop):
    customer = shop.start(*ALL).peer("storefront")
    assert customer.request("POST", "/orders", value={"id": "o-1", "sku": "nothing", "amount": 1}).status == 409
    assert customer.request("POST", "/orders", value=["no order"]).status in (400, 503)
    assert customer.request("GET", "/nowhere").status == 404


def test_one_order_costs_little(shop):
    customer = shop.start(*ALL).peer("storefront")
    send = lambda n: customer.request("POST", "/orders", value={"id": f"o-{n}", "sku": "sku-01", "amount": 1})  # noqa: E731
    send(0)
    begin = time.process_time()
    for number in range(1, 41):
        assert send(number).status == 201
    per_order = (time.process_time() - begin) / 40
    assert per_order < 0.05, f"{per_order * 1000:.1f} ms CPU an order, of all services together"
