"""`gameday runs list|prune`: stored runs."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from chaos.cli.shared import print_json, table
from chaos.errors import BadInput, NotReady

Row = dict[str, Any]

_REPORTS = click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)


@click.group()
def command() -> None:
    """List stored runs, or prune old ones.

    \b
    Examples:
      gameday runs list
      gameday runs prune --keep 20
      gameday runs prune --older-than 90d --dry-run
    """


def stored(reports: Path) -> list[Row]:
    """Every stored run, the newest first. A run without a verdict ended before it could be judged."""
    rows = [_row(path.parent) for path in reports.glob("*/run.json") if not path.parent.is_symlink()]
    return sorted((row for row in rows if row), key=lambda row: (row["started"], row["id"]), reverse=True)


def _row(folder: Path) -> Row:
    info = _json(folder / "run.json")
    if not info:
        return {}
    verdict = _json(folder / "verdict.json")
    return {
        "id": info.get("id", folder.name),
        "started": str(info.get("started", ""))[:19],
        "scenario": info.get("scenario", ""),
        "title": info.get("title", ""),
        "on": info.get("environment", {}).get("name", ""),
        "release": info.get("subject", {}).get("release", ""),
        "mode": info.get("mode", ""),
        "outcome": verdict.get("outcome", "not judged"),
        "exit_code": verdict.get("exit_code"),
        "folder": str(folder),
    }


def _json(path: Path) -> Row:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@command.command("list")
@_REPORTS
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
def list_(reports: Path, as_json: bool) -> None:
    """Stored runs, the newest first."""
    rows = stored(reports)
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("id", "started", "on", "outcome", "scenario")
        click.echo(table([[str(row[column]) for column in columns] for row in rows], [column.upper() for column in columns]))
    else:
        click.echo("No runs yet; the first one: gameday demo")


@command.command()
@_REPORTS
@click.option("--keep", type=click.IntRange(min=0), help="Keep this many of the newest runs.")
@click.option("--older-than", metavar="DURATION", help="Only runs older than this, for example 30d.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(reports: Path, keep: int | None, older_than: str | None, dry_run: bool) -> None:
    """Delete stored runs. The roadmap is never touched; nor is a run that something is still to be put back for."""
    from chaos.ledger import all_open

    if keep is None and older_than is None:
        raise BadInput("say which: --keep N, --older-than 30d, or both")
    busy = {contents.header.run for contents in all_open()}
    going = [row for row in _too_old(stored(reports)[keep or 0 :], older_than) if row["id"] not in busy]
    for row in going:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {row['folder']}")
        if not dry_run:
            _delete(Path(row["folder"]))
    click.echo(f"{len(going)} run{'s' * (len(going) != 1)} {'would go' if dry_run else 'deleted'}")


def _too_old(rows: list[Row], older_than: str | None) -> list[Row]:
    from chaos.model.units import parse_duration

    if older_than is None:
        return rows
    try:
        days, unit = older_than[:-1], older_than[-1:]
        age = timedelta(days=int(days)) if unit == "d" and days.isdigit() else timedelta(seconds=parse_duration(older_than))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"--older-than {older_than}: {error}") from None
    edge = (datetime.now(UTC) - age).isoformat()[:19]
    return [row for row in rows if row["started"] and row["started"] < edge]


def _delete(folder: Path) -> None:
    latest = folder.parent / "latest"
    try:
        if latest.is_symlink() and latest.resolve() == folder.resolve():
            latest.unlink()
        shutil.rmtree(folder)
    except OSError as error:
        raise NotReady(f"cannot delete {folder}: {error.strerror}") from error
