"""After recovery: what the business service says it has kept, against what customers were promised."""

import json
from pathlib import Path
from typing import Any

from chaos.clients import web
from chaos.clock import Clock, wait_until
from chaos.errors import NotReady
from chaos.load import transactions
from chaos.model.events import TransactionCount
from chaos.scenario import TransactionLedger

ACKNOWLEDGED, ATTEMPTED = "acknowledged.jsonl", "attempted.jsonl"


def tally(ledger: TransactionLedger, *, base_url: str, folder: Path, clock: Clock) -> TransactionCount:
    """Compare both; what is missing may still arrive within `ledger.within`. Unreadable is said, never guessed."""
    acknowledged, attempted = (list(transactions.read(folder / name)) for name in (ACKNOWLEDGED, ATTEMPTED))
    count = TransactionCount(acknowledged=len(acknowledged), stored=0, lost=0, wrong=0, unreadable="not read yet")

    def settled() -> bool:
        nonlocal count
        try:
            stored = _stored(base_url.rstrip("/") + ledger.url)
        except (NotReady, ValueError) as error:
            count = count.model_copy(update={"unreadable": str(error)})
            return False
        count = transactions.compare(acknowledged, stored, ledger.ids, attempted=attempted)
        return not count.lost

    wait_until(settled, clock=clock, within=ledger.within, every=0.5)
    return count


def _stored(url: str) -> list[dict[str, Any]]:
    answer = web.get(url, timeout=5.0)
    if answer.status != 200:
        raise ValueError(f"GET {url}: status {answer.status}")
    value = json.loads(answer.text)
    items = value.get("items") if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"GET {url}: expected a JSON list of objects")
    return items
