"""The results as people read them: `RESULTS.md`, made from the rows and from nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import cluster_matrix
from harness.api_faults import PHASES, VERBS, WAYS
from harness.crashes import OWNED, TTL
from harness.matrix import CELLS, KINDS
from harness.traps import POINTS

Rows = Sequence[dict[str, Any]]
PARTS = ("matrix", "cluster", "api", "suites")
LEFT = ("left", "left_at_last", "processes", "late_requests", "files")
"""Where a row says what was left, of any sort."""
MORE = 5
"""Seconds after its silence in which the guard must have put everything back."""
LAYERS = {
    "watchdog": "runner killed; its watchdog puts back",
    "guard": "runner and watchdog killed; the guard in the cluster puts back",
    "recover": "runner and watchdog killed; `gameday recover` puts back",
}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def write(rows: Mapping[str, Rows], about: dict[str, str]) -> str:
    parts = ["# What is left after a crash", "", *(f"- {key}: {value}" for key, value in about.items()), ""]
    if rows["matrix"]:
        parts += _matrix(rows["matrix"], "on the sandbox", Cells(tuple(POINTS.items()), KINDS, CELLS))
    if rows["cluster"]:
        kinds = tuple(cluster_matrix.KINDS)
        cells = [(point, kind) for point, kind, _ in cluster_matrix.CELLS]
        points = [each for each in cluster_matrix.ALL_POINTS.items() if each[0] in dict(cells)]
        parts += _matrix(rows["cluster"], "on a real cluster", Cells(points, kinds, cells, apart=("node-stop",)))
        parts += _host_lost(rows["cluster"])
    if rows["api"]:
        parts += _api(rows["api"])
    if rows["suites"]:
        parts += ["## Everything else", "", "| tests | passed | failed |", "| --- | --- | --- |"]
        parts += [f"| {row['name']} | {row['passed']} | {row['failed']} |" for row in rows["suites"]]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True)
class Cells:
    """What a matrix is made of."""

    points: Sequence[tuple[str, str]]  # id, words
    kinds: Sequence[str]
    chosen: Sequence[tuple[str, str]]  # point, kind
    apart: Sequence[str] = ()  # kinds whose times are told on lines of their own


def _matrix(rows: Rows, where: str, of: Cells) -> list[str]:
    struck, hit = sum(row["dirty"] for row in rows), {(row["point"], row["kind"]) for row in rows}
    text = [
        f"## {where.capitalize()}: {len(rows)} SIGKILLs in {len(hit)} of {len(set(of.chosen))} cells",
        "",
        f"At {struck} of the deaths something of the run was in the cluster. Seconds from the kill until everything that was there",
        f"before was as before (p50, p99, max), and until nothing of the run was left either. The guard was given {TTL} s of silence.",
        "",
        "| layer | kills | left-overs after it | after `recover` as well | restored p50 / p99 / max | all gone p50 / p99 / max |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for layer, words in LAYERS.items():
        mine = [row for row in rows if row["layer"] == layer]
        text.append(_line(words, [row for row in mine if row["kind"] not in of.apart]))
        text += [_line(f"... {kind}", own) for kind in of.apart if (own := [row for row in mine if row["kind"] == kind])]
    others = {key: sum(bool(row[key]) for row in rows) for key in ("processes", "late_requests", "files")}
    missed = sum(not row["sprung"] for row in rows)
    text += [
        "",
        f"Processes still alive after that: {others['processes']}; requests after that: {others['late_requests']}; files left: "
        f"{others['files']}; kills that missed their point: {missed}.",
        "",
        "Cells with a left-over of any sort, of kills:",
        "",
        "| crash point | " + " | ".join(of.kinds) + " |",
        "| --- | " + " | ".join("---" for _ in of.kinds) + " |",
    ]
    total, bad = Counter((row["point"], row["kind"]) for row in rows), Counter()
    for row in rows:
        bad[row["point"], row["kind"]] += any(row[key] for key in LEFT)
    for point, words in of.points:
        cells = [f"{bad[point, kind]} of {total[point, kind]}" if (point, kind) in of.chosen else "-" for kind in of.kinds]
        text.append(f"| {point} {words} | " + " | ".join(cells) + " |")
    return [*text, ""]


def _line(words: str, rows: Rows) -> str:
    left, at_last = sum(bool(row["left"]) for row in rows), sum(bool(row["left_at_last"]) for row in rows)
    times = " | ".join(_times([row[key] for row in rows]) for key in ("restored", "seconds"))
    return f"| {words} | {len(rows)} | {left} | {at_last} | {times} |"


def _host_lost(rows: Rows) -> list[str]:
    """Runner and watchdog gone at once, and nobody who calls `recover`: what the goal says of a machine that is lost."""
    mine = [row for row in rows if row["layer"] == "guard" and row["dirty"]]
    kept = sum(not row["left"] and _took(row) <= OWNED.get(row["kind"], TTL) + MORE for row in mine)
    return [
        f"With nobody at hand, over within the guard's {TTL} s and {MORE} more ({' and '.join(OWNED)}: its owner's "
        f"{max(OWNED.values())} s and {MORE} more), of kills with something to put back: {kept} of {len(mine)}.",
        "",
    ]


def _took(row: dict[str, Any]) -> float:
    """Seconds until its effect was over: what was there is as it was, or what was made is gone."""
    return float(row["seconds" if row["kind"] in OWNED else "restored"])


def _times(values: Sequence[float]) -> str:
    return " / ".join(f"{each:.2f}" for each in (quantile(values, 0.5), quantile(values, 0.99), max(values, default=0.0)))


def _api(rows: Rows) -> list[str]:
    reached = [row for row in rows if row["reached"]]
    false_clean = [row for row in rows if row["left"] and row["code"] != 4]
    text = [
        f"## {len(rows)} cells of an API server in trouble ({len(VERBS)} verbs x {len(PHASES)} phases x {len(WAYS)} ways)",
        "",
        f"Met by a request of the run: {len(reached)} (in the others the run sends no such request). Exits that read as clean while "
        f"something was left: {len(false_clean)}. Stuck for more than two minutes: {sum(row['code'] is None for row in rows)}. Not clean "
        f"after `recover`, once the server was well: {sum(bool(row['left_at_last']) for row in rows)}.",
        "",
        "| exit | runs that met the trouble |",
        "| --- | --- |",
    ]
    codes = Counter(str(row["code"]) for row in reached)
    return [*text, *(f"| {code} | {count} |" for code, count in sorted(codes.items())), ""]
