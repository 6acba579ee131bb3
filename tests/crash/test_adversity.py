"""Other ways to lose a runner than SIGKILL: it is stalled, starved of memory, orphaned, cut off; nothing is left all the same."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.crashes import BOOKS
from harness.ground import FAULTS, Runner, until
from harness.traps import progress
from harness.wire import Hangup, Wire, pass_on

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))
MANY = range(10 if FULL else 1)
KIND = "scale-to-zero"
LONG = FAULTS[KIND].replace("800ms", "60s")
GUARD = ("--ttl", "8s")


@pytest.fixture
def runner(ground, tmp_path):
    found = Runner(ground, Wire(ground.server), tmp_path)
    yield found
    found.wire.rule = pass_on
    found.end()


def hold(runner, fault=LONG, *options):
    """The fault is in effect."""
    runner.start(fault, *options)
    assert until(lambda: progress(runner, KIND).applied or runner.process.poll() is not None, 40.0, 0.005)
    assert runner.process.poll() is None, runner.said()


def recovered(runner, *options):
    """What a colleague is told who puts back what may be left, and takes the books away."""
    code = runner.gameday("recover", *options).wait(60)
    assert code == 0, runner.said("recover")
    assert runner.ground.left(10.0) == []


# -- stalled -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", MANY)
def test_a_runner_that_wakes_after_its_lease_writes_nothing_more_and_tells_the_truth(runner, ground, turn):
    """SIGSTOP for longer than its time, or a lid that was closed: by then the guard has put everything back."""
    hold(runner, LONG, *GUARD)
    runner.process.send_signal(signal.SIGSTOP)
    assert ground.left(60.0, but=BOOKS) == [], "the guard did not put it back"
    asleep = time.monotonic()
    runner.process.send_signal(signal.SIGCONT)
    code = runner.process.wait(60)
    written = [f"{each.method} {each.path}" for each in runner.wire.mutations(asleep) if each.status < 400]
    assert written == []
    assert code == 3, runner.said()
    assert "guard" in runner.said()
    recovered(runner, "--cluster", "--on", "sandbox", "--kubeconfig", str(runner.folder / "kubeconfig"))


# -- starved of memory ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def memory_group(name):
    """A control group of its own, and the file that says how much memory it may have; skips where none can be made."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / name
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / limit).exists():
                break
            group.rmdir()
    else:
        pytest.skip("no control group with a memory limit can be made here: it takes root and a writable /sys/fs/cgroup")
    try:
        yield group, group / limit
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), 10.0)
        group.rmdir()


@pytest.mark.parametrize("turn", MANY)
def test_a_runner_that_the_kernel_kills_for_its_memory_leaves_nothing(runner, ground, turn):
    with memory_group(f"gameday-test-{os.getpid()}-{turn}") as (group, limit):
        hold(runner)
        (group / "cgroup.procs").write_text(str(runner.process.pid))
        limit.write_text(str(64 * 1024))  # more than it uses by now, and less than it will need next
        runner.process.send_signal(signal.SIGTERM)
        assert runner.process.wait(60) == -signal.SIGKILL, runner.said()
    assert ground.left(15.0) == []
    assert until(lambda: runner.survivors() == {} and runner.ledger is None, 10.0)


