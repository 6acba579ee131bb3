"""A change of the world that is planned: a fault of the story, or a fitting that the run needs; with what follows from it."""

from dataclasses import dataclass, field

from chaos.injectors.base import FaultState, Injector
from chaos.ledger import Entry
from chaos.model.dose import Dose
from chaos.model.undo import Call, DeleteOwn


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One change of the world, ready to be made: a fault of the story, or a fitting that it needs."""

    step: str
    kind: str
    module: Injector
    state: FaultState
    dose: Dose | None = None
    rivals: list[str] = field(default_factory=list)
    fitting: bool = False

    @property
    def arms(self) -> bool:
        """Whether something of it must be in place before load starts."""
        return self.fitting or hasattr(self.module, "arm")

    @property
    def calls(self) -> list[Call]:
        """Its undo as data."""
        return self.module.undo_calls(self.state)

    @property
    def only_makes(self) -> bool:
        """Whether it makes objects and changes none: then they may go by a deadline, for nothing else leads through them."""
        return all(isinstance(call, DeleteOwn) for call in self.calls)

    @property
    def nothing_stays(self) -> bool:
        """Whether there is nothing to put back: it is over at once, or goes with its owner."""
        return self.module.PRIVILEGE == "api" and not self.calls

    @property
    def dependency(self) -> str:
        """The Service or workload that it is felt at, for people and for evidence."""
        return dependency_of(self.state)

    @property
    def entry(self) -> Entry:
        """As the ledger keeps it."""
        return Entry(
            id=self.step,
            fault=self.kind,
            step=self.step,
            undo=self.module.undo_words(self.state),
            state=self.state.model_dump(mode="json"),
        )


def dependency_of(state: FaultState) -> str:
    """The Service or workload that a fault is felt at, for people and for evidence."""
    for key in ("service", "workload", "deployment", "name"):
        value = getattr(state, key, None)
        if isinstance(value, str) and value:
            return value
    selector = getattr(state, "selector", None)
    return str(next(iter(selector.values()), "")) if isinstance(selector, dict) else ""
