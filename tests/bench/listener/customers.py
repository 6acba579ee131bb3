"""What both sides of the benchmark run. It writes down what its own process used between the start and the stop of the test."""

import inspect
import itertools
import json
import os
import time

import gevent  # noqa: TID251
from locust import FastHttpUser, events, task  # noqa: TID251
from locust.contrib.fasthttp import FastHttpSession  # noqa: TID251

DOORS = ("get", "request")
ALONE = {door: getattr(FastHttpSession, door) for door in DOORS}  # this file is loaded before the listener
WINDOW = 0.1

used = {}
windows = []


@events.test_start.add_listener
def take_turns(environment, **_):
    """Within one process: a window with our listener, one without, and so on."""
    if os.environ.get("BENCH_TURNS"):
        gevent.spawn(turns, environment.stats.total)


def turns(total):
    watched = {door: getattr(FastHttpSession, door) for door in DOORS}
    recorder = inspect.getclosurevars(watched["request"]).nonlocals["watch"].recorder
    gevent.sleep(1.0)
    for side in itertools.cycle(["ours", "alone", "alone", "ours"]):
        for door, way in (watched if side == "ours" else ALONE).items():
            setattr(FastHttpSession, door, way)
        gevent.sleep(0.01)  # who is under way finishes
        recorder.absorb()
        requests, cpu = total.num_requests, time.process_time()
        gevent.sleep(WINDOW)
        recorder.absorb()  # sums that belong to this window
        windows.append({"side": side, "requests": total.num_requests - requests, "cpu": time.process_time() - cpu})


@events.test_start.add_listener
def begin(**_):
    used.update(cpu=time.process_time(), wall=time.monotonic())


@events.test_stop.add_listener
def end(**_):
    with open(os.environ["BENCH_USED"], "w") as file:
        json.dump({"cpu": time.process_time() - used["cpu"], "wall": time.monotonic() - used["wall"], "windows": windows}, file)


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
