import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chaos.clock import RealClock, wait_until
from chaos.errors import BadInput
from chaos.evaluation.generator import Generator
from chaos.evaluation.outage import Slots
from chaos.evaluation.windows import Window
from chaos.load.locust import LoadProcess, start_time_of
from chaos.load.spec import LoadSpec
from chaos.load.transactions import read
from chaos.model.events import Event
from chaos.model.histogram import Histogram, bucket_of

SHOP = """
from locust import FastHttpUser, HttpUser, SequentialTaskSet, TaskSet, between, task

class Buyer(FastHttpUser):
    weight = 3
    def on_start(self):
        self.client.get("/login", name="login")
        self.bought = 0
    @task
    def buy(self):
        self.bought += 1
        context = {"transaction": "buy", "id": f"{id(self)}-{self.bought}"}
        with self.client.post("/buy", json={"n": 1}, context=context, catch_response=True) as answer:
            if answer.status_code == 200 and answer.text == "nonsense":
                answer.failure("nonsense")

class Looker(HttpUser):
    wait_time = between(1000, 2000)  # a rate does not wait
    @task
    class Look(TaskSet):
        @task
        def look(self):
            self.client.get("/look", name="look")
"""

PLAIN = """
from locust import FastHttpUser, task
class Customer(FastHttpUser):
    @task
    def buy(self):
        with self.client.get("/buy", name="buy", catch_response=True) as answer:
            if answer.status_code == 200 and answer.text != "ok":
                answer.failure("not ok")
"""

OWN_WAYS = """
import gevent.pool
from locust import FastHttpUser, User, task
from locust.contrib.fasthttp import FastHttpSession

class OwnSession(FastHttpSession):
    def request(self, method, url, **options):
        return super().request(method, "/own", **options)

class OwnClient(FastHttpUser):
    def __init__(self, environment):
        super().__init__(environment)
        self.client = OwnSession(self.host, environment.events.request, self)
    @task
    def visit(self):
        self.client.get("/nowhere", name="/own")

class Parallel(FastHttpUser):
    @task
    def several(self):
        pool = gevent.pool.Pool()
        for _ in range(3):
            pool.spawn(self.client.get, "/parallel", name="parallel")
        pool.join()

class OddProtocol(User):
    @task
    def speak(self):
        self.environment.events.request.fire(
            request_type="odd", name="odd", response_time=200.0, response_length=0, exception=None, context={}
        )
"""

HABITS = """
from locust import FastHttpUser, HttpUser, SequentialTaskSet, task

class Journey(SequentialTaskSet):
    @task
    def never_judged(self):
        self.client.get("/never-judged", catch_response=True, context={"transaction": "never-judged"})
    @task
    def trips_over_the_answer(self):
        with self.client.get("/trips", catch_response=True, context={"transaction": "trips"}) as answer:
            answer.json()["price"]
    @task
    def by_user(self):
        self.client.get("/by-user")

class Fast(FastHttpUser):
    tasks = [Journey]
    def context(self):
        return {"transaction": "by-user"}

class Http(HttpUser):
    tasks = [Journey]
    def context(self):
        return {"transaction": "by-user"}
"""

SLOW_ONES = """
from locust import HttpUser, task
class Customer(HttpUser):
    @task
    def buy(self):
        self.client.get("/buy", name="buy")
"""


def waited(seconds: float) -> None:
    """Time must pass while real load runs; nothing to wait for but that."""
    threading.Event().wait(seconds)


