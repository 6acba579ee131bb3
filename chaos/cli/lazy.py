"""A click group that knows its commands by name and imports one only when it is called: `--help` must be fast."""

import importlib
from collections.abc import Mapping
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives, and the line that the overview shows for it."""

    module: str
    line: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """Commands by table: name -> module. Each module holds its command under the name `command`."""

    def __init__(self, *, entries: Mapping[str, Entry], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(entry.module).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._entries and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=list(self._entries), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self._entries))
        for section in dict.fromkeys(entry.section for entry in self._entries.values()):
            rows = [(name.ljust(widest), entry.line) for name, entry in self._entries.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)
