"""What every fault on some pods of a selector says: how many of them; and the seeded choice, within the caps."""

import random
from typing import Annotated, Self

from pydantic import Field, model_validator

from chaos.clients.world import Obj
from chaos.injectors.base import FaultSpec
from chaos.injectors.targets import choose, how_many
from chaos.model.base import Labels
from chaos.model.units import Percent


class ChosenPodsSpec(FaultSpec):
    """Some of the pods of a selector."""

    selector: Labels
    count: Annotated[int | None, Field(ge=1)] = None
    percent: Percent | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.count is None) == (self.percent is None):
            raise ValueError("give either count or percent")
        return self


def chosen_of(pods: list[Obj], spec: ChosenPodsSpec, rng: random.Random) -> list[Obj]:
    """As many of the pods as the file says; the same seed, pods and number give the same choice."""
    return choose(pods, how_many(len(pods), count=spec.count, percent=spec.percent), rng)
