"""A fingerprint of digits and one e is a text, whichever YAML reads it."""

import pytest

from chaos.source import dump, read


@pytest.mark.parametrize("text", ["8974666e8380", "123456789012", "1e5", "0x12", "-3", ".5", "2026-01-01"])
def test_a_text_that_looks_like_a_number_stays_a_text(text, tmp_path):
    path = tmp_path / "item.yaml"
    path.write_text(dump({"fingerprint": text}))
    assert read(path).value == {"fingerprint": text}
