"""All probes, by hand: a name that is not here is not there."""

from typing import Annotated

from pydantic import Field

from chaos.probes import http, pods_ready
from chaos.probes.base import Probe

PROBES: dict[str, Probe] = {
    "http": http,
    "pods-ready": pods_ready,
}

AnyProbe = Annotated[http.Http | pods_ready.PodsReady, Field(discriminator="kind")]
