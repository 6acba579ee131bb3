"""A runner that is killed, or told to stop, leaves nothing behind."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from chaos.clock import RealClock, wait_until
from chaos.ledger import read

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
FULL = bool(os.environ.get("GAMEDAY_CRASH_FULL"))
SCENARIOS = Path(__file__).parents[2] / "scenarios"
CLOCK = RealClock()


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """The payment provider goes dark; with customers who wait for a machine that others use, since it must be struck at all."""
    folder = shutil.copytree(SCENARIOS, tmp_path_factory.mktemp("project") / "scenarios")
    service = folder / "services" / "checkout.yaml"
    patient = service.read_text().replace("at_most: 1s", "at_most: 30s").replace("at_most: 3s", "at_most: 30s")
    service.write_text(patient)
    return folder / "payments-dark-on-the-busiest-day.yaml"


def traces(cluster):
    """All that a run could leave in the namespace."""
    found = [
        f"{kind}/{obj['metadata']['name']}"
        for kind in ("Pod", "Service", "ConfigMap")
        for obj in cluster.find(kind, "shop", labels="app.kubernetes.io/managed-by=gameday")
        if "deletionTimestamp" not in obj["metadata"]  # a pod takes its time to end, as on any cluster
    ]
    selector = cluster.get("Service", "payments", "shop")["spec"]["selector"]
    return found + ([] if selector == {"app": "payments"} else [f"payments selects {selector}"])


def struck(state):
    """The ledger of the run under way, once its fault is in effect."""
    for path in (state / "ledgers").glob("*.ledger"):
        contents = read(path)
        if contents and any(entry.edge == "applied" for entry in contents.entries):
            return contents
    return None


def await_strike(state, runner):
    """The ledger once the fault is in effect; a runner that ends before that tells why."""
    found = []

    def is_struck():
        found[:] = [contents] if (contents := struck(state)) else []
        return bool(found) or runner.poll() is not None

    assert wait_until(is_struck, clock=CLOCK, within=60.0)
    assert found, runner.communicate()[0]
    return found[0]


def processes(text):
    """Pids of live processes whose command line holds `text`."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in line:
            pids.append(int(folder.name))
    return pids


def runs(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_sigkill_in_mid_fault_is_put_back_by_the_watchdog(scenario, gameday, shop, state, tmp_path):
    runner = gameday("run", scenario, "--on", "sandbox", "--reports", tmp_path / "reports")
    contents = await_strike(state, runner)
    assert traces(shop)
    runner.kill()
    assert wait_until(lambda: not traces(shop), clock=CLOCK, within=10.0), traces(shop)
    assert wait_until(lambda: not contents.path.exists(), clock=CLOCK, within=5.0)
    assert wait_until(lambda: not runs(contents.load.load_pid), clock=CLOCK, within=5.0), "load outlived the run"


def test_with_the_watchdog_killed_too_recover_puts_it_back_from_another_folder(scenario, gameday, shop, state, tmp_path):
    runner = gameday("run", scenario, "--on", "sandbox", "--reports", tmp_path / "reports")
    contents = await_strike(state, runner)
    for pid in processes(f"chaos.engine.watchdog {contents.path}"):
        os.kill(pid, signal.SIGKILL)
    runner.kill()
    runner.wait()
    assert traces(shop), "nobody is there to put it back"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused = gameday("run", scenario, "--on", "sandbox", cwd=elsewhere)
    assert refused.wait(timeout=30) == 5, "a run must refuse to start on what another left behind"
    recovery = gameday("recover", cwd=elsewhere)
    output, _ = recovery.communicate(timeout=60)
    assert recovery.returncode == 0, output
    assert traces(shop) == []
    assert not contents.path.exists()
    assert gameday("recover", cwd=elsewhere).wait(timeout=30) == 0, "a second time there is nothing to do"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *([signal.SIGTERM, signal.SIGHUP] if FULL else [])], ids=lambda number: number.name
)
def test_a_signal_undoes_and_verifies_before_the_run_ends(number, scenario, gameday, shop, state, tmp_path):
    runner = gameday("run", scenario, "--on", "sandbox", "--reports", tmp_path / "reports")
    contents = await_strike(state, runner)
    runner.send_signal(number)
    runner.send_signal(signal.SIGTERM)  # a second one changes nothing
    output, _ = runner.communicate(timeout=60)
    assert traces(shop) == [], output
    assert runner.returncode in (1, 3), output
    assert struck(state) is None
    assert not runs(contents.load.load_pid), "load outlived the run"


