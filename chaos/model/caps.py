"""Blast radius: caps with safe defaults, each raised one by one, in the file, with a reason."""

from typing import Annotated

from pydantic import Field

from chaos.model.base import Model, Text
from chaos.model.units import Percent


class RaisedShare(Model):
    """A raised share, and why."""

    value: Percent
    because: Text


class RaisedCount(Model):
    """A raised count, and why."""

    value: Annotated[int, Field(ge=1)]
    because: Text


class Allowed(Model):
    """Something that is off by default, and why it is on here."""

    because: Text


class Caps(Model):
    """What a scenario may touch at most. Everything not raised keeps its default."""

    workload_share: RaisedShare | None = None
    """At most this share of a workload's pods at once; default 50%."""
    nodes: RaisedCount | None = None
    """At most this many nodes at once; default 1."""
    last_replica: Allowed | None = None
    """Whether the last ready replica of a workload may be struck; default no."""
    net_admin: Allowed | None = None
    """Whether ephemeral containers with NET_ADMIN may be used; default no."""
    docker: Allowed | None = None
    """Whether the Docker socket may be used on kind nodes; default no."""
    control_plane: Allowed | None = None
    """Whether nodes of the control plane may be struck through the Docker socket; default no."""

    @property
    def max_share(self) -> float:
        return self.workload_share.value if self.workload_share else 0.5

    @property
    def max_nodes(self) -> int:
        return self.nodes.value if self.nodes else 1