class TestAnyLocustfile:
    def test_a_rate_with_on_start_task_sets_weights_both_clients_ids_and_a_surge(self, server, records, locustfile, start):
        load = start(locustfile(SHOP), server.url, rate=20.0)
        records.wait(lambda r: any(second.heartbeat for second in r.seconds))
        load.set_rate(60.0)
        records.wait(lambda r: any(second.intended == 60 for second in r.seconds))
        assert load.stop(within=5) == 0
        assert records.total("attempted") == records.total("good") == sum(server.seen.values())
        assert records.total("attempted", "buy") == server.seen["/buy"]
        assert records.total("attempted", "look") == server.seen["/look"]
        assert 1 <= server.seen["/login"] < 10
        assert 1.5 < server.seen["/buy"] / server.seen["/look"] < 7
        surged = next(second for second in records.seconds if second.intended == 60)
        assert abs(sum(load.attempted for name, load in surged.names.items() if name != "login") - 60) <= 2
        assert (surged.dropped, surged.worker, surged.heartbeat) == (0, "local", True)
        assert surged.cpu_percent is not None
        assert records.said == ["started", "rate-changed", "ended"]
        acknowledged = [entry["id"] for entry in read(load.acknowledged)]
        sent = [entry["id"] for entry in read(load.attempted) if entry["outcome"] == "sent"]
        assert len(set(acknowledged)) == len(acknowledged) == records.total("good", "buy")
        assert len(sent) == records.total("attempted", "buy")
        for second in records.seconds:  # a record is a line that the journal can hold
            assert type(second).model_validate(json.loads(second.model_dump_json())) == second
        assert "Aggregated" in load.tail()

    @pytest.mark.scenarios
    def test_what_a_locustfile_forgets_or_trips_over_counts_all_the_same(self, server, records, locustfile, start):
        load = start(locustfile(HABITS), server.url, rate=20.0, request_timeout=1.0)
        records.wait(lambda r: r.total("good", "never-judged") > 5 and r.total("good", "by-user") > 5)
        load.stop(within=5)
        for path, name in (("/never-judged", "never-judged"), ("/trips", "trips"), ("/by-user", "by-user")):
            assert records.total("attempted", name) == server.seen[path] > 5
        assert records.total("good", "never-judged") == server.seen["/never-judged"]
        assert records.total("failed", "trips") == server.seen["/trips"]
        assert all(reason.startswith("wrong: JSONDecodeError") for reason in records.errors("trips"))

    @pytest.mark.scenarios
    @pytest.mark.parametrize("text", [PLAIN, SLOW_ONES], ids=["fast", "http"])
    def test_connections_are_made_anew_every_so_many_customers(self, server, records, locustfile, start, text):
        load = start(locustfile(text), server.url, rate=40.0, fresh_connections_every=4)
        records.wait(lambda r: r.total("good") >= 40)
        load.stop(within=5)
        assert 0.2 < server.connections / records.total("good") < 0.4

    @pytest.mark.scenarios
    def test_wrong_answers_are_failures_and_refused(self, server, records, locustfile, start):
        server.set("wrong")
        load = start(locustfile(SHOP), server.url, rate=40.0)
        records.wait(lambda r: r.total("failed", "buy") > 5)
        load.stop(within=5)
        assert set(records.errors("buy")) == {"wrong: nonsense"}
        assert list(read(load.acknowledged)) == []
        assert "refused" in {entry["outcome"] for entry in read(load.attempted)}

    @pytest.mark.scenarios
    def test_a_session_of_the_locustfiles_own_and_other_protocols_count_too(self, server, records, locustfile, start):
        load = start(locustfile(OWN_WAYS), server.url, rate=30.0)
        records.wait(lambda r: min(r.total("attempted", name) for name in ("/own", "parallel", "odd")) > 8)
        load.stop(within=5)
        assert records.total("good", "/own") == server.seen["/own"]
        assert records.total("good", "parallel") == server.seen["/parallel"]
        assert 0.2 <= Histogram(next(load.latencies for load in records.names("odd") if load.latencies)).percentile(0.5) < 0.21


class TestLimitsOfCustomers:
    @pytest.mark.parametrize(
        ("mode", "file"),
        [
            pytest.param("hang", PLAIN, id="hang-fast", marks=pytest.mark.scenarios),
            pytest.param("hang", SLOW_ONES, id="hang-http", marks=pytest.mark.scenarios),
            pytest.param("drip", PLAIN, id="drip-fast"),
            pytest.param("drip", SLOW_ONES, id="drip-http", marks=pytest.mark.scenarios),
        ],
    )
    def test_a_customer_gives_up_when_the_request_timeout_is_over(self, server, records, locustfile, start, file, mode):
        server.set(mode)
        load = start(locustfile(file), server.url, rate=20.0, request_timeout=0.6)
        records.wait(lambda r: r.total("failed") > 3)
        load.stop(within=5)
        assert set(records.errors()) == {"timeout"}
        assert records.total("good") == 0
        assert 0.6 <= Histogram(records.histogram("failures")).percentile(0.5) < 0.8

    def test_requests_open_at_the_end_have_failed(self, server, records, locustfile, start):
        server.set("hang")
        load = start(locustfile(PLAIN), server.url, rate=20.0, request_timeout=30.0)
        records.wait(lambda r: any(second.in_flight > 5 for second in r.seconds))
        begun = time.monotonic()
        load.stop(within=1.5)
        assert time.monotonic() - begun < 2.5
        assert set(records.errors()) == {"open at end"}
        assert records.total("failed") == records.total("attempted") == sum(server.seen.values())

    @pytest.mark.scenarios
    def test_who_comes_when_too_many_wait_counts_as_failed(self, server, records, locustfile, start):
        server.set("hang")
        load = start(locustfile(PLAIN), server.url, rate=40.0, request_timeout=30.0, in_flight_cap=5)
        records.wait(lambda r: r.total("failed") > 30)
        load.stop(within=1.2)
        assert records.errors()["not sent: 5 in flight"] == sum(second.dropped for second in records.seconds)
        assert records.errors()["open at end"] == 5


