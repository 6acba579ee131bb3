"""What pydantic says, in words for the person who wrote the file: at the right place, with the nearest right word.

A location of pydantic's holds the tags of unions, which are not in the file; `Document` drops them. To suggest a key, the
models are walked along the location, so that only keys which are right at that very place are offered.
"""

import re
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from chaos.errors import Problem
from chaos.source.reading import Document, Loc

Error = dict[str, Any]
Tagged = list[tuple[str, type[BaseModel]]]
"""Models that are possible at a place, each with the tag that chooses it."""

_QUOTED = re.compile(r"'([^']*)'")
_PATTERNS = {
    "a-z0-9-": "use lower-case letters, digits and dashes only, at most 63 of them",
    "a-z0-9.-": "use lower-case letters, digits, dashes and dots only, as Kubernetes names do",
    r"\.py": "write the path of a Python file below this file's folder, for example load/shop.py",
    "^/": "begin with a slash, for example /orders",
    "A-Z": "write three capital letters, for example EUR",
}
_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping (key: value)",
    "model_type": "expected a mapping (key: value)",
    "model_attributes_type": "expected a mapping (key: value)",
    "date_type": "expected a date such as 2026-11-27",
}
_LIMITS = {
    "greater_than": ("must be more than {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "too_short": ("needs at least {}", "min_length"),
    "too_long": ("holds more than {}", "max_length"),
    "string_too_short": ("must not be empty", "min_length"),
    "string_too_long": ("is longer than {} characters", "max_length"),
}

_SHORT = 40  # characters of a value that are shown


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that was probably meant; nothing where none, or several alike, come near."""
    import difflib  # noqa: PLC0415 # only those who made a mistake wait for it

    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=2, cutoff=0.6)
    likeness = [difflib.SequenceMatcher(None, other, word.casefold()).ratio() for other in close]
    if len(likeness) == 2 and likeness[0] == likeness[1]:
        return ""
    return f"did you mean {folded[close[0]]}?" if close else ""


def problems(document: Document, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every mistake that `model` found in the document, and the document's own flaws, sorted by place."""
    found = list(document.flaws)
    for each in error.errors(include_url=False):
        loc, models = _walk(document, model, each["loc"][:-1] if each["type"] in _ABOUT_A_KEY else each["loc"])
        if not any(document.known(loc)[: len(flawed)] == flawed for flawed in document.flawed):
            found.append(_problem(document, loc, dict(each), models))
    return sorted(set(found))


_ABOUT_A_KEY = ("extra_forbidden", "missing")


def _problem(document: Document, loc: Loc, error: Error, models: Tagged) -> Problem:
    kind, context, last = error["type"], error.get("ctx", {}), str(error["loc"][-1:][0] if error["loc"] else "")
    if kind == "extra_forbidden":
        return _unknown_key(document, (*loc, last), {name for _, each in models for name, _ in _fields(each)})
    if kind == "missing":
        return document.problem(loc, f"{last}: is missing")
    if kind == "union_tag_invalid":
        return _unknown_tag(document, loc, context)
    if kind == "union_tag_not_found":
        key = str(context.get("discriminator", "")).strip("'")
        tags = ", ".join(sorted(tag for tag, _ in models if tag))
        return document.problem(loc, f"{key}: is missing", f"known: {tags}" if tags else "")
    if kind == "step_kind":
        return _unclear_step(document, loc, error["msg"])
    text, hint = _say(kind, context, error)
    return document.problem(loc, f"{_name(document, loc)}: {text}", hint)


def _name(document: Document, loc: Loc) -> str:
    """The nearest key above a value: what the line is about."""
    return next((str(part) for part in reversed(document.known(loc)) if isinstance(part, str)), "file")


def _say(kind: str, context: dict[str, Any], error: Error) -> tuple[str, str]:
    found = error.get("input")
    if kind == "value_error":
        return str(context["error"]), ""
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]}, found {_shown(found)}", _written_right(kind, found)
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return words.format(context.get(key, "")), ""
    if kind == "literal_error":
        words = ", ".join(_QUOTED.findall(context["expected"]))
        return f"{_shown(found)} is not one of {words}", nearest(str(found), words.split(", "))
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        words = next((say for part, say in _PATTERNS.items() if part in pattern), f"must look like {pattern}")
        return f"{_shown(found)}: {words}", ""
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _written_right(kind: str, found: Any) -> str:
    """How the value that was found would be written, where it takes no more than that."""
    if kind == "string_type" and isinstance(found, int | float):
        return "put it in quotes"
    if kind == "list_type" and isinstance(found, str | int | float) and len(str(found)) <= _SHORT:
        return f"write [{found}]"
    return ""


