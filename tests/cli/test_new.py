import pytest


def test_a_sample_becomes_a_scenario_of_ones_own_that_is_valid(gameday, empty):
    answer = gameday("new", "my-first")
    assert answer.code == 0, answer.err
    assert sorted(str(path.relative_to(empty)) for path in empty.rglob("*") if path.is_file()) == [
        "scenarios/.schema/experiment.json",
        "scenarios/.schema/scenario.json",
        "scenarios/.schema/service.json",
        "scenarios/load/shop.py",
        "scenarios/my-first.yaml",
        "scenarios/services/checkout.yaml",
    ]
    text = (empty / "scenarios/my-first.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=.schema/scenario.json\nformat: scenario/v1\nid: my-first\n")
    assert text.count("yaml-language-server") == 1
    assert gameday("validate", "scenarios").code == 0


def test_what_is_there_is_kept(gameday, empty):
    gameday("new", "one")
    service = empty / "scenarios/services/checkout.yaml"
    service.write_text(service.read_text().replace("team: Payments", "team: Ours"))
    assert gameday("new", "one").code == 2
    assert gameday("new", "two").code == 0
    assert "team: Ours" in service.read_text()
    assert gameday("new", "two", "--force").code == 0
    assert "team: Ours" not in service.read_text()


@pytest.mark.parametrize("name", ["Bad_Name", "../x", "-x", "a" * 64, "x\n"])
def test_a_name_that_is_no_id_is_refused(gameday, empty, name):
    assert gameday("new", "--", name).code == 2
    assert not list(empty.iterdir())


def test_an_unknown_sample_names_the_nearest(gameday, empty):
    assert "did you mean flash-sale?" in gameday("new", "x", "--from", "flash-sal").err


def test_every_shipped_scenario_can_be_begun_with(gameday, empty):
    from chaos.catalogue import ids

    for number, sample in enumerate(ids("scenarios")):
        assert gameday("new", f"s-{number}", "--from", sample).code == 0
    assert gameday("validate", "scenarios", "-q").code == 0


def test_a_folder_that_cannot_be_written_is_not_ready(gameday, empty):
    (empty / "file").touch()
    assert gameday("new", "x", "--into", "file/below").code == 5
