"""All of it: `python tests/crash/full.py` (make test-crash-full). What is done is kept in build/crash; another run goes on."""

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from harness import api_faults, cluster_matrix, table
from harness.cluster import Cluster
from harness.cluster_matrix import ClusterMatrix
from harness.ground import ROOT, Ground
from harness.lanes import Lanes, read, resume
from harness.matrix import Matrix, keys

from chaos.sandbox import control

HERE = Path(__file__).parent
UNDONE = {"pod-kill": 1, "latency": 2, "scale-to-zero": 1}
SUITES = (
    "test_adversity.py",
    "test_late_landing.py",
    "test_rot.py",
    "test_disk.py",
    "test_aim.py",
    "test_signals.py",
    "test_secrets.py",
    "test_wild_files.py",
)


def matrix(folder: Path, server: str, lanes: int, repeats: int) -> None:
    running = Matrix(folder / "runs").lanes(server, lanes)
    log = folder / "matrix.jsonl"
    for number, row in enumerate(resume(running, keys(repeats), lambda r: (r["point"], r["kind"], r["repeat"]), log), start=1):
        _say(f"{number} {row['point']} {row['kind']} {row['layer']}: {_words(row)} after {row['seconds']} s")
    running.close()


def _words(row: dict[str, Any]) -> str:
    return "MISSED ITS POINT" if not row["sprung"] else "LEFT SOMETHING" if any(row[key] for key in table.LEFT) else "clean"


def cluster(folder: Path, repeats: int) -> None:
    """On the cluster that KUBECONFIG names, in a namespace of its own; its nodes too, where they are containers of this machine."""
    if not os.environ.get("KUBECONFIG"):
        _say("NOT RUN: the matrix on a real cluster, for KUBECONFIG names none")
        return
    real = Cluster(Path(os.environ["KUBECONFIG"]))
    log, running = folder / "cluster.jsonl", None
    try:
        if not real.docker:
            _say("NOT RUN: node-stop, for the cluster's nodes are no containers of this machine")
        running = ClusterMatrix(real, folder / "runs").lanes()
        todo = cluster_matrix.keys(real.kinds, repeats)
        for number, row in enumerate(
            resume(running, todo, lambda r: (r["point"], r["kind"], r["layer"], r["repeat"]), log), start=1
        ):
            _say(f"{number} {row['point']} {row['kind']} {row['layer']}: {_words(row)} after {row['seconds']} s")
        (folder / "cluster.json").write_text(json.dumps({"cluster": real.words}))
    finally:
        if running:
            running.close()
        real.close()


def api(folder: Path, server: str, lanes: int) -> None:
    def work(ground: Ground, cell: tuple[str, str, str]) -> api_faults.Trouble:
        for_good = api_faults.cells().index(cell) % 2 == 1  # half for a while, half for as long as the phase lasts
        return api_faults.meet(ground, folder / "runs" / "-".join(cell), cell, undone=UNDONE, for_good=for_good)

    running = Lanes(server, "api", work, lanes)
    for row in resume(running, api_faults.cells(), lambda r: (r["verb"], r["phase"], r["way"]), folder / "api.jsonl"):
        false = bool(row["left"]) and row["code"] != 4
        _say(f"{row['verb']} {row['phase']} {row['way']}: exit {row['code']}{' FALSE CLEAN' if false else ''}")
    running.close()


def suite(folder: Path, name: str) -> None:
    """One file of tests in full length; its counts in the log."""
    report = folder / f"{name}.xml"
    env = os.environ | {"GAMEDAY_CRASH_FULL": "1", "GAMEDAY_FUZZ": os.environ.get("GAMEDAY_FUZZ", "1000000")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "crash",
        "--timeout",
        "14400",
        f"--junitxml={report}",
        str(HERE / name),
    ]
    subprocess.run(command, env=env, check=False)
    found = ET.parse(report).getroot().find("testsuite")
    assert found is not None
    failed = int(found.get("failures", 0)) + int(found.get("errors", 0))
    row = {
        "name": name.removeprefix("test_").removesuffix(".py"),
        "passed": int(found.get("tests", 0)) - failed,
        "failed": failed,
    }
    with (folder / "suites.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _revision() -> str:
    answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def _about(folder: Path, repeats: int) -> dict[str, str]:
    real = folder / "cluster.json"
    return {
        "made by": f"`make test-crash-full` ({repeats} repeats of each cell on the sandbox); every number comes from its logs",
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "revision": _revision(),
        "machine": f"{os.cpu_count()} cores, Python {sys.version.split()[0]}",
        **(json.loads(real.read_text()) if real.exists() else {}),
    }


def on_sandbox(folder: Path, wanted: list[str], options: argparse.Namespace) -> None:
    sandbox = control.up(folder / "sandbox", die_with_parent=True)
    try:
        if "matrix" in wanted:
            matrix(folder, sandbox.server, options.lanes, options.repeats)
        if "api" in wanted:
            api(folder, sandbox.server, options.lanes)
    finally:
        control.down(folder / "sandbox")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--cluster-repeats", type=int, default=1, help="of each cell on the real cluster that KUBECONFIG names")
    parser.add_argument("--lanes", type=int, default=6)
    parser.add_argument("--folder", type=Path, default=Path("build/crash"))
    parser.add_argument("--only", default="matrix,cluster,api,suites", help="of matrix, cluster, api, suites")
    options = parser.parse_args()
    folder, wanted = options.folder.resolve(), options.only.split(",")
    folder.mkdir(parents=True, exist_ok=True)
    if {"matrix", "api"} & set(wanted):
        on_sandbox(folder, wanted, options)
    if "cluster" in wanted:
        cluster(folder, options.cluster_repeats)
    done = {row["name"] for row in read(folder / "suites.jsonl")}
    for name in SUITES if "suites" in wanted else ():
        if name.removeprefix("test_").removesuffix(".py") not in done:
            suite(folder, name)
    rows: dict[str, list[dict[str, Any]]] = {name: read(folder / f"{name}.jsonl") for name in table.PARTS}
    (HERE / "RESULTS.md").write_text(table.write(rows, _about(folder, options.repeats)))
    (folder / "results.json").write_text(json.dumps(rows, indent=1))
    bad = [row for name in ("matrix", "cluster") for row in rows[name] if any(row[key] for key in table.LEFT)]
    bad += [row for row in rows["api"] if row["left_at_last"] or (row["left"] and row["code"] != 4) or row["code"] is None]
    bad += [row for row in rows["suites"] if row["failed"]]
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
