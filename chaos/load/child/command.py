"""How Locust is started, wherever it runs: the same words for a child on this machine and for a pod. Standard library only."""

import sys
from pathlib import Path

LISTENER = Path(__file__).parent / "listener.py"
MASTER_PORT = 5557


def locust(locustfile: Path, host: str, *, users: int, spawn_rate: float, limit: float) -> list[str]:
    """The command of a lone Locust; what makes it a master or a worker is added."""
    command = [sys.executable, "-m", "locust", "-f", f"{locustfile},{LISTENER}", "--host", host]
    command += ["--headless", "--only-summary", "--loglevel", "WARNING", "--exit-code-on-error", "0"]
    return [*command, "-u", str(users), "-r", f"{spawn_rate:g}", "-t", f"{max(1, round(limit))}s"]


def as_master(workers: int, address: str) -> list[str]:
    """Begins when all workers have come."""
    return ["--master", "--master-bind-host", address, "--expect-workers", str(workers), "--expect-workers-max-wait", "60"]


def as_worker(master: str) -> list[str]:
    return ["--worker", "--master-host", master]
