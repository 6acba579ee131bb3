"""All faults, by hand: a name that is not here is not there."""

from typing import Annotated

from chaos.injectors.base import FaultSpec
from chaos.injectors.by_kind import ByKind, Table

INJECTORS = Table(
    {
        "bad-image": "bad_image",
        "config-map": "config_map",
        "cpu-squeeze": "cpu_squeeze",
        "dns-failure": "dns_failure",
        "eviction": "eviction",
        "expired-certificate": "expired_certificate",
        "latency": "latency",
        "memory-squeeze": "memory_squeeze",
        "network-partition": "network_partition",
        "node-cordon": "node_cordon",
        "node-drain": "node_drain",
        "node-partition": "node_partition",
        "node-pause": "node_pause",
        "node-restart": "node_restart",
        "node-stop": "node_stop",
        "pod-kill": "pod_kill",
        "pod-latency": "pod_latency",
        "pod-loss": "pod_loss",
        "pod-partition": "pod_partition",
        "pod-reset": "pod_reset",
        "quota-exhaustion": "quota_exhaustion",
        "scale-to-zero": "scale_to_zero",
        "secret": "secret",
        "service-blackhole": "service_blackhole",
        "vendor-outage": "vendor_outage",
        "zone-outage": "zone_outage",
    }
)

FITTINGS = Table(
    {
        "guard": "guard",
        "idle-proxy": "idle_proxy",
        "load-workers": "load_workers",
        "witness": "witness",
    }
)
"""Not for scenario files: what a run needs around its faults. Undone by the same ledger."""

AnyFault = Annotated[FaultSpec, ByKind(INJECTORS)]
