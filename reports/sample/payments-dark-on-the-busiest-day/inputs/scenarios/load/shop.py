"""Customers of the sample shop: some look around, some buy. Each is another person, so each brings a connection of its own."""

import random
import uuid

from locust import FastHttpUser, task

SKUS = [f"sku-{number:02d}" for number in range(1, 13)]
OWN_CONNECTION = {"Connection": "close"}


class Customer(FastHttpUser):
    @task(2)
    def browse(self) -> None:
        with self.client.get(
            "/products", name="browse", headers=OWN_CONNECTION, catch_response=True, context={"transaction": "browse"}
        ) as page:
            if page.status_code == 200 and len(page.json()) != len(SKUS):
                page.failure("wrong: not all products are on the page")

    @task(3)
    def order(self) -> None:
        order_id = f"o-{uuid.uuid4().hex[:20]}"
        with self.client.post(
            "/orders",
            name="checkout",
            json={"id": order_id, "sku": random.choice(SKUS), "amount": random.randint(5, 90) * 100},
            headers={**OWN_CONNECTION, "X-Customer": f"customer-{random.randint(1, 200)}"},
            catch_response=True,
            context={"transaction": "checkout", "id": order_id},
        ) as answer:
            if answer.status_code == 201 and answer.json().get("id") != order_id:
                answer.failure("wrong: the answer is about another order")
