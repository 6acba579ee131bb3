"""What one service of the shop is told by its environment and by the ConfigMap that is mounted into it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIG_DIR = "/etc/shop"
TLS_DIR = "/etc/payments-tls"
CREDENTIALS_DIR = "/etc/payments-credentials"

SWITCHES = (
    "no-timeout",
    "no-retry-budget",
    "retry-storm",
    "no-circuit-breaker",
    "cache-stampede",
    "no-fallback",
    "ack-before-stored",
    "no-idempotency-key",
)
"""Weaknesses that the services read from the ConfigMap; the others are in the manifests themselves (`deploy.WEAKNESSES`)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One service's settings, read once at its start."""

    role: str
    weak: frozenset[str] = frozenset()
    urls: Mapping[str, str] = field(default_factory=dict)
    """Dependency -> its URL (`INVENTORY_URL` and so on)."""
    host: str = "0.0.0.0"  # noqa: S104 a pod listens on its own address
    port: int = 8080
    source: str = ""
    """The address that outgoing connections come from, so that network policies can tell pods apart."""
    root: Path = Path("/")
    tls_name: str = ""
    start_delay: float = 1.0
    quota: float = 0.0
    """Charges a second that the payment vendor grants by contract; 0 = no limit."""

    def path(self, inside: str) -> Path:
        """A mounted file; the sandbox mounts below a folder of the pod's own."""
        return self.root / inside.lstrip("/")


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; a missing ConfigMap means no weakness, a wrong word in it is an error."""
    root = Path(environ.get("POD_ROOT", "") or "/")
    pod_ip = environ.get("POD_IP", "")
    return Settings(
        role=environ.get("SHOP_ROLE", ""),
        weak=_switched_on(root / CONFIG_DIR.lstrip("/")),
        urls={key[: -len("_URL")].lower(): url for key, url in environ.items() if key.endswith("_URL")},
        host=pod_ip or "0.0.0.0",  # noqa: S104
        port=int(environ.get("PORT", "8080")),
        source=pod_ip,
        root=root,
        tls_name=environ.get("PAYMENTS_TLS_NAME", ""),
        start_delay=float(environ.get("START_DELAY", "1.0")),
        quota=float(environ.get("QUOTA_PER_SECOND", "0")),
    )


def _switched_on(folder: Path) -> frozenset[str]:
    found = set()
    for code in SWITCHES:
        file = folder / code
        word = file.read_text().strip() if file.is_file() else "off"
        if word not in ("on", "off"):
            raise ValueError(f"{file.name} in the configuration is {word!r}, expected on or off")
        if word == "on":
            found.add(code)
    return frozenset(found)
