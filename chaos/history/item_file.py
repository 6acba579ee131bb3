"""The text of a roadmap item's file: the machine's part is written anew, people's `plan:` stays byte for byte.

A file that somebody broke by hand is told with its line, and never overwritten.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chaos import source
from chaos.errors import BadInput, NotReady, Problem
from chaos.model.finding import RoadmapItem

_HEAD = """\
# A weakness that a run found, turned into work. Everything above `plan:` is rewritten by each run that has something to say
# about it. It closes when the acceptance scenario passes, and in no other way.
"""
_PLAN_HEAD = """\

# Yours from here on: it is kept exactly as you write it, comments too. `state:` may be in-progress, fix-claimed or
# accepted-risk (then with `accepted_risk: {by: ..., reason: ..., until: ...}`).
"""

_ORDER = ("format", "id", "title", "service", "severity", "why", "remedy", "acceptance", "observed")
"""As a person wants to read it."""


@dataclass(frozen=True)
class ItemFile:
    """One file as it stands: what it says, and people's part as bytes."""

    path: Path
    item: RoadmapItem
    plan: bytes


def read_item(path: Path) -> ItemFile:
    """The item in a file; BadInput naming file and line when it is not one."""
    document = source.read(path)
    try:
        item = RoadmapItem.model_validate(document.value)
    except ValidationError as error:
        raise BadInput.of(source.problems(document, error, RoadmapItem)) from None
    if document.flaws:
        raise BadInput.of(document.flaws)
    if item.plan.state in ("closed", "open", "reopened"):
        message = f"plan.state is {item.plan.state}: only a passing run of {item.acceptance.scenario} closes or reopens an item"
        raise BadInput(document.problem(("plan", "state"), message, "write in-progress, fix-claimed or accepted-risk"))
    if item.plan.state == "accepted-risk" and not item.plan.accepted_risk:
        hint = "accepted_risk: {by: ..., reason: ..., until: ...}"
        raise BadInput(document.problem(("plan", "state"), "an accepted risk says by whom, why and until when", hint))
    plan = _plan_block(document.content)
    if not plan:
        raise BadInput(Problem(str(path), 1, 1, "plan: is not written as a block of its own at the beginning of a line"))
    return ItemFile(path, item, plan)


def _plan_block(content: bytes) -> bytes:
    """The lines from `plan:` to the next key at the beginning of a line, exactly as they are."""
    lines = content.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if line.startswith(b"plan:")), None)
    if start is None:
        return b""
    rest = lines[start + 1 :]
    end = next(
        (number for number, line in enumerate(rest) if line[:1] not in (b" ", b"\t", b"#", b"\n", b"\r", b"-")), len(rest)
    )
    return b"".join(lines[start : start + 1 + end])


def write_item(path: Path, item: RoadmapItem, plan: bytes | None = None) -> None:
    """Write the machine's part around people's; all of it, or nothing."""
    value = item.as_json()
    machine = {key: value[key] for key in [*_ORDER, *sorted(value)] if key in value and key != "plan"}
    text = _HEAD + source.dump(machine) + _PLAN_HEAD
    mine = plan if plan is not None else source.dump({"plan": value["plan"]}).encode()
    _replace(path, text.encode() + mine)


def _replace(path: Path, content: bytes) -> None:
    """Other runs, and people, see the old file or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}")
    try:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise NotReady(f"cannot write {path}: {error.strerror}") from error
