"""Where a run strikes, and what of it may be written down."""

import pytest

from chaos.engine.place import without_credentials


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://127.0.0.1:8080/shop", "http://127.0.0.1:8080/shop"),
        ("https://me:secret@shop.example:8443/", "https://shop.example:8443/"),
        ("", ""),
    ],
)
def test_credentials_of_a_url_are_left_out(url, written):
    assert without_credentials(url) == written
