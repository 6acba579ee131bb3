"""Several namespaces side by side, each with one run at a time: what takes seconds of waiting takes few of work."""

import itertools
import json
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from harness.ground import Ground


class Row(Protocol):
    """A result. `left_at_last` tells that its namespace cannot be used again."""

    left_at_last: list[str]

    @property
    def good(self) -> bool: ...

    def as_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=Row)
K = TypeVar("K")


@dataclass
class Lanes(Generic[K, R]):
    """`work(ground, key)` for many keys, `count` at a time."""

    server: str
    name: str
    work: Callable[[Any, K], R]
    count: int = 6
    ground: Callable[[str, str], Ground] = Ground  # server, namespace
    _free: "queue.Queue[Ground]" = field(default_factory=queue.Queue)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.count)
        for ground in self._pool.map(lambda _: self._new(), range(self.count)):
            self._free.put(ground)

    def _new(self) -> Ground:
        return self.ground(self.server, f"{self.name}-{next(self._numbers)}")

    def submit(self, key: K) -> "Future[R]":
        return self._pool.submit(self._one, key)

    def _one(self, key: K) -> R:
        ground = self._free.get()
        try:
            row = self.work(ground, key)
        except BaseException:
            self._free.put(self._instead_of(ground))
            raise
        self._free.put(self._instead_of(ground) if row.left_at_last else ground)
        return row

    def _instead_of(self, ground: Ground) -> Ground:
        ground.away()
        return self._new()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        while not self._free.empty():
            self._free.get().away()


def resume(
    lanes: "Lanes[K, R]", keys: Sequence[K], key_of: Callable[[dict[str, Any]], Any], log: Path
) -> Iterator[dict[str, Any]]:
    """Every key that the log does not hold yet; a result is in the log before the next one is waited for. All rows are given."""
    known = read(log)
    yield from known
    done = {key_of(row) for row in known}
    for future in [lanes.submit(key) for key in keys if key not in done]:
        row = future.result().as_json()
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        yield row


def read(log: Path) -> list[dict[str, Any]]:
    """The rows of a log; a last line that was cut off is left out."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
