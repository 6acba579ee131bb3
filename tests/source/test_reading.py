import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos import source
from chaos.errors import BadInput, Problem
from chaos.source import reading


def value(text: str):
    return source.parse(text.encode(), "f.yaml").value


def flaws(text: str) -> list[str]:
    return [str(flaw) for flaw in source.parse(text.encode(), "f.yaml").flaws]


def refusal(content: bytes) -> str:
    with pytest.raises(BadInput) as refused:
        source.parse(content, "f.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-11-27", "2026-11-27"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("10", 10),
        ("-3", -3),
        ("1e3", 1000.0),
        ("1.50", 1.5),
        (".5", 0.5),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("1.2.3", "1.2.3"),
        ("99.5%", "99.5%"),
        ("=", "="),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written, meant):
    found = value(f"key: {written}")["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize("key", ["on", "no", "1", "true", "null", "1:30"])
def test_keys_stay_as_they_are_written(key):
    assert list(value(f"{key}: x")) == [key]


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: a: given twice; first in line 1"),
        ("a: &x 1", "f.yaml:1:4: &x: anchors are not used here; write each value out"),
        ("a: &x 1\nb: *x", "f.yaml:2:4: *x: aliases are not used here; write the value out"),
        ("a: !!str 1", "f.yaml:1:4: tag:yaml.org,2002:str: tags are not used here; leave it out"),
        ("a: !python/object:os.system x", "f.yaml:1:4: !python/object:os.system: tags are not used here; leave it out"),
        ("a: {<<: {b: 1}}", "f.yaml:1:5: <<: merge keys are not used here; write each value out"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document; write one document a file"),
        ("%YAML 1.1\n---\na: 1", "f.yaml:1:1: a YAML directive; leave it out"),
        ("a: 010", "f.yaml:1:4: 010: a number with a leading zero means different things to different readers"),
        ("a: 1e999", "f.yaml:1:4: 1e999: too large for a number"),
        ("?\n: 1", "f.yaml:1:2: a key is missing before the colon"),
    ],
)
def test_what_people_would_be_surprised_by_is_told_where_it_stands(text, flaw):
    assert flaw in flaws(text)


def test_a_number_of_many_digits_is_refused_before_it_is_computed():
    assert "more than 30 characters" in flaws("a: " + "9" * 5000)[0]


def test_all_flaws_are_told_at_once():
    assert len(flaws("a: &x 1\nb: *x\na: 2\nc: 010")) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "f.yaml: is empty"),
        (b"# only a comment\n", "f.yaml: is empty"),
        (b"a: 1\nb: \xff\n", "f.yaml:2:4: is not UTF-8"),
        (b"a: x\0y", "f.yaml:1:5: a NUL byte"),
        (b"a: \x1b[31m", "f.yaml:1:4: the control character U+001B"),
        (b"a:\n\tb: 1", "f.yaml:2:1: a tab; YAML is indented with spaces"),
        (b"a: b: c", "f.yaml:1:5: is not YAML: mapping values are not allowed"),
        (b"a: [1", "is not YAML"),
        (b"a: *x", "aliases are not used here"),
        (b"? [a, b]\n: 1", "f.yaml:1:3: a key must be plain text"),
        (b"x" * (source.MAX_BYTES + 1), "larger than 256 KB"),
        (b"[" * 40 + b"]" * 40, "f.yaml:1:34: nested more than 32 levels deep"),
        (b"[" * 100_000, "nested more than 32 levels deep"),
        (b"[" + b"1," * 30_000 + b"]", "more than 20000 values"),
    ],
)
def test_what_is_no_such_file_is_refused(content, words):
    if b"*x" in content:
        assert words in str(source.parse(content, "f.yaml").flaws[0])
    else:
        assert words in refusal(content)


def test_an_alias_bomb_is_refused_without_expanding_it():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
    )
    assert "anchors are not used here" in flaws(bomb)[0]


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert value("\ufeffa: 1") == {"a": 1}


def test_every_value_and_key_has_its_place():
    document = source.parse(b"a:\n  - x\n  - {b: 1}\n", "f.yaml")
    assert document.where(("a", 1, "b")) == (3, 9)
    assert document.where(("a", 1, "b"), key=True) == (3, 6)
    assert document.where(("a", 1, "gone")) == (3, 5)
    assert document.where(("nowhere",)) == (1, 1)


@pytest.mark.parametrize("kind", ["missing", "folder", "unreadable"])
def test_a_file_that_cannot_be_read_says_why(tmp_path, kind):
    path = tmp_path / "f.yaml"
    if kind == "folder":
        path.mkdir()
    if kind == "unreadable":
        path = path / "\0"
    with pytest.raises(BadInput) as refused:
        source.read(path, shown="f.yaml")
    assert isinstance(refused.value.problems[0], Problem)
    assert refused.value.problems[0].path == "f.yaml"


def test_the_pure_python_parser_reads_the_same(monkeypatch):
    text = "a: [1, no, {b: 1:30}]\nc: >-\n  folded\n  text\nd: 'x'\n"
    fast = source.parse(text.encode(), "f.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader")
    slow = source.parse(text.encode(), "f.yaml")
    assert (slow.value, slow.places, slow.keys) == (fast.value, fast.places, fast.keys)


def _only_plain_data(found) -> bool:
    if isinstance(found, dict):
        return all(isinstance(key, str) and _only_plain_data(each) for key, each in found.items())
    if isinstance(found, list):
        return all(map(_only_plain_data, found))
    return found is None or isinstance(found, str | int | float | bool)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_either_plain_data_or_bad_input(content):
    try:
        document = source.parse(content, "f.yaml")
    except BadInput:
        return
    assert _only_plain_data(document.value)


YAML_BITS = st.sampled_from(
    [*"{}[]:,-?&*!|>'\"%@`# \n\t", "a", "b", "- ", ": ", "\n  ", "<<", "&x", "*x", "!!int", "---", "...", "0", "1e9"]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(YAML_BITS, max_size=40).map("".join))
def test_any_yaml_like_text_is_either_plain_data_or_bad_input(text):
    try:
        document = source.parse(text.encode(), "f.yaml")
    except BadInput:
        return
    assert _only_plain_data(document.value)
    assert all(line >= 1 and column >= 1 for line, column in document.places.values())


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1, max_size=4), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_what_a_yaml_1_2_writer_wrote_is_read_back(data):
    import json

    assert source.parse(json.dumps(data).encode(), "f.yaml").value == data


def test_limits_are_those_that_the_text_speaks_of():
    assert (reading.MAX_BYTES, reading.MAX_DEPTH) == (256 * 1024, 32)
