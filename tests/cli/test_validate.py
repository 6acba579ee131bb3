import json

import pytest

SERVICE = """\
format: service/v1
id: shop
title: Shop
team: a
owner: b
tolerances:
  - {id: answered, measure: availability, at_least: 99%}
"""


@pytest.fixture
def service(empty):
    path = empty / "services" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(SERVICE)
    return path


def test_a_right_file_is_well(gameday, service):
    answer = gameday("validate", service)
    assert (answer.code, answer.out) == (0, "1 file checked: all is well\n")
    assert gameday("validate", "-q", service).out == ""


def test_all_mistakes_of_all_files_are_told_with_their_places(gameday, service):
    service.write_text(SERVICE.replace("team: a", "taem: a").replace("99%", "99"))
    answer = gameday("validate", "services/shop.yaml", "gone.yaml")
    assert answer.code == 2
    assert answer.err.splitlines() == [
        "services/shop.yaml:1:1: team: is missing",
        "services/shop.yaml:4:1: taem: unknown key; did you mean team?",
        "services/shop.yaml:7:53: at_least: write a percentage with its sign, for example 99.5%",
        "gone.yaml: there is no such file",
        "4 mistakes; 2 files checked",
    ]


def test_mistakes_can_be_had_as_one_json_array(gameday, service):
    assert json.loads(gameday("validate", "--json", service).out) == []
    service.write_text(SERVICE.replace("team: a", "taem: a"))
    (missing, unknown) = json.loads(gameday("validate", "--json", service).out)
    assert unknown == {
        "path": "services/shop.yaml",
        "line": 4,
        "column": 1,
        "message": "taem: unknown key",
        "hint": "did you mean team?",
    }
    assert missing["message"] == "team: is missing"


def test_a_folder_stands_for_its_files(gameday, service, empty):
    assert gameday("validate", empty).out.startswith("1 file checked")
    (empty / "none").mkdir()
    assert gameday("validate", "none").code == 2


def test_everything_shipped_is_well(gameday):
    from chaos.catalogue import shipped

    answer = gameday("validate", shipped() / "scenarios", shipped() / "experiments")
    assert answer.code == 0, answer.err
