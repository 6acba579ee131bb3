"""Strict YAML: one document, plain data, YAML 1.2's core words, and a position for every value and key.

PyYAML alone reads YAML 1.1, where `no` is false, `1:30` is 90 and `010` is 8; lets a second key silently win; and expands
aliases without end. Here the events of its (C) parser are taken one by one, so that each of these is refused where it
stands, before anything has been built from it.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaos.errors import BadInput, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000

Place = tuple[int, int]
"""Line and column, counted from 1."""
Loc = tuple[str | int, ...]

_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_OCTAL_LIKE = re.compile(r"[-+]?0[0-9]+")
_STARTS_NUMBER = frozenset("0123456789+-.")
_LONGEST_NUMBER = 30
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|\ufeff|\ufffe|\uffff")
"""What YAML does not allow in a text. A class beyond Latin-1 would take 10 ms to compile, hence the alternatives."""


@dataclass(frozen=True)
class Document:
    """A file's value, where each part of it stands, and what is wrong with it as YAML."""

    path: str
    value: Any
    content: bytes
    places: dict[Loc, Place] = field(repr=False)
    keys: dict[Loc, Place] = field(repr=False)
    flaws: tuple[Problem, ...] = ()
    flawed: tuple[Loc, ...] = ()
    """Where the flaws are: what a model says about these parts would only repeat them."""

    def known(self, loc: Loc) -> Loc:
        """The longest beginning of a location that is in the document."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.places:
                return loc[:end]
        return ()

    def where(self, loc: Loc = (), *, key: bool = False) -> Place:
        """Line and column of a value (or of its key); of the nearest part around it, where it is not there itself."""
        found = self.known(loc)
        if key and found in self.keys:
            return self.keys[found]
        return self.places.get(found, (1, 1))

    def problem(self, loc: Loc, message: str, hint: str = "", *, key: bool = False) -> Problem:
        return Problem(self.path, *self.where(loc, key=key), message, hint)


def read(path: Path, *, shown: str = "") -> Document:
    """The document in a file; BadInput when it cannot be read or is no YAML at all. Smaller flaws are in `Document.flaws`."""
    name = shown or str(path)
    try:
        if not path.is_file():
            raise BadInput(Problem(name, 0, 0, "is not a file" if path.exists() else "there is no such file"))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(Problem(name, 0, 0, f"cannot be read: {reason}")) from error
    return parse(content, name)


def parse(content: bytes, path: str) -> Document:
    """The document in these bytes; see `read`."""
    if len(content) > MAX_BYTES:
        raise BadInput(Problem(path, 0, 0, f"is larger than {MAX_BYTES // 1024} KB"))
    text = _text(content, path)
    try:
        return _Builder(path, content, text).build()
    except yaml.YAMLError as error:
        raise BadInput(_syntax(error, path, text)) from error


def _text(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place_of(content[: error.start].decode("utf-8", "replace"))
        raise BadInput(Problem(path, line, column, "is not UTF-8 text from here on")) from error
    if odd := _CONTROL.search(text):
        what = "a NUL byte" if odd[0] == "\0" else f"the control character U+{ord(odd[0]):04X}"
        raise BadInput(Problem(path, *_place_of(text[: odd.start()]), f"{what} does not belong into a text file"))
    return text


def _place_of(before: str) -> Place:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax(error: yaml.YAMLError, path: str, text: str) -> Problem:
    """PyYAML's trouble in our words: only the first one can be told, since nothing after it can be trusted."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Problem(path, 0, 0, f"is not YAML: {error}")
    said = str(getattr(error, "problem", None) or getattr(error, "context", None) or "cannot be read")
    line = (text.splitlines()[mark.line : mark.line + 1] or [""])[0]
    if line[mark.column : mark.column + 1] == "\t":
        return Problem(path, mark.line + 1, mark.column + 1, "a tab; YAML is indented with spaces")
    hint = "quote text that holds ': '" if "mapping values are not allowed" in said else ""
    return Problem(path, mark.line + 1, mark.column + 1, f"is not YAML: {said}", hint)


