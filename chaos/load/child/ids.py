"""The ids of transactions, as lines of `attempted.jsonl` and `acknowledged.jsonl`: cheap, since there may be one a request."""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

Lines = dict[str, list[str]]
"""File (without `.jsonl`) -> its new lines."""

_OURS = ("id", "transaction")
_TELLING = (str, int, float, bool)


class Ids:
    """What happened to which transaction since it was last asked for."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, str, str, float, bool, dict[str, Any] | None]] = []

    def add(self, context: dict[str, Any], name: str, moment: float, outcome: str, degraded: bool = False) -> None:
        """Remember what became of a transaction; the id may be there from the start, or come with the answer."""
        if "id" in context:
            told = None
            if len(context) > 2 and outcome == "acknowledged":
                told = {key: value for key, value in context.items() if key not in _OURS and isinstance(value, _TELLING)}
            self._entries.append((outcome, str(context["id"]), name, moment, degraded, told))

    def take(self) -> Lines:
        """The lines that are new."""
        entries, self._entries = self._entries, []
        lines: Lines = {"acknowledged": [], "attempted": []}
        for outcome, key, name, moment, degraded, told in entries:
            start = f'{{"id":{quoted(key)},"transaction":{quoted(name)},"mono":{moment:.6f},"outcome":"{outcome}"'
            if outcome != "acknowledged":
                lines["attempted"].append(start + "}\n")
                continue
            more = f',"told":{json.dumps(told)}' if told else ""
            lines["acknowledged"].append(f'{start},"degraded":{"true" if degraded else "false"}{more}}}\n')
        return lines