def _shown(value: Any) -> str:
    """A found value, short, in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return repr(text if len(text) <= _SHORT else text[:37] + "...") if isinstance(value, str) else text


def _unknown_key(document: Document, loc: Loc, known: set[str]) -> Problem:
    hint = nearest(str(loc[-1]), known) or "known here: " + ", ".join(sorted(known))
    return document.problem(loc, f"{loc[-1]}: unknown key", hint, key=True)


def _unknown_tag(document: Document, loc: Loc, context: dict[str, Any]) -> Problem:
    key = str(context.get("discriminator", "")).strip("'")
    known = _QUOTED.findall(str(context.get("expected_tags", "")))
    tag = str(context.get("tag", ""))
    hint = nearest(tag, known) or "known: " + ", ".join(known)
    return document.problem((*loc, key), f"{key}: {tag!r} is not known", hint)


def _unclear_step(document: Document, loc: Loc, message: str) -> Problem:
    """A step without its one key: where a key looks like one of them, that is the mistake."""
    words = message.partition("one of ")[2].split(", ")
    step: Any = document.value
    for part in document.known(loc):
        step = step[part]
    for key in step if isinstance(step, dict) else ():
        if key not in words and (hint := nearest(key, words)):
            return document.problem((*loc, key), f"{key}: unknown key", hint, key=True)
    return document.problem(loc, message)


# --- which models pydantic was in at a place -------------------------------------------------------------------------


def _walk(document: Document, model: type[BaseModel], loc: Loc) -> tuple[Loc, Tagged]:
    """The location without the tags of unions, and the models at its end."""
    here: Tagged = [("", model)]
    real: Loc = ()
    value = document.value
    for part in loc:
        chosen = [each for tag, each in here if tag == part and (len(here) > 1 or part not in dict(_fields(each)))]
        if chosen:
            here = [("", each) for each in chosen]
            continue
        real = (*real, part)
        value = _inside(value, part)
        inner = [found for _, each in here for name, field in _fields(each) if name == part for found in _models(field, value)]
        here = inner or here
    return real, here


def _inside(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Name in files -> annotation, with the extras that pydantic took off it."""
    return [
        (field.alias or name, typing.Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation)
        for name, field in model.model_fields.items()
    ]


def _models(annotation: Any, value: Any, tag: str = "") -> Tagged:
    """Every model inside an annotation, with the tag that chooses it; an extra with `chosen` chooses by the value itself."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(tag or _own_tag(annotation), annotation)]
    if origin is typing.Annotated:
        inner, *extras = get_args(annotation)
        for extra in extras:
            if choose := getattr(extra, "chosen", None):
                return [("", model)] if (model := choose(value)) else []
        return _models(inner, value, next((extra.tag for extra in extras if isinstance(extra, Tag)), tag))
    if origin in (typing.Union, types.UnionType, list, dict):
        return [found for inner in get_args(annotation) for found in _models(inner, value)]
    return []


def _own_tag(model: type[BaseModel]) -> str:
    """The one word that a discriminator field allows."""
    for name in ("kind", "measure"):
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            return str(get_args(field.annotation)[0])
    return ""
