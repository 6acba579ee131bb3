"""CPU and memory of judging: at most half a second for a million requests, and memory that does not grow with requests.

Run with `make bench`, or `pytest -m bench tests/bench/test_evaluator.py -s`. Each figure is taken in a process of its own.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.evaluation.judge import judge
from chaos.journal import read
from chaos.model.histogram import bucket_of
from chaos.model.run import Environment, RunInfo, Subject
from chaos.model.service import Service
from chaos.scenario import FaultStep, Load
from chaos.story import Story

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

TOLERANCES = [
    {"id": "answered", "measure": "availability", "at_least": "99%"},
    {"id": "fast", "measure": "latency", "percentile": 95, "at_most": "1s"},
    {"id": "outage", "measure": "longest-outage", "at_most": "5s"},
    {"id": "back", "measure": "time-to-recover", "at_most": "5s"},
    {"id": "kept", "measure": "throughput-kept", "at_least": "80%"},
]


def write_journal(path: Path, *, seconds: int, rate: int, names: int) -> int:
    """A journal of `seconds` seconds with `rate` requests each, from a seed; returns the number of requests."""
    rng = random.Random(5)
    latencies = [rng.lognormvariate(-4, 0.6) for _ in range(rate // names)]
    buckets: dict[str, int] = {}
    for latency in latencies:
        buckets[str(bucket_of(latency))] = buckets.get(str(bucket_of(latency)), 0) + 1
    each = len(latencies)
    slots = [each // 20] * 20
    slots[0] += each % 20
    name = {"attempted": each, "good": each, "latencies": buckets}
    name["slots"] = {"attempted": slots, "bad": [0] * 20, "good": slots, "fastest": [0.004] * 20}
    third = seconds // 3
    with path.open("w") as file:

        def say(mono: float, kind: str, payload: dict) -> None:
            line = {"seq": 0, "mono": mono, "wall": "", "source": "bench", "actor": "runner", "kind": kind, "payload": payload}
            file.write(json.dumps(line) + "\n")

        say(0, "phase", {"phase": "baseline", "edge": "start"})
        for second in range(seconds):
            if second == third:
                say(second, "phase", {"phase": "fault", "edge": "start"})
                say(second, "fault", {"step": "s", "entry": "e", "fault": "pod-kill", "edge": "struck"})
                say(second, "dose", {"step": "s", "fault": "pod-kill", "proved": True, "expected": "x", "seen": "x"})
            if second == 2 * third:
                say(second, "fault", {"step": "s", "entry": "e", "fault": "pod-kill", "edge": "undone"})
                say(second, "phase", {"phase": "recovery", "edge": "start"})
            record = {"second": second, "names": {f"n{i}": name for i in range(names)}, "heartbeat": True, "cpu_percent": 20}
            say(second + 1.01, "load", {**record, "intended": rate})
        say(seconds, "phase", {"phase": "recovery", "edge": "end"})
        say(seconds, "end", {"clean": True})
    return seconds * each * names


def judge_file(path: Path) -> None:
    service = Service.model_validate(
        {"format": "service/v1", "id": "s", "title": "S", "team": "t", "owner": "o", "tolerances": TOLERANCES}
    )
    load = {"target": {"service": "s", "port": 80}, "locustfile": "x.py", "rate": "1000/s"}
    fault = {"id": "s", "fault": {"kind": "pod-kill", "selector": {"a": "b"}, "count": 1}}
    story = Story(
        kind="scenario",
        id="bench",
        title="Bench",
        text="x",
        service=service,
        namespace="n",
        load=Load.model_validate(load),
        steps=(FaultStep.model_validate(fault),),
        tolerances=tuple(service.tolerances),
    )
    info = RunInfo(
        id="r",
        scenario="bench",
        environment=Environment(kind="sandbox", name="sandbox"),
        subject=Subject(service="s"),
        tool_version="0",
        seed=1,
        started="2026-01-05T09:00:00+00:00",
    )
    verdict = judge(story, lambda: read(path), info)
    assert verdict.outcome == "held", [row.arithmetic for row in verdict.rows]


def in_a_process_of_its_own(path: Path) -> tuple[float, float]:
    """CPU seconds and the growth of resident memory in MB while judging."""
    code = (
        "import resource, sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import test_evaluator as bench\n"
        "rss = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize() / 1e6\n"
        "before, begun = rss(), time.process_time(); bench.judge_file(Path(sys.argv[1]))\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(time.process_time() - begun, peak - before)"
    )
    command = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout
    cpu, memory = map(float, out.split())
    return cpu, memory


@pytest.mark.parametrize(("rate", "names"), [(1000, 1), (1000, 5), (1000, 20)])
def test_half_a_second_of_cpu_for_a_million_requests(tmp_path, rate, names):
    path = tmp_path / "journal.jsonl"
    requests = write_journal(path, seconds=1000, rate=rate, names=names)
    cpu = sorted(in_a_process_of_its_own(path)[0] for _ in range(3))[1]
    print(f"\n{requests:,} requests of {names} transactions: {cpu:.2f} s CPU, {cpu / requests * 1e6:.2f} s a million")
    assert cpu / requests * 1e6 <= 0.5


def test_memory_does_not_grow_with_requests(tmp_path):
    """Ten times the requests in the same time: the same memory."""
    growth = []
    for rate in (1000, 10_000, 100_000):
        path = tmp_path / f"{rate}.jsonl"
        write_journal(path, seconds=600, rate=rate, names=5)
        growth.append(in_a_process_of_its_own(path)[1])
    print("\nmemory for 0.6, 6 and 60 million requests: " + ", ".join(f"{mb:.1f} MB" for mb in growth))
    assert growth[2] <= growth[0] + 4
    assert growth[2] <= 64
