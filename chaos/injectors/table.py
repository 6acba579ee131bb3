"""All faults, by hand: a name that is not here is not there."""

from typing import Annotated

from pydantic import Field

from chaos.injectors import pod_kill
from chaos.injectors.base import Injector

INJECTORS: dict[str, Injector] = {
    "pod-kill": pod_kill,
}

AnyFault = Annotated[pod_kill.PodKill, Field(discriminator="kind")]
