"""The load of a run: one Locust child, whose records go straight into the journal."""

from pathlib import Path
from typing import Any

from chaos.engine.recorder import Recorder
from chaos.errors import BadInput
from chaos.ledger import Ledger
from chaos.load.locust import LoadProcess
from chaos.load.spec import LoadSpec, Remote, setting_of, users_of
from chaos.model.base import Record
from chaos.scenario import Load, Surge
from chaos.story import Story

_SPARE = 120.0
"""Seconds that the child may live beyond the phases (undo, verify) before it ends itself: load is a fault too."""


_FAR = 8.0
"""Seconds that the end may take longer where the load is made on the cluster."""


_BEGIN_WITHIN = 20.0
"""Seconds that Locust may take to import the locustfile and to begin."""


class Generator:
    """Starts, changes and ends the load. Without a load in the story every call does nothing."""

    def __init__(self, load: Load | None, process: LoadProcess | None) -> None:
        self._load = load
        self._process = process

    @classmethod
    def start(
        cls, story: Story, spec: LoadSpec | None, *, folder: Path, recorder: Recorder, ledger: Ledger | None
    ) -> "Generator":
        if spec is None:
            return cls(None, None)

        def on_record(record: Record) -> None:
            recorder.tell(record, source="load")

        process = LoadProcess.start(spec, folder=folder, on_record=on_record)
        try:
            if ledger:
                ledger.load(process.pid, process.start_time)
            process.wait_started(_BEGIN_WITHIN if spec.remote is None else 2 * _BEGIN_WITHIN)
        except BaseException:
            process.stop(1.0)
            raise
        return cls(story.load, process)

    @property
    def ended_early(self) -> str:
        """Why the generator is gone although the run goes on; "" = it is at work, or there is none."""
        return "" if self._process is None or self._process.alive else self._process.tail() or "the load generator ended"

    def surge(self, surge: Surge) -> None:
        self._change(surge.rate, surge.users)

    def calm(self) -> None:
        """Back to the load that the story began with."""
        if self._load:
            self._change(self._load.rate, self._load.users)

    def _change(self, rate: float | None, users: int | None) -> None:
        if self._process is None:
            return
        if rate is not None:
            self._process.set_rate(rate)
        elif users is not None:
            self._process.set_users(users)

    def stop(self) -> None:
        """End the load; requests that are still open become failures. Safe to call again."""
        if self._process is not None:
            timeout = self._load.request_timeout if self._load else 5.0
            self._process.stop(timeout + (3.0 if self._process.spec.remote is None else _FAR))


def spec_of(story: Story, *, host: str, seconds: float, seed: int, remote: Remote | None = None) -> LoadSpec | None:
    """What load to make in all, where the story has one; `seconds` are those of its phases."""
    load = story.load
    if load is None or story.locustfile is None:
        return None
    degraded = load.degraded_when
    return LoadSpec(
        remote=remote,
        locustfile=story.locustfile,
        host=host,
        rate=load.rate,
        users=load.users,
        spawn_rate=load.spawn_rate,
        processes=load.workers or load.processes,
        request_timeout=load.request_timeout,
        degraded_header=degraded.header if degraded else None,
        degraded_json=degraded.json_field if degraded else None,
        limit=seconds + _SPARE,
        seed=seed,
    )


def on_the_cluster(story: Story, *, seconds: float, seed: int, image: str) -> dict[str, Any]:
    """What the fitting `load-workers` needs to know: the same load, entering by the Service's name inside the cluster."""
    assert story.load is not None
    assert story.locustfile is not None
    assert story.load.workers is not None
    target = story.load.target
    if target is None:
        raise BadInput("load.workers needs load.target: inside the cluster, customers enter by a Service")
    spec = spec_of(story, host=f"http://{target.service}:{target.port}", seconds=seconds, seed=seed)
    assert spec is not None
    beside = {Path(name).name: content.decode() for name, content in story.files.items() if name.endswith(".py")}
    posting = {
        "locustfile": story.locustfile.name,
        "host": spec.host,
        "users": users_of(spec),
        "spawn_rate": spec.spawn_rate,
    }
    return {
        "image": image,
        "workers": story.load.workers,
        "setting": setting_of(spec).dumps(),
        "posting": posting,
        "files": beside,
        "limit": spec.limit,
    }
