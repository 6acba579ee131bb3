"""YAML that `reading` reads back as it was: what is text to us but a number to others, or the other way round, is quoted."""

from typing import Any

import yaml

from chaos.source.reading import reads_as_text


class _Strict(yaml.SafeDumper):
    """No anchors and aliases, which we refuse; lists indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: _Strict, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


def _style(value: str) -> str | None:
    """Plain where that reads as text; escaped where a character could be taken for a line's end or be lost."""
    if not all(char.isprintable() or char == "\n" for char in value):
        return '"'
    return None if reads_as_text(value) else "'"


_Strict.add_representer(str, _text)


def dump(value: dict[str, Any]) -> str:
    """One document, keys in their order, lines short enough to read."""
    return str(yaml.dump(value, Dumper=_Strict, sort_keys=False, allow_unicode=True, width=110))
