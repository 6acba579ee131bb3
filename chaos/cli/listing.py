"""`gameday list ...`: what there is. Each with `--json`: one array."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaos.cli.shared import one_line, print_json, table
from chaos.errors import BadInput

if TYPE_CHECKING:
    from chaos.catalogue import Kind

Row = dict[str, Any]


@click.group(name="list")
def command() -> None:
    """List what there is: things to run, what ran, and what came of it.

    \b
    Examples:
      gameday list scenarios
      gameday list faults --json
    """


def _listing(name: str, columns: tuple[str, ...], empty: str) -> Callable[[Callable[..., list[Row]]], click.Command]:
    """A sub-command that shows rows as a table, or as one JSON array."""

    def wrap(rows_of: Callable[..., list[Row]]) -> click.Command:
        def callback(as_json: bool, **options: Any) -> None:
            rows = rows_of(**options)
            if as_json:
                print_json(rows)
            elif rows:
                cells = [[one_line(_cell(row.get(column)), 70) for column in columns] for row in rows]
                click.echo(table(cells, [column.upper() for column in columns]))
            else:
                click.echo(empty)

        params = getattr(rows_of, "__click_params__", [])
        made = click.Command(name, callback=callback, params=list(reversed(params)), help=rows_of.__doc__)
        made.params.append(click.Option(["--json", "as_json"], is_flag=True, help="As one JSON array."))
        command.add_command(made)
        return made

    return wrap


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


@_listing("faults", ("fault", "privilege", "does"), "There are no faults.")
def faults() -> list[Row]:
    """Every fault that a scenario can name, with its keys."""
    from chaos.injectors.table import INJECTORS

    return [
        {
            "fault": kind,
            "privilege": injector.PRIVILEGE,
            "does": (injector.Spec.__doc__ or "").strip().splitlines()[0],
            "keys": [field.alias or name for name, field in injector.Spec.model_fields.items() if name != "kind"],
        }
        for kind, injector in sorted(INJECTORS.items())
    ]


@_listing("scenarios", ("id", "severity", "service", "title"), "No scenarios here; write one: gameday new my-first")
def scenarios() -> list[Row]:
    """Severe but plausible stories: yours first, then those that came with the program."""
    return _files("scenarios", ("title", "service", "severity", "tags", "family"))


@_listing("experiments", ("id", "fault", "title"), "No experiments here.")
def experiments() -> list[Row]:
    """Reusable single-fault experiments; each runs alone, or as a step of a scenario."""
    return [
        {**row, "fault": (row["fault"] or {}).get("kind")}
        for row in _files("experiments", ("title", "hypothesis", "fault", "tags"))
    ]


@_listing("services", ("id", "team", "owner", "title"), "No services here.")
def services() -> list[Row]:
    """Business services, who answers for them, and how much disruption is tolerable."""
    return _files("services", ("title", "team", "owner", "description"))


def _files(kind: "Kind", keys: tuple[str, ...]) -> list[Row]:
    """Files by id; one that cannot be read is listed too, with what is wrong, for it is there."""
    from chaos import source
    from chaos.catalogue import ids

    rows: list[Row] = []
    for name, path in sorted(ids(kind).items()):
        try:
            value = source.read(path).value
        except BadInput as error:
            rows.append({"id": name, **dict.fromkeys(keys), "title": f"cannot be read: {error}", "path": str(path)})
            continue
        value = value if isinstance(value, dict) else {}
        rows.append({"id": name, **{key: value.get(key) for key in keys}, "path": str(path)})
    return rows


_REPORTS = click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)


@_listing("runs", ("id", "started", "on", "outcome", "scenario"), "No runs yet; the first one: gameday demo")
@_REPORTS
def runs(reports: Path) -> list[Row]:
    """Stored runs, the newest first."""
    from chaos.cli.runs import stored

    return stored(reports)


@_listing("roadmap", ("id", "state", "severity", "due", "title"), "Nothing on the roadmap: no run has found anything yet.")
@_REPORTS
def roadmap(reports: Path) -> list[Row]:
    """Findings turned into work: open items first."""
    from chaos.history import roadmap as history

    return [_item(item.as_json()) for item in history.load_all(reports / "roadmap")]


def _item(item: Row) -> Row:
    plan = item.get("plan", {})
    return {**item, "state": plan.get("state") or item["observed"]["state"], "owner": plan.get("owner"), "due": plan.get("due")}