class TestDegraded:
    @pytest.mark.parametrize(
        "file", [pytest.param(PLAIN, id="fast", marks=pytest.mark.scenarios), pytest.param(SLOW_ONES, id="http")]
    )
    def test_by_header(self, server, records, locustfile, start, file):
        server.set("degraded")
        load = start(locustfile(file), server.url, rate=40.0, degraded_header="x-degraded: yes")
        records.wait(lambda r: r.total("degraded") > 5)
        load.stop(within=5)
        assert records.total("degraded") == records.total("attempted")
        assert records.total("good") == records.total("failed") == 0
        assert sum(load.slots.good[i] for load in records.names() for i in range(20)) == records.total("degraded")

    @pytest.mark.scenarios
    def test_by_a_field_of_the_json(self, server, records, locustfile, start):
        server.set("degraded-json")
        load = start(locustfile(SLOW_ONES), server.url, rate=40.0, degraded_json="pay.deferred")
        records.wait(lambda r: r.total("degraded") > 5)
        load.stop(within=5)
        assert records.total("degraded") == records.total("attempted")


class TestUsers:
    @pytest.mark.scenarios
    def test_users_come_and_go(self, server, records, locustfile, start):
        server.set("slow")
        load = start(locustfile(PLAIN), server.url, users=2)
        records.wait(lambda r: any(second.users == 2 for second in r.seconds))
        load.set_users(6)
        records.wait(lambda r: any(second.users == 6 and second.in_flight == 6 for second in r.seconds))
        with pytest.raises(ValueError, match="not a rate"):
            load.set_rate(5)
        load.stop(within=5)  # six requests are under way, and may end well
        assert records.total("failed") == 0
        assert records.total("good") == records.total("attempted") == server.seen["/buy"]


