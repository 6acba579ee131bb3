"""Measures of what is there: transactions in the ledger, readings of a probe."""

from dataclasses import dataclass

from chaos.evaluation.measuring import MeasureBase, Measured, percent
from chaos.model.events import Event
from chaos.model.tolerance import LostTransactions


class TransactionsMeasure(MeasureBase):
    """What the ledger lacks, or holds wrongly."""

    def result(self) -> Measured:
        counted = self.scope.timeline.transactions
        if counted is None:
            return Measured(value=None, arithmetic="the ledger of the service was not read", missing="no-data")
        if counted.unreadable:
            words = f"the ledger of the service could not be read: {counted.unreadable}"
            return Measured(value=None, arithmetic=words, missing="ledger-unreadable")
        found = counted.lost if isinstance(self.tolerance, LostTransactions) else counted.wrong
        kept = f"{counted.acknowledged:,} acknowledged to customers, {counted.stored:,} in the ledger"
        more = f" ({counted.duplicated:,} duplicated, {counted.unacknowledged:,} never acknowledged)"
        lost = isinstance(self.tolerance, LostTransactions)
        words = f"{kept}: {found:,} lost" if lost else f"{kept}: {found:,} wrong{more if found else ''}"
        return Measured(
            value=float(found),
            n=counted.acknowledged,
            arithmetic=words,
            missing="" if counted.acknowledged else "too-few-samples",
        )


@dataclass
class ProbeMeasure(MeasureBase):
    """Share of a probe's readings that were as expected. Where we could not look, nothing is known, and nothing is judged."""

    good: int = 0
    unread: int = 0
    taken: int = 0
    last_bad: str = ""
    trouble: str = ""

    def sample(self, event: Event) -> None:
        payload = event.payload
        if payload.get("probe") != self.tolerance.probe or payload.get("step") or not self.scope.window.holds(event.mono):
            return
        if payload.get("unread"):
            self.unread += 1
            self.trouble = str(payload.get("detail", ""))
            return
        self.taken += 1
        self.good += bool(payload["ok"])
        if not payload["ok"]:
            self.last_bad = str(payload.get("detail", ""))

    def result(self) -> Measured:
        if not self.taken:
            why = f", {self.unread} times in vain: {self.trouble}" if self.unread else ""
            return Measured(value=None, arithmetic=f"the probe was not read in this window{why}", missing="no-data")
        share = self.good / self.taken
        words = f"{self.good} of {self.taken} readings as expected = {percent(share)}"
        words += f" ({self.unread} more could not be taken)" if self.unread else ""
        few = self.taken < min(3.0, self.scope.window.length / 3)
        return Measured(
            value=share,
            n=self.taken,
            arithmetic=words + (f"; the last that was not: {self.last_bad}" if self.last_bad else ""),
            missing="too-few-samples" if few else "",
        )
