"""All faults, by hand: a name that is not here is not there."""

from typing import Annotated

from pydantic import Field

from chaos.injectors import idle_proxy, latency, pod_kill, scale_to_zero, vendor_outage, witness
from chaos.injectors.base import Injector

INJECTORS: dict[str, Injector] = {
    "latency": latency,
    "pod-kill": pod_kill,
    "scale-to-zero": scale_to_zero,
    "vendor-outage": vendor_outage,
}

FITTINGS: dict[str, Injector] = {
    "idle-proxy": idle_proxy,
    "witness": witness,
}
"""Not for scenario files: what a run needs around its faults. Undone by the same ledger."""

AnyFault = Annotated[
    latency.Latency | pod_kill.PodKill | scale_to_zero.ScaleToZero | vendor_outage.VendorOutage, Field(discriminator="kind")
]