class TestProcesses:
    @pytest.mark.scenarios
    @pytest.mark.parametrize("amount", [{"rate": 50.0}, {"users": 4}], ids=["rate", "users"])
    def test_totals_of_two_processes_match_the_servers(self, server, records, locustfile, start, amount):
        load = start(locustfile(PLAIN), server.url, processes=2, **amount)
        records.wait(lambda r: r.total("attempted") > 80)
        load.stop(within=6)
        assert records.total("attempted") == records.total("good") == sum(server.seen.values())
        assert {second.worker for second in records.seconds} == {"worker-0", "worker-1"}

    @pytest.mark.scenarios
    def test_a_lost_worker_is_told(self, server, records, locustfile, start):
        load = start(locustfile(PLAIN), server.url, processes=2, rate=20.0)
        records.wait(lambda r: r.total("attempted") > 10)
        children = Path(f"/proc/{load.pid}/task/{load.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        records.wait(lambda r: "worker-lost" in r.said)


class TestEnd:
    def test_load_does_not_outlive_its_parent(self, server, locustfile, tmp_path):
        spec = f"LoadSpec(locustfile=Path({str(locustfile(PLAIN))!r}), host={server.url!r}, limit=60.0, rate=20.0, processes=2)"
        program = (
            "import sys, threading\nfrom pathlib import Path\nfrom chaos.load.locust import *\n"
            f"load = LoadProcess.start({spec}, folder=Path({str(tmp_path / 'run')!r}), on_record=lambda r: None)\n"
            "load.wait_started(20)\nprint(load.pid, flush=True)\nthreading.Event().wait()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            group = [child, *map(int, Path(f"/proc/{child}/task/{child}/children").read_text().split())]
            assert len(group) == 3
            parent.kill()
        assert wait_until(lambda: not any(map(runs, group)), clock=RealClock(), within=3.0, every=0.02)

    @pytest.mark.scenarios
    def test_it_is_bounded_in_time(self, server, records, locustfile, start):
        load = start(locustfile(PLAIN), server.url, rate=10.0, limit=1.0)
        records.wait(lambda r: "ended" in r.said)
        assert not load.alive
        assert load.stop(within=1.0) == 0

    def test_a_locust_that_is_stuck_is_killed_with_its_group_and_stopping_may_be_repeated(self, server, locustfile, start):
        load = start(locustfile(PLAIN), server.url, rate=10.0)
        assert start_time_of(load.pid) == load.start_time > 0
        os.kill(load.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert load.stop(within=0.3) == -signal.SIGKILL
        assert time.monotonic() - begun < 2.0
        assert load.stop(within=3.0) == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.killpg(load.pid, 0)

    def test_trouble_of_the_listener_of_records_is_raised_at_the_end(self, server, locustfile, tmp_path):
        def full(_: object) -> None:
            raise OSError("disk full")

        spec = LoadSpec(locustfile=locustfile(PLAIN), host=server.url, limit=30.0, rate=10.0)
        load = LoadProcess.start(spec, folder=tmp_path / "run", on_record=full)
        load.wait_started(20)
        with pytest.raises(OSError, match="disk full"):
            load.stop(within=3.0)
        load.stop(within=3.0)


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                "import locust\n\nnonsense\n",
                "customers.py:3: the locustfile crashed: NameError: name 'nonsense' is not defined",
            ),
            ("import locust\n", "customers.py: the locustfile has no user class"),
        ],
        ids=["crash", "no user"],
    )
    def test_a_locustfile_that_cannot_work_is_bad_input(self, server, records, locustfile, start, text, words):
        with pytest.raises(BadInput) as error:
            start(locustfile(text), server.url, rate=10.0)
        assert words in str(error.value)
        assert records.said == ["crashed"]
        assert words in records.notes[0].detail

    @pytest.mark.parametrize(
        ("text", "words"), [("def broken(:\n", "customers.py:1:12: the locustfile is not valid Python"), (None, "cannot read")]
    )
    def test_what_can_be_seen_beforehand_is_seen_before_anything_starts(self, tmp_path, locustfile, text, words):
        file = locustfile(text) if text else tmp_path / "missing.py"
        with pytest.raises(BadInput) as error:
            LoadProcess.start(
                LoadSpec(locustfile=file, host="http://127.0.0.1:1", limit=5, rate=1.0), folder=tmp_path, on_record=print
            )
        assert words in str(error.value)
        assert not (tmp_path / "load.log").exists()

    def test_a_rate_and_users_at_once_is_bad_input(self, locustfile):
        with pytest.raises(BadInput):
            LoadSpec(locustfile=locustfile(PLAIN), host="", limit=5, rate=1.0, users=1).check()

    def test_a_task_that_raises_is_told_with_its_line_and_the_rest_goes_on(self, server, records, locustfile, start):
        text = PLAIN + "    @task\n    def trip(self):\n        self.client.get('/trip')\n        raise KeyError('price')\n"
        start(locustfile(text), server.url, rate=40.0)
        records.wait(lambda r: "task-error" in r.said and r.total("good", "buy") > 5 and r.total("good", "/trip") > 5)
        assert [note.detail for note in records.notes if note.what == "task-error"] == ["KeyError: 'price' (customers.py:12)"]

    @pytest.mark.scenarios
    def test_a_shape_of_the_locustfile_does_not_take_over(self, server, records, locustfile, start):
        text = (
            "from locust import LoadTestShape\n"
            + PLAIN
            + "class Flood(LoadTestShape):\n    def tick(self):\n        return (500, 500)\n"
        )
        start(locustfile(text), server.url, users=1)
        records.wait(lambda r: any(second.heartbeat for second in r.seconds))
        assert max(second.users for second in records.seconds) == 1
        assert "shape-ignored" in records.said

    def test_nothing_of_our_environment_is_handed_down(self, server, records, locustfile, start, tmp_path, monkeypatch):
        monkeypatch.setenv("A_SECRET", "canary")
        text = "import os, pathlib\nsaid = dict(os.environ)\n" + PLAIN
        text += f"pathlib.Path({str(tmp_path / 'environment')!r}).write_text(repr(said))\n"
        start(locustfile(text), server.url, rate=5.0, environment={"SHOP_KEY": "42"})
        said = (tmp_path / "environment").read_text()
        assert "canary" not in said
        assert "'SHOP_KEY': '42'" in said


