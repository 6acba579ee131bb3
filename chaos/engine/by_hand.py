"""The exact commands that put back by hand what we could not: for kubectl, compare-and-restore like our own."""

import json
import shlex
from collections.abc import Iterable, Sequence

from chaos.clients.kinds import KINDS
from chaos.engine.prepared import Prepared
from chaos.model.undo import Call, DeleteOwn, PatchBack


def commands(run: str, left: Sequence[Prepared]) -> list[str]:
    """First the one that does it all, then what it comes to, one line each; safe to send twice."""
    return [f"gameday recover {run}", *(line for change in left for line in _of(change.calls))]


def _of(calls: Iterable[Call]) -> list[str]:
    found = []
    for call in calls:
        where = KINDS[call.kind]
        resource = f"{where.plural}.{where.group}" if where.group else where.plural
        space = f" -n {call.namespace}" if call.namespace else ""
        if isinstance(call, PatchBack):
            below = f" --subresource={call.subresource}" if call.subresource else ""
            patch = shlex.quote(json.dumps(call.patch, separators=(",", ":")))
            found.append(f"kubectl{space} patch {resource} {call.name}{below} --type=json -p {patch}")
        elif isinstance(call, DeleteOwn):
            labels = ",".join(f"{key}={value}" for key, value in call.labels.items())
            found.append(f"kubectl{space} delete {resource} -l {labels} --field-selector metadata.name={call.name}")
    return found
