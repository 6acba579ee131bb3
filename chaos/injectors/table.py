"""All faults, by hand: a name that is not here is not there."""

from typing import Annotated

from pydantic import Field

from chaos.injectors import pod_kill, witness
from chaos.injectors.base import Injector

INJECTORS: dict[str, Injector] = {
    "pod-kill": pod_kill,
}

FITTINGS: dict[str, Injector] = {
    "witness": witness,
}
"""Not for scenario files: what a run needs around its faults. Undone by the same ledger."""

AnyFault = Annotated[pod_kill.PodKill, Field(discriminator="kind")]