def runs(pid: int) -> bool:
    """Whether a process still runs; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def outage(server, mode: str, seconds: float) -> float:
    """Take the server out of order for so long; returns how long exactly."""
    begun = server.set(mode)
    waited(seconds)
    return server.set("ok") - begun


def judged(records, good_within: float | None = None) -> float:
    """The longest outage as a verdict would have it."""
    numbers = [second.second for second in records.seconds]
    slots, generator = Slots(min(numbers), max(numbers), good_within=good_within), Generator()
    for second in records.seconds:
        generator.feed(Event(seq=0, mono=0.0, wall="", source="load", kind="load", payload=second.as_json()))
        for name in second.names.values():
            slots.add(second.second, name.as_json())
    window = Window("whole", float(min(numbers)), float(max(numbers) + 1))
    return max((each.length for each in slots.outages(generator, window)), default=0.0)


MODES = ["refuse", "hang", "503", "slow", "wrong"]


class TestOutage:
    def test_a_known_outage_is_measured_as_long_as_it_was(self, server, records, locustfile, start):
        load = start(locustfile(PLAIN), server.url, rate=40.0, request_timeout=1.0)
        records.wait(lambda r: r.total("good") > 0)
        truth = outage(server, "refuse", 1.5)
        good = records.total("good")
        records.wait(lambda r: r.total("good") > good)
        load.stop(within=3.0)
        assert abs(records.longest_outage() - truth) < 0.2
        assert abs(judged(records) - truth) < 0.2
        assert "refused" in records.errors()

    @pytest.mark.scenarios
    @pytest.mark.parametrize("mode", MODES)
    def test_seven_seconds_are_seven_seconds_however_the_service_fails(self, server, records, locustfile, start, mode):
        load = start(locustfile(PLAIN), server.url, rate=40.0, request_timeout=2.0)
        records.wait(lambda r: r.total("good") > 40)
        truth = outage(server, mode, 7.0)
        good = records.total("good")
        records.wait(lambda r: r.total("good") > good + 120)
        load.stop(within=4.0)
        good_within = 0.5 if mode == "slow" else None
        assert abs(records.longest_outage(good_within) - truth) < 0.2
        assert abs(judged(records, good_within) - truth) < 0.2

    @pytest.mark.scenarios
    def test_a_frozen_server_shows_in_the_percentiles(self, records, locustfile, start, tmp_path):
        """Customers do not stop coming because nobody answers: all of them show, not one per user (coordinated omission)."""
        with FrozenServer(tmp_path) as (process, url):
            load = start(locustfile(PLAIN), url, rate=40.0, request_timeout=5.0)
            records.wait(lambda r: r.total("good") > 20)
            os.kill(process.pid, signal.SIGSTOP)
            waited(1.5)
            os.kill(process.pid, signal.SIGCONT)
            good = records.total("good")
            records.wait(lambda r: r.total("good") > good + 70)
            load.stop(within=6.0)
        latencies = Histogram(records.histogram("latencies"))
        slow = sum(count for bucket, count in latencies.counts.items() if bucket >= bucket_of(0.3))
        assert slow > 20
        assert latencies.percentile(0.99) > 1.0
        assert records.longest_outage() > 1.3


class FrozenServer:
    """A web server in a process of its own, which can be stopped in its tracks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self):
        program = (
            "import http.server\n"
            "class Handler(http.server.BaseHTTPRequestHandler):\n"
            "    protocol_version = 'HTTP/1.1'\n"
            "    wbufsize = -1\n"
            "    def do_GET(self):\n"
            "        self.send_response(200); self.send_header('Content-Length', '2'); self.end_headers()\n"
            "        self.wfile.write(b'ok'); self.wfile.flush()\n"
            "    def log_message(self, *a): pass\n"
            "class Server(http.server.ThreadingHTTPServer):\n"
            "    request_queue_size = 512\n"
            "server = Server(('127.0.0.1', 0), Handler)\n"
            "print(server.server_port, flush=True)\n"
            "server.serve_forever()\n"
        )
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        return self.process, f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
