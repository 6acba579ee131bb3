"""A sandbox of our own, or a kind cluster, with the shop on it; and the command line as a user has it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import chaos

ROOT = Path(chaos.__file__).parents[1]
BUSY = ("baseline-unhealthy", "generator-saturated", "generator-lost", "no-data", "too-few-samples")
"""Reasons for an inconclusive run that speak of this machine, not of the shop: such a run is repeated, once."""


@dataclass(frozen=True)
class Ran:
    """One run, as its directory tells it."""

    exit_code: int
    verdict: dict
    findings: list
    said: str

    @property
    def breached(self):
        return {row["tolerance"] for row in self.verdict["rows"] if row["outcome"] == "breached"}

    @property
    def causes(self):
        return {each["cause"]["code"] for each in self.findings if each["kind"] == "save" and each.get("cause")}

    def __str__(self):
        rows = [f"{row['outcome']} {row['tolerance']}: {row['arithmetic']} {row['reason']}" for row in self.verdict["rows"]]
        causes = [json.dumps(each["cause"], indent=1) for each in self.findings if each["kind"] == "save"]
        return "\n".join([self.said, *rows, *causes])


@dataclass
class Arena:
    """The shop, weak or fixed, and what runs against it."""

    folder: Path
    on: str = "sandbox"
    up: tuple[str, ...] = ("sandbox", "up")
    weak: frozenset[str] | None = None
    _runs: int = field(default=0)

    def gameday(self, *arguments, within=180):
        env = {**os.environ, "GAMEDAY_STATE": str(self.folder / "state"), "NO_COLOR": "1"}
        command = [sys.executable, "-m", "chaos", *arguments]
        return subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, timeout=within, check=False)

    def make(self, *weak):
        """Bring the shop up with these weaknesses, if it is another one now."""
        if self.weak != frozenset(weak):
            self.weak = None
            done = self.gameday(*self.up, *(f"--weak={code}" for code in weak), within=300)
            assert done.returncode == 0, done.stdout + done.stderr
            self.weak = frozenset(weak)

    def run(self, scenario):
        ran = self._run(scenario)
        return self._run(scenario) if ran.verdict["outcome"] == "inconclusive" and ran.verdict["reason"] in BUSY else ran

    def _run(self, scenario):
        self._runs += 1
        reports = self.folder / f"run-{self._runs}"
        path = str(ROOT / "scenarios" / f"{scenario}.yaml")
        done = self.gameday("run", path, f"--on={self.on}", "--seed=1", f"--reports={reports}")
        said = f"{done.stdout}{done.stderr}\nexit code {done.returncode}"
        assert (reports / "latest" / "verdict.json").exists(), said
        verdict, findings = (json.loads((reports / "latest" / name).read_text()) for name in ("verdict.json", "findings.json"))
        return Ran(done.returncode, verdict, findings, said)


@pytest.fixture(scope="session")
def arena(tmp_path_factory):
    made = Arena(tmp_path_factory.mktemp("arena"))
    yield made
    made.gameday("sandbox", "down")


@pytest.fixture(scope="session")
def arena_on_kind(tmp_path_factory):
    """The shop on the kind cluster that the tests may strike; it stays there for whoever comes next."""
    name = os.environ.get("GAMEDAY_TEST_KIND", "gameday")
    return Arena(tmp_path_factory.mktemp("arena-on-kind"), on=f"kind-{name}", up=("cluster", "up", "--name", name))
