import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos import source


def read_back(value):
    document = source.parse(source.dump({"value": value}).encode(), "f.yaml")
    assert not document.flaws
    return document.value["value"]


@pytest.mark.parametrize(
    "text",
    [
        "8974666e8380",
        "1e5",
        "010",
        "0o17",
        "0x1F",
        "5",
        "-3.5",
        "true",
        "no",
        "null",
        "~",
        "",
        "1:30",
        "2026-01-01",
        "- x",
        "a: b",
        "#",
    ],
)
def test_text_stays_text(text):
    assert read_back(text) == text


def test_the_same_value_twice_is_written_out_twice():
    shared = ["x"]
    assert read_back([shared, shared]) == [["x"], ["x"]]


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(DATA)
def test_whatever_is_written_is_read_back(value):
    assert read_back(value) == value
