"""What the runner tells its Locust child, through one environment variable: the child must not need the runner's libraries."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "GAMEDAY_LOAD"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything the listener needs. `rate` None = Locust's own users (closed model)."""

    rate: float | None = None
    spawn_rate: float = 100.0
    processes: int = 1
    request_timeout: float = 5.0
    degraded: dict[str, str] | None = None  # {"header": ...} or {"json": ...}
    seed: int = 0
    random_gaps: bool = False
    in_flight_cap: int = 2000
    fresh_connections_every: int = 10
    limit: float = 3600.0
    stream: int = -1  # the file descriptor that records go to
    folder: str = ""  # where the ids of transactions go to
    control: bool = False  # whether orders come on standard input, and its end means the end
    boot_id: str = ""
    clock_offset: float = 0.0  # the runner's wall clock minus its monotonic clock

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> "Setting":
        return cls(**json.loads(os.environ[VARIABLE]))

    def clock_shift(self) -> float:
        """What to add to this machine's monotonic clock to get the runner's; 0 on the same machine, where they are one."""
        if not self.boot_id or self.boot_id == boot_id():
            return 0.0
        return clock_offset() - self.clock_offset


def boot_id() -> str:
    """Names this boot of this machine: who shares it shares the monotonic clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def clock_offset() -> float:
    return time.time() - time.monotonic()
