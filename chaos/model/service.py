"""A business service: what a customer buys, who answers for it, and how much disruption of it is tolerable."""

from typing import Annotated, Literal

from pydantic import Field

from chaos.model.base import Id, Model, Name, Text
from chaos.model.tolerance import Tolerance


class Dependency(Model):
    """Something the business service cannot do without, or should be able to."""

    id: Id
    kind: Literal["vendor", "internal"]
    title: Text | None = None
    service: Name | None = None
    """The Kubernetes Service through which it is called; default: the dependency's id."""


class Cost(Model):
    """What an hour without this service costs, for the people who must choose what to mend first."""

    amount: Annotated[float, Field(gt=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Service(Model):
    """`format: service/v1`, one file a service in `scenarios/services/`."""

    format: Literal["service/v1"]
    id: Id
    title: Text
    team: Text
    owner: Text
    """Who answers for findings until somebody else takes them."""
    description: Text | None = None
    tolerances: Annotated[list[Tolerance], Field(min_length=1, max_length=50)]
    dependencies: list[Dependency] = []
    cost_per_hour: Cost | None = None