@pytest.mark.parametrize("turn", MANY)
def test_a_runner_that_gets_no_memory_any_more_leaves_nothing(runner, ground, turn):
    """Whatever it still can do then: what it cannot, its watchdog does."""
    hold(runner)
    size = int(Path(f"/proc/{runner.process.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    subprocess.run(["prlimit", f"--pid={runner.process.pid}", f"--as={size}"], check=True)
    runner.process.send_signal(signal.SIGTERM)
    code = runner.process.wait(60)
    assert code not in (0, 1), runner.said()
    assert ground.left(15.0) == []
    assert until(lambda: runner.survivors() == {} and runner.ledger is None, 10.0)


# -- orphaned ------------------------------------------------------------------------------------------------------------

_JOB = """
import os, subprocess, sys
job = subprocess.Popen([sys.executable, "-m", "chaos", *sys.argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(job.pid, flush=True)
for line in job.stdout:
    pass
sys.exit(job.wait())
"""


class InAJob(Runner):
    """The runner is the child of a CI job, which reads what it says."""

    def gameday(self, *arguments, cwd=None):
        if arguments[0] != "run":
            return super().gameday(*arguments, cwd=cwd)
        job = subprocess.Popen(
            [sys.executable, "-c", _JOB, *arguments],
            cwd=self.folder / "work",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = int(job.stdout.readline())
        return job

    def said(self, command="run"):
        return "(read by the job)" if command == "run" else super().said(command)

    def end(self):
        super().end()
        self.process.stdout.close()


@pytest.mark.parametrize("turn", MANY)
@pytest.mark.parametrize(
    ("whom", "number"),
    [("job", "SIGKILL"), ("group", "SIGKILL"), *([("group", "SIGTERM"), ("group", "SIGHUP")] if FULL else [])],
)
def test_a_ci_job_that_is_cancelled_leaves_nothing(ground, tmp_path, whom, number, turn):
    """The job alone dies, and the runner with nobody to read what it says goes on to its end; or all of its processes."""
    runner = InAJob(ground, Wire(ground.server), tmp_path)
    hold(runner, LONG if whom == "group" else FAULTS[KIND].replace("800ms", "3s"))
    {"job": os.kill, "group": os.killpg}[whom](runner.process.pid, getattr(signal, number))
    runner.process.wait(30)
    assert ground.left(20.0) == []
    assert until(lambda: runner.survivors() == {}, 20.0), runner.survivors()
    assert runner.ledger is None
    runner.end()


# -- cut off -------------------------------------------------------------------------------------------------------------


def _cut(_exchange):
    raise Hangup


@pytest.mark.parametrize("turn", MANY)
def test_a_runner_that_is_cut_off_for_good_says_what_to_do_and_the_guard_puts_back(runner, ground, turn):
    """Neither it nor its watchdog reaches the cluster any more."""
    hold(runner, LONG, *GUARD)
    runner.wire.rule = _cut
    runner.process.send_signal(signal.SIGTERM)
    assert ground.left(60.0, but=BOOKS) == [], "the guard did not put it back"
    code = runner.process.wait(120)
    assert code == 4, runner.said()
    run = runner.ledger.stem
    assert f"gameday recover {run}" in runner.said()
    assert "deployment/web" in runner.said(), "the commands that do it by hand"
    runner.wire.rule = pass_on
    recovered(runner)
    assert runner.ledger is None


# -- on and off ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not FULL, reason="takes minutes; a shorter one is in tests/trouble")
@pytest.mark.parametrize("seed", range(50 if FULL else 1))
def test_a_server_that_comes_and_goes_never_makes_a_run_say_clean_when_it_is_not(runner, ground, seed):
    """Away for 1 to 20 seconds, there for as long, from the first request to the last."""
    rng = random.Random(seed)
    edges, at = [], time.monotonic() + rng.uniform(1.0, 4.0)
    while len(edges) < 200:
        edges.append(at)
        at += rng.uniform(1.0, 20.0)

    def rule(exchange):
        away = sum(edge <= time.monotonic() for edge in edges) % 2
        if away:
            raise Hangup
        exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    runner.start(FAULTS[rng.choice([KIND, "latency", "config-map", "network-partition"])])
    code = runner.process.wait(200)
    left = ground.left(1.5 if code == 4 else 8.0)
    assert not left or code == 4, runner.said()
    runner.wire.rule = pass_on
    if code == 4 or left:
        recovered(runner)
    assert ground.left(10.0) == [], runner.said()
    assert until(lambda: runner.survivors() == {}, 20.0)
