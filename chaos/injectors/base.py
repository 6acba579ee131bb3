"""What a fault is: one module with a spec, a state, and the functions of `Injector`.

    prepare   reads only; resolves and freezes the targets; what it returns is all that undoing will ever need
    announce  (where others must know it, or nothing may come before it) makes it, without waiting for it
    arm       (where there is something to put in the path before load) creates it, idle
    start     strikes
    dose      only says which readings to expect; the engine has `probes/` take them
    stop      undoes the strike: repeatable, and safe without `start`
    disarm    (with `arm`) takes out of the path what `arm` put there: repeatable, and safe without `arm`
    undo_calls  the undo as data (`chaos.model.undo`), which the guard in the cluster carries out when nobody else is left
    verify    an independent read: what is not back yet, in words; empty = clean

A module may also say, where it has something to say:

    settle    (state) -> seconds that `verify` may take until it reads clean
    lands     (state) -> seconds after which a request whose answer nobody got cannot take effect any more; 2.5 by default
    bypassed  (state, world) -> why a strike would miss those who call, in words
    claims    (state) -> what no other fault may change while this one holds, beyond what its undo puts back
    traffic   (state, world) -> counters of what passes where the fault is, as evidence for causes

The engine writes the state to the ledger between `prepare` and the first change. Only the engine writes try/finally.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chaos.clients.world import World
from chaos.model.base import Model, Record
from chaos.model.caps import Caps
from chaos.model.dose import Dose
from chaos.model.run import Permission
from chaos.model.target import Target
from chaos.model.undo import Call
from chaos.model.units import Duration

Privilege = Literal["api", "net-admin", "docker"]
"""api: Kubernetes verbs only. net-admin: an ephemeral container with NET_ADMIN (opt-in). docker: the Docker socket (opt-in)."""


class FaultSpec(Model):
    """What a scenario says about a fault. `kind` names the module."""

    kind: str
    duration: Duration = 0.0
    """How long the fault holds before it is undone; not for faults that are over at once."""


class FaultState(Record):
    """What `prepare` found out: JSON, in the ledger before the first change, all that `stop` and `verify` need."""

    namespace: str
    run: str
    step: str
    targets: list[Target] = []


@dataclass(frozen=True, kw_only=True)
class Aim:
    """Where a fault is aimed at."""

    world: World
    namespace: str
    run: str  # run id: stamped on every object we make
    step: str
    rng: random.Random  # seeded: the same seed chooses the same targets
    caps: Caps
    images: Mapping[str, str] = field(default_factory=dict)  # toxiproxy, python


class Injector(Protocol):
    """A fault's module. Attributes are properties so that a module satisfies it under mypy --strict."""

    @property
    def Spec(self) -> type[FaultSpec]: ...  # noqa: N802

    @property
    def State(self) -> type[FaultState]: ...  # noqa: N802

    @property
    def PRIVILEGE(self) -> Privilege: ...  # noqa: N802

    @property
    def prepare(self) -> Callable[[Any, Aim], Any]: ...

    @property
    def permissions(self) -> Callable[[Any], list[Permission]]:
        """(state) -> every right needed to inject and to undo."""

    @property
    def undo_words(self) -> Callable[[Any], str]:
        """(state) -> what will be put back, and how, in one sentence."""

    @property
    def undo_calls(self) -> Callable[[Any], list[Call]]:
        """(state) -> the undo as data, for the guard inside the cluster; [] where it takes more than requests to the API."""

    @property
    def start(self) -> Callable[[Any, World], None]: ...

    @property
    def stop(self) -> Callable[[Any, World], None]: ...

    @property
    def verify(self) -> Callable[[Any, World], list[str]]: ...

    @property
    def dose(self) -> Callable[[Any], Dose]: ...


LANDS_WITHIN = 2.5


def lands_within(module: Injector, state: FaultState) -> float:
    """Seconds after which a strike whose answer nobody got cannot take effect any more."""
    lands = getattr(module, "lands", None)
    return float(lands(state)) if lands else LANDS_WITHIN


LABEL_RUN = "gameday.dev/run"
"""On every object that we make; its value is the run id."""
LABEL_STEP = "gameday.dev/step"
LABEL_UNDO = "gameday.dev/undo"
"""On what must outlive us until all is clean, for it holds what was there before: `gameday.dev/undo=true`."""
LABEL_TARGET = "gameday.dev/opt-in"
"""On namespaces that may be struck: `gameday.dev/opt-in=true`."""
OWN_LABEL = {"app.kubernetes.io/managed-by": "gameday"}


def own_labels(state: FaultState) -> dict[str, str]:
    """The labels by which anybody finds what this fault made."""
    return {**OWN_LABEL, LABEL_RUN: state.run, LABEL_STEP: state.step}