class _Builder:
    """Builds one document from parser events; collects what is wrong and goes on, so that all is told at once."""

    def __init__(self, path: str, content: bytes, text: str) -> None:
        self._path = path
        self._content = content
        self._events: Iterator[Any] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._places: dict[Loc, Place] = {}
        self._keys: dict[Loc, Place] = {}
        self._flaws: list[Problem] = []
        self._flawed: list[Loc] = []
        self._nodes = 0

    def build(self) -> Document:
        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._flaw((), event, "a second document; write one document a file")
                    break
                if event.version or event.tags:
                    self._flaw((), event, "a YAML directive; leave it out")
                value = self._node(next(self._events), ())
        if not documents:
            raise BadInput(Problem(self._path, 0, 0, "is empty"))
        flaws, flawed = tuple(self._flaws), tuple(self._flawed)
        return Document(self._path, value, self._content, self._places, self._keys, flaws, flawed)

    def _node(self, event: Any, loc: Loc) -> Any:
        mark = event.start_mark
        self._places[loc] = (mark.line + 1, mark.column + 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise BadInput(Problem(self._path, *self._places[loc], f"more than {MAX_NODES} values"))
        if len(loc) > MAX_DEPTH:
            raise BadInput(Problem(self._path, *self._places[loc], f"nested more than {MAX_DEPTH} levels deep"))
        if isinstance(event, yaml.AliasEvent):
            self._flaw(loc, event, f"*{event.anchor}: aliases are not used here; write the value out")
            return None
        if event.anchor is not None:
            self._flaw(loc, event, f"&{event.anchor}: anchors are not used here; write each value out")
        if event.tag is not None:
            self._flaw(loc, event, f"{event.tag}: tags are not used here; leave it out")
        if isinstance(event, yaml.ScalarEvent):
            return self._plain(event, loc) if event.implicit[0] else event.value
        return self._mapping(loc) if isinstance(event, yaml.MappingStartEvent) else self._sequence(loc)

    def _sequence(self, loc: Loc) -> list[Any]:
        values: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            values.append(self._node(event, (*loc, len(values))))
        return values

    def _mapping(self, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, loc)
            inner = (*loc, key)
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            if key in values:
                self._flaws.append(Problem(self._path, *place, f"{key}: given twice", f"first in line {self._keys[inner][0]}"))
                self._node(next(self._events), (*loc, f"{key}\0again"))
                continue
            self._keys[inner] = place
            values[key] = self._node(next(self._events), inner)
        return values

    def _key(self, event: Any, loc: Loc) -> str:
        """The key as it is written: `on`, `no` and `1` are names like any other."""
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                self._flaw((*loc, "<<"), event, "<<: merge keys are not used here; write each value out")
            elif event.anchor is not None or event.tag is not None:
                self._flaw((*loc, event.value), event, f"{event.value}: anchors and tags are not used here")
            elif event.value == "" and event.implicit[0]:
                self._flaw((*loc, ""), event, "a key is missing before the colon")
            return str(event.value)
        raise BadInput(
            Problem(self._path, event.start_mark.line + 1, event.start_mark.column + 1, "a key must be plain text", "quote it")
        )

    def _plain(self, event: Any, loc: Loc) -> Any:
        """An unquoted scalar by YAML 1.2's core schema: true, false, null, numbers; all else is text."""
        text = event.value
        if text in _PLAIN:
            return _PLAIN[text]
        if text[0] not in _STARTS_NUMBER or not (_FLOAT.fullmatch(text) or _OTHER_BASE.fullmatch(text)):
            return text
        if trouble := _number_trouble(text):
            self._flaw(loc, event, f"{text[:_LONGEST_NUMBER]}: {trouble}")
            return None
        return _number(text)

    def _flaw(self, loc: Loc, event: Any, message: str) -> None:
        self._flaws.append(Problem(self._path, event.start_mark.line + 1, event.start_mark.column + 1, message))
        self._flawed.append(loc)


def _number_trouble(text: str) -> str:
    if _OCTAL_LIKE.fullmatch(text):
        return "a number with a leading zero means different things to different readers"
    if len(text) > _LONGEST_NUMBER:
        return f"a number of more than {_LONGEST_NUMBER} characters; quote it if it is text"
    return "" if math.isfinite(_number(text)) else "too large for a number"


def reads_as_text(text: str) -> bool:
    """Whether this text, written without quotes, is read back as text (as far as its words go)."""
    return text not in _PLAIN and not _FLOAT.fullmatch(text) and not _OTHER_BASE.fullmatch(text)


def _number(text: str) -> int | float:
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else int(text, 0)
