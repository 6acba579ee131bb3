"""What goes into an image, and what its tag says."""

import io
import tarfile
from pathlib import Path

import pytest

import chaos
from chaos.clients import images
from chaos.errors import DockerError

PACKAGE = Path(chaos.__file__).parent


def test_the_shop_is_made_of_its_own_files_alone():
    files = images.shop_files(PACKAGE)
    assert {"Dockerfile", "chaos/__init__.py", "chaos/shop/__main__.py", "chaos/shop/checkout.py"} <= set(files)
    assert all(name in {"Dockerfile", "chaos/__init__.py"} or name.startswith("chaos/shop/") for name in files)


def test_the_tag_changes_with_any_file_and_with_nothing_else():
    files = {"Dockerfile": b"FROM x", "a.py": b"1"}
    tag = images.tag_of("shop", files)
    assert tag == images.tag_of("shop", dict(reversed(files.items())))
    assert tag != images.tag_of("shop", {**files, "a.py": b"2"})
    assert tag != images.tag_of("shop", {"Dockerfile": b"FROM x", "b.py": b"1"})
    assert tag.startswith("shop:")


def test_equal_files_are_an_equal_archive():
    files = {"b": b"2", "a": b"1"}
    assert images._tar(files) == images._tar(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(images._tar(files))) as archive:
        assert {each.name: archive.extractfile(each).read() for each in archive} == files


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_image_is_built_once_and_a_broken_one_is_told():
    files = images.shop_files(PACKAGE)
    tag = images.tag_of("gameday-shop", files)
    images.build(tag, files, tell=lambda _: None)
    assert images.there(tag)
    said = []
    images.build(tag, files, tell=said.append)
    assert said == [f"image {tag} is there"]
    with pytest.raises(DockerError, match="could not build"):
        images.build("gameday-broken:1", {"Dockerfile": b"FROM scratch\nCOPY nothing /\n"}, tell=said.append)
    assert not images.there("gameday-broken:1")
