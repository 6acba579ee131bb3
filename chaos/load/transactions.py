"""What became of the transactions: what customers were told, against what the business service has kept. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos.model.events import TransactionCount

_MOST_EXAMPLES = 10


def compare(
    acknowledged: Iterable[dict[str, Any]],
    stored: Iterable[dict[str, Any]],
    ids: str,
    *,
    attempted: Iterable[dict[str, Any]] = (),
) -> TransactionCount:
    """Count lost and wrong transactions.

    lost: acknowledged, but not kept. wrong: kept twice, kept otherwise than acknowledged (a field that the customer was told,
    `told`, has another value), or kept although the customer was told no. Kept after an attempt that got no answer at all is
    in doubt: `unacknowledged`, not wrong. What none of our customers asked for is somebody else's, and does not count.
    """
    told = {str(entry["id"]): entry for entry in acknowledged}
    outcomes: dict[str, Counter[str]] = {}
    for entry in attempted:
        outcomes.setdefault(str(entry["id"]), Counter())[entry.get("outcome", "sent")] += 1
    kept: dict[str, list[dict[str, Any]]] = {}
    for entry in stored:
        key = str(value_at(entry, ids))
        if key in told or key in outcomes:
            kept.setdefault(key, []).append(entry)

    lost = [key for key in told if key not in kept]
    twice = [key for key, entries in kept.items() if len(entries) > 1]
    other = [key for key, entries in kept.items() if key in told and (difference(told[key], entries[0]))]
    refused = [key for key in kept if key not in told and _was_refused(outcomes[key])]
    doubtful = [key for key in kept if key not in told and not _was_refused(outcomes[key])]
    examples = [f"lost: {key}" for key in lost] + [f"kept {len(kept[key])} times: {key}" for key in twice]
    examples += [f"kept otherwise: {key}: {difference(told[key], kept[key][0])}" for key in other]
    examples += [f"kept although refused: {key}" for key in refused]
    return TransactionCount(
        acknowledged=len(told),
        stored=len(kept),
        lost=len(lost),
        wrong=len({*twice, *other, *refused}),
        duplicated=len(twice),
        unacknowledged=len(doubtful),
        examples=examples[:_MOST_EXAMPLES],
    )


def difference(told: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    """The first field that the customer was told and that was kept with another value; empty where there is none."""
    for key, value in told.get("told", {}).items():
        if key in kept and kept[key] != value:
            return f"{key} is {kept[key]!r}, not {value!r}"
    return ""


def value_at(entry: Mapping[str, Any], path: str) -> Any:
    """The value of a field, or of a field of a field (`order.id`); None where it is not there."""
    value: Any = entry
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of `acknowledged.jsonl` or `attempted.jsonl`; a torn last line is left out, a missing file is empty."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _was_refused(outcomes: Counter[str]) -> bool:
    """Every attempt was answered, each with a no. A single attempt without an answer leaves the transaction in doubt."""
    return outcomes["refused"] >= max(1, outcomes["sent"]) and not outcomes["unanswered"]
