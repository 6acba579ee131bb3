"""Who may be struck: fingerprints in the state folder and in the environment, and nothing else."""

import json
import stat

import pytest

from chaos import trust
from chaos.errors import BadInput, NotReady
from chaos.model.run import Environment

CLUSTER = Environment(kind="cluster", name="staging", fingerprint="a" * 32)
KIND = Environment(kind="kind", name="kind-gameday", fingerprint="b" * 32)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("GAMEDAY_TRUST", raising=False)
    return tmp_path / "state"


def test_nothing_is_trusted_at_first_but_the_sandbox():
    assert trust.trusted() == []
    assert not trust.is_trusted(CLUSTER)
    assert not trust.is_trusted(KIND)
    assert trust.is_trusted(Environment(kind="sandbox", name="sandbox", fingerprint="c" * 32))
    assert trust.is_trusted(Environment(kind="none", name="none"))


def test_a_cluster_is_trusted_by_fingerprint_whatever_its_context_is_called():
    trust.add(CLUSTER, how="asked", when="2026-01-05")
    assert trust.is_trusted(CLUSTER.model_copy(update={"name": "renamed"}))
    assert not trust.is_trusted(CLUSTER.model_copy(update={"fingerprint": "d" * 32}))
    trust.require(CLUSTER)


def test_a_cluster_that_is_not_trusted_is_bad_input_with_the_way_out():
    with pytest.raises(BadInput, match=r"staging .*aaaa.* gameday trust --on staging"):
        trust.require(CLUSTER)


def test_a_cluster_without_a_fingerprint_is_never_trusted(monkeypatch):
    nameless = CLUSTER.model_copy(update={"fingerprint": ""})
    monkeypatch.setenv("GAMEDAY_TRUST", ",")
    assert not trust.is_trusted(nameless)
    with pytest.raises(BadInput):
        trust.add(nameless, how="asked")


def test_ci_names_fingerprints_in_the_environment(monkeypatch):
    monkeypatch.setenv("GAMEDAY_TRUST", f" {'e' * 32} , {CLUSTER.fingerprint}")
    assert trust.is_trusted(CLUSTER)
    assert not trust.is_trusted(KIND)
    assert [each.how for each in trust.trusted()] == ["environment", "environment"]


def test_removed_by_name_or_by_fingerprint():
    trust.add(CLUSTER, how="asked")
    trust.add(KIND, how="made")
    assert [each.name for each in trust.remove("kind-gameday")] == ["kind-gameday"]
    assert trust.remove("kind-gameday") == []
    assert not trust.is_trusted(KIND)
    assert trust.remove(CLUSTER.fingerprint)
    assert trust.trusted() == []


def test_what_we_made_stays_ours_when_somebody_trusts_it_again():
    trust.add(KIND, how="made", when="2026-01-05")
    trust.add(KIND, how="asked", when="2026-02-01")
    assert trust.made_by_us(KIND.fingerprint)
    assert len(trust.trusted()) == 1
    trust.add(CLUSTER, how="asked")
    assert not trust.made_by_us(CLUSTER.fingerprint)


def test_the_file_is_for_its_owner_and_says_its_format(state):
    trust.add(KIND, how="made")
    path = state / "trust.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["format"] == "trust/v1"
    assert list(state.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"trusted": [{"name": "x"}]}', '{"trusted": 5}'])
def test_a_broken_file_trusts_nothing_and_says_so(state, text):
    state.mkdir()
    (state / "trust.json").write_text(text)
    with pytest.raises(BadInput, match="not readable"):
        trust.is_trusted(CLUSTER)


def test_a_state_folder_that_cannot_be_written_is_not_ready(state):
    state.write_text("a file where the folder should be")
    with pytest.raises(NotReady, match="cannot"):
        trust.add(KIND, how="made")


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("prod", True),
        ("eu-PROD-1", True),
        ("gke_acme_production", True),
        ("live", True),
        ("products", False),
        ("delivery", False),
    ],
)
def test_names_that_say_production(name, is_it):
    assert trust.looks_like_production(name) is is_it
