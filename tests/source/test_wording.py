from typing import Annotated, Literal

import pytest
from pydantic import Discriminator, Field, Tag, ValidationError

from chaos import source
from chaos.model.base import Id, Model
from chaos.model.units import Duration, Percent, Rate, Size


class Cat(Model):
    kind: Literal["cat"]
    naps: Duration


class Dog(Model):
    kind: Literal["dog"]
    barks: int


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Walk(Model):
    walk: Pet
    until: Annotated[Duration | None, Field(alias="for")] = None


class Rest(Model):
    rest: Duration
    moods: list[Literal["calm", "tired"]] = []


def which(value):
    return next((key for key in ("walk", "rest") if isinstance(value, dict) and key in value), None)


Step = Annotated[
    Annotated[Walk, Tag("walk")] | Annotated[Rest, Tag("rest")],
    Discriminator(which, custom_error_type="step_kind", custom_error_message="a step needs exactly one of walk, rest"),
]


class Home(Model):
    id: Id
    steps: list[Step] = []
    share: Percent = 1.0
    rate: Rate = 1.0
    size: Size = 1
    pets: dict[Id, Pet] = {}
    level: Annotated[int, Field(ge=1, le=3)] = 1
    open: bool = True
    mood: Literal["calm", "tired"] = "calm"
    names: Annotated[list[str], Field(min_length=1)] = ["x"]


def told(text: str) -> list[str]:
    document = source.parse(text.encode(), "f.yaml")
    with pytest.raises(ValidationError) as refused:
        Home.model_validate(document.value)
    return [str(problem) for problem in source.problems(document, refused.value, Home)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "f.yaml:1:1: id: is missing"),
        ("id: a\nlevle: 2", "f.yaml:2:1: levle: unknown key; did you mean level?"),
        (
            "id: a\nzzz: 2",
            "f.yaml:2:1: zzz: unknown key; known here: id, level, mood, names, open, pets, rate, share, size, steps",
        ),
        ("id: Bad_One", "f.yaml:1:5: id: 'Bad_One': use lower-case letters, digits and dashes only, at most 63 of them"),
        ("id: 5", "f.yaml:1:5: id: expected text, found 5; put it in quotes"),
        ("id: a\nshare: 99", "f.yaml:2:8: share: write a percentage with its sign, for example 99.5%"),
        ("id: a\nrate: 20", "f.yaml:2:7: rate: write a rate with its unit, for example 20/s or 90/m"),
        ("id: a\nsize: 20", "f.yaml:2:7: size: write a size with its unit, for example 64kB or 1MiB"),
        ("id: a\nlevel: 9", "f.yaml:2:8: level: must be at most 3"),
        ("id: a\nlevel: many", "f.yaml:2:8: level: expected a whole number, found 'many'"),
        ("id: a\nlevel: 1.5", "f.yaml:2:8: level: expected a whole number, found 1.5"),
        ("id: a\nopen: yes", "f.yaml:2:7: open: expected true or false, found 'yes'"),
        ("id: a\nmood: clam", "f.yaml:2:7: mood: 'clam' is not one of calm, tired; did you mean calm?"),
        ("id: a\nnames: []", "f.yaml:2:8: names: needs at least 1"),
        ("id: a\nnames: x", "f.yaml:2:8: names: expected a list, found 'x'; write [x]"),
        ("id: a\nnames:", "f.yaml:2:7: names: expected a list, found nothing"),
        ("id: a\npets: {tom: {kind: kat, naps: 1s}}", "f.yaml:2:20: kind: 'kat' is not known; did you mean cat?"),
        ("id: a\npets: {tom: {kind: cat, nasp: 1s}}", "f.yaml:2:25: nasp: unknown key; did you mean naps?"),
        ("id: a\npets: {tom: {kind: cat}}", "f.yaml:2:13: naps: is missing"),
        ("id: a\npets: {tom: {naps: 1s}}", "f.yaml:2:13: kind: is missing; known: cat, dog"),
        ("id: a\npets: {tom: 5}", "f.yaml:2:13: tom: expected a mapping (key: value), found 5"),
        ("id: a\nsteps:\n  - {rest: 1:30}", "f.yaml:3:12: rest: write a number with a unit (ms, s, m, h, d), for example 30s"),
        ("id: a\nsteps:\n  - {rest: 1s, moods: [no]}", "f.yaml:3:24: moods: 'no' is not one of calm, tired"),
        ("id: a\nsteps:\n  - {rset: 1s}", "f.yaml:3:6: rset: unknown key; did you mean rest?"),
        ("id: a\nsteps:\n  - {sleep: 1s}", "f.yaml:3:5: a step needs exactly one of walk, rest"),
        (
            "id: a\nsteps:\n  - {walk: {kind: dog, barks: 1, name: x}}",
            "f.yaml:3:34: name: unknown key; known here: barks, kind",
        ),
        (
            "id: a\nsteps:\n  - {walk: {kind: dog, barks: 1}, for: 5}",
            "f.yaml:3:40: for: write a number with a unit (ms, s, m, h, d)",
        ),
        ("id: a\nsteps:\n  - {walk: {kind: dog, barks: 1}, fro: 5s}", "f.yaml:3:35: fro: unknown key; did you mean for?"),
        ("- id: a", "f.yaml:1:1: file: expected a mapping (key: value), found a list"),
    ],
)
def test_a_mistake_is_told_in_words_at_its_place(text, problem):
    assert any(each.startswith(problem) for each in told(text)), told(text)


def test_all_mistakes_are_told_at_once_in_their_order():
    lines = told("id: A\nlevel: 9\nshare: 5\nopen: no\nlevel: 1")
    assert [line.split(" ")[0] for line in lines] == ["f.yaml:1:5:", "f.yaml:2:8:", "f.yaml:3:8:", "f.yaml:4:7:", "f.yaml:5:1:"]


def test_a_flaw_of_the_yaml_is_not_repeated_as_a_mistake_of_the_model():
    assert told("id: a\nlevel: 010") == [
        "f.yaml:2:8: 010: a number with a leading zero means different things to different readers"
    ]


@pytest.mark.parametrize("jargon", ["Input", "pydantic", "extra_forbidden", "tagged", "union", "str_type"])
def test_no_word_of_the_library_reaches_people(jargon):
    text = "\n".join(told("id: 5\nlevel: x\npets: {tom: 5}\nsteps: [5]\nopen: 1\nnames: {a: 1}\nrate: []\nzzz: 1"))
    assert jargon not in text


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("latncy", ["latency", "pod-kill"], "did you mean latency?"),
        ("LATENCY", ["latency"], "did you mean latency?"),
        ("SEV-9", ["SEV-1", "SEV-2"], ""),
        ("zzz", ["latency"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_word_is_offered_only_where_one_is_nearest(word, known, hint):
    assert source.nearest(word, known) == hint
