"""What disruption budgets made of evictions, as the journal tells it: who was kept all the time, who left at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.model.events import Evictions


@dataclass(frozen=True)
class Asked:
    """Pods of one disruption budget, or of none, that one step asked to leave: right after the strike, and at its end."""

    struck: float
    told: Sequence[tuple[float, Evictions]]

    @property
    def first(self) -> Evictions:
        return self.told[0][1]

    @property
    def last(self) -> Evictions:
        return self.told[-1][1]

    @property
    def seconds(self) -> float:
        """For how long it is known what became of them."""
        return self.told[-1][0] - self.struck

    @property
    def held_off(self) -> bool:
        """Whether the budget declined every eviction, at the strike and still at the step's end. Told once is not enough."""
        return len(self.told) > 1 and all(each.refused and each.stayed == each.asked for _, each in self.told)

    @property
    def few_at_a_time(self) -> bool:
        """Whether the budget let some leave at once, and kept the others."""
        return bool(self.first.budget) and 0 < self.first.stayed < self.first.asked

    @property
    def whose(self) -> str:
        return " and ".join(self.first.workloads) or "pods"

    @property
    def services(self) -> list[str]:
        """The workloads by their bare names, by which Services mostly go, too."""
        return [each.partition("/")[2] for each in self.first.workloads]


def by_budget(told: Sequence[tuple[float, Evictions]], struck: dict[str, float]) -> list[Asked]:
    """One for each step and budget; `struck` says when each step's fault was struck."""
    found: dict[tuple[str, str, str], list[tuple[float, Evictions]]] = {}
    for moment, each in told:
        if each.step in struck:
            found.setdefault((each.step, each.namespace, each.budget), []).append((moment, each))
    return [Asked(struck[step], lines) for (step, _, _), lines in found.items()]