def kill_host(runner, ledger):
    """The machine of the run is gone: runner, watchdog and load, all at once."""
    load = read(ledger).load
    for pid in processes(f"chaos.engine.watchdog {ledger}"):
        os.kill(pid, signal.SIGKILL)
    runner.kill()
    runner.wait()
    if load and runs(load.load_pid):
        os.killpg(load.load_pid, signal.SIGKILL)


def test_with_its_machine_gone_the_guard_in_the_cluster_puts_it_back(scenario, gameday, shop, state, tmp_path):
    runner = gameday("run", scenario, "--on", "sandbox", "--ttl", "5s", "--reports", tmp_path / "reports")
    contents = await_strike(state, runner)
    kill_host(runner, contents.path)
    gone = CLOCK.now()
    assert traces(shop), "nobody is there to put it back yet"
    assert wait_until(lambda: put_back(shop), clock=CLOCK, within=20.0), traces(shop)
    assert CLOCK.now() - gone <= 5.0 + 5.0, "time to live, and 5 s"
    assert gameday("run", scenario, "--on", "sandbox", cwd=tmp_path).wait(timeout=30) == 5, "its ledger is still there"
    recovery = gameday("recover", "--cluster", "--on", "sandbox", cwd=tmp_path)  # any colleague, from any machine
    output, _ = recovery.communicate(timeout=60)
    assert recovery.returncode == 0, output
    assert "vendor-outage" in output
    assert "clean" in output
    assert traces(shop) == []
    assert gameday("recover", cwd=tmp_path).wait(timeout=30) == 0, "and this machine, when it is back, finds nothing to do"
    assert not contents.path.exists()


def put_back(cluster):
    """Whether nothing of a run is left but the ledger in which the guard says what it did."""
    return all(trace.startswith("ConfigMap/gameday-ledger") for trace in traces(cluster))


@pytest.mark.skipif(not FULL, reason="without load it is in tests/crash")
def test_a_runner_that_was_stalled_finds_the_guard_done_and_writes_nothing_more(scenario, gameday, shop, state, tmp_path):
    runner = gameday("run", scenario, "--on", "sandbox", "--ttl", "5s", "--reports", tmp_path / "reports")
    contents = await_strike(state, runner)
    runner.send_signal(signal.SIGSTOP)
    assert wait_until(lambda: put_back(shop), clock=CLOCK, within=20.0), traces(shop)
    runner.send_signal(signal.SIGCONT)
    output, _ = runner.communicate(timeout=90)
    assert runner.returncode == 3, output  # stopped, and read back as clean: no verdict, and no left-over
    assert "the guard has taken over" in output
    assert put_back(shop), "nothing was struck anew"
    assert not contents.path.exists()
    assert gameday("recover", "--cluster", "--on", "sandbox", cwd=tmp_path).wait(timeout=30) == 0
    assert traces(shop) == []


def test_of_two_runs_in_one_namespace_the_second_is_refused_with_the_facts(scenario, gameday, shop, state, tmp_path):
    first = gameday("run", scenario, "--on", "sandbox", "--reports", tmp_path / "reports")
    await_strike(state, first)
    (tmp_path / "state").mkdir()  # another person, who reaches the same cluster
    (tmp_path / "state" / "sandbox").symlink_to(state / "sandbox")
    elsewhere = gameday("run", scenario, "--on", "sandbox", "--reports", tmp_path / "other", own_state=tmp_path / "state")
    output, _ = elsewhere.communicate(timeout=60)
    assert elsewhere.returncode == 5, output
    assert "is at work" in output
    assert "last sign of life" in output
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=60)
    assert first.returncode in (1, 3), output
    assert traces(shop) == []
