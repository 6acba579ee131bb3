"""The everyday loop beside Chaos Toolkit's: CPU time of whole commands, in interleaved rounds of one run.

Peers are pinned in peers.txt and live in an environment of their own (`make bench`). Ratios are of medians; user and system
time together, from the kernel's own accounting of the child.
"""

import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chaos.catalogue import shipped

pytestmark = pytest.mark.bench

ROUNDS = 20
PEER = Path(os.environ.get("GAMEDAY_PEERS", "build/peers")).absolute() / "bin" / "chaos"
OURS = [str(Path(sys.executable).with_name("gameday"))]
SAMPLE = shipped() / "scenarios" / "payments-slow-not-dead.yaml"
EXPERIMENT = {
    "title": "A dependency is slow",
    "description": "n/a",
    "steady-state-hypothesis": {
        "title": "It answers",
        "probes": [
            {"type": "probe", "name": "p", "tolerance": 200, "provider": {"type": "http", "url": "http://127.0.0.1:9/"}}
        ],
    },
    "method": [
        {"type": "action", "name": f"a{n}", "provider": {"type": "python", "module": "os", "func": "getcwd", "arguments": {}}}
        for n in range(3)
    ],
    "rollbacks": [],
}


def cpu_of(command: list[str], folder: Path) -> float:
    """CPU seconds of one command, its children included."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def interleaved(commands: dict[str, list[str]], folder: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Median CPU seconds of each command; A B A B, so that a busy moment hits both."""
    for command in commands.values():
        cpu_of(command, folder)  # caches warm, bytecode written
    seen: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            seen[name].append(cpu_of(command, folder))
    medians = {name: statistics.median(values) for name, values in seen.items()}
    for name, median in medians.items():
        print(
            f"  {name:28} {median * 1000:7.1f} ms CPU  (min {min(seen[name]) * 1000:.1f}, max {max(seen[name]) * 1000:.1f}, n={rounds})"
        )
    return medians


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    if not PEER.exists():
        pytest.fail(f"{PEER} is not there: make bench installs it")
    made = tmp_path_factory.mktemp("cli")
    (made / "experiment.json").write_text(json.dumps(EXPERIMENT))
    return made


def test_help_costs_at_most_three_tenths_of_the_peer(folder, capsys):
    with capsys.disabled():
        print(f"\n--help, load {os.getloadavg()[0]:.1f}")
        cpu = interleaved({"gameday --help": [*OURS, "--help"], "chaos --help": [str(PEER), "--help"]}, folder)
        print(f"  ratio {cpu['gameday --help'] / cpu['chaos --help']:.2f}, goal 0.30")
    assert cpu["gameday --help"] <= 0.30 * cpu["chaos --help"]


def test_validate_costs_no_more_than_the_peer(folder, capsys):
    ours, theirs = "gameday validate", "chaos validate"
    peer = [str(PEER), "validate", "experiment.json"]
    with capsys.disabled():
        print(f"\nvalidate of one file, load {os.getloadavg()[0]:.1f}")
        cpu = interleaved({ours: [*OURS, "validate", str(SAMPLE)], theirs: peer}, folder)
        print(f"  ratio {cpu[ours] / cpu[theirs]:.2f}, goal 1.00")
    assert cpu[ours] <= cpu[theirs]


def test_a_thousand_files_cost_little_more_than_reading_them(folder, capsys):
    """Against their parsing with positions alone, and against a thousand calls of the peer (20 measured, scaled)."""
    many(folder / "many", 1000)
    parse = (
        "import sys, pathlib; from chaos import source\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.yaml')): source.read(path)"
    )
    ours, parsing, theirs = "gameday validate (1,000)", "parsing alone (1,000)", "chaos validate (1)"
    with capsys.disabled():
        print(f"\n1,000 files, load {os.getloadavg()[0]:.1f}")
        commands = {
            ours: [*OURS, "validate", "-q", str(folder / "many")],
            parsing: [sys.executable, "-c", parse, str(folder / "many")],
            theirs: [str(PEER), "validate", "experiment.json"],
        }
        cpu = interleaved(commands, folder, rounds=7)
        print(
            f"  of parsing {cpu[ours] / cpu[parsing]:.2f}, goal 2.50; of 1,000 peer calls 1/{1000 * cpu[theirs] / cpu[ours]:.0f}, goal 1/50"
        )
    assert cpu[ours] <= 2.5 * cpu[parsing]
    assert cpu[ours] <= 1000 * cpu[theirs] / 50


def many(target: Path, count: int) -> None:
    """Scenario files that differ, from a seed: the sample with other numbers, and the service and locustfile they name."""
    rng = random.Random(7)
    value = yaml.safe_load(SAMPLE.read_text())
    (target / "load").mkdir(parents=True)
    (target / "load" / "shop.py").write_text((SAMPLE.parent / "load" / "shop.py").read_text())
    for number in range(count):
        value["id"] = f"story-{number}"
        value["load"]["rate"] = f"{rng.randint(1, 50)}/s"
        value["tags"] = [f"tag-{rng.randint(1, 9)}"]
        (target / f"story-{number}.yaml").write_text(
            yaml.safe_dump(json.loads(json.dumps(value, default=str)), sort_keys=False)
        )
