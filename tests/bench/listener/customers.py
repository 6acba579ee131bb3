"""What both sides of the benchmark run. It writes down what its own process used between the start and the stop of the test."""

import json
import os
import time

from locust import FastHttpUser, events, task  # noqa: TID251

used = {}


@events.test_start.add_listener
def begin(**_):
    used.update(cpu=time.process_time(), wall=time.monotonic())


@events.test_stop.add_listener
def end(**_):
    with open(os.environ["BENCH_USED"], "w") as file:
        json.dump({"cpu": time.process_time() - used["cpu"], "wall": time.monotonic() - used["wall"]}, file)


if os.environ["BENCH_TASK"] == "plain":

    class Customer(FastHttpUser):
        @task
        def look(self):
            self.client.get("/")

else:

    class Customer(FastHttpUser):
        def on_start(self):
            self.bought = 0

        @task
        def buy(self):
            self.bought += 1
            context = {"transaction": "buy", "id": f"{id(self)}-{self.bought}"}
            with self.client.get("/", catch_response=True, context=context) as answer:
                if answer.text != "hello":
                    answer.failure("another greeting")
