import functools
import json
import subprocess
import sys

import jsonschema
import pytest
import yaml

from chaos.catalogue import shipped
from chaos.cli.schema import FOLDER, KINDS

FILES = {
    "scenario": sorted((shipped() / "scenarios").glob("*.yaml")),
    "experiment": sorted((shipped() / "experiments").glob("*.yaml")),
    "service": sorted((shipped() / "scenarios/services").glob("*.yaml")),
}


@functools.cache
def schema(kind):
    return json.loads((FOLDER / f"{kind}.json").read_text())


@functools.cache
def validator(kind):
    return jsonschema.Draft202012Validator(schema(kind))


def test_the_schemas_are_current(tmp_path):
    subprocess.run([sys.executable, "-m", "chaos.cli.schema", str(tmp_path)], check=True, timeout=60)
    for kind in KINDS:
        assert (tmp_path / f"{kind}.json").read_text() == (FOLDER / f"{kind}.json").read_text(), "run: make schema"


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_json_schemas_with_words_for_people(kind):
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["additionalProperties"] is False
    assert "description" in json.dumps(schema(kind))


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in FILES.items() for path in paths], ids=str)
def test_they_accept_what_is_shipped(kind, path):
    value = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    validator(kind).validate(value)


def test_they_refuse_what_is_wrong():
    value = json.loads(json.dumps(yaml.safe_load(FILES["scenario"][0].read_text()), default=str))
    for wrong in ({**value, "titel": "x"}, {**value, "severity": "SEV-9"}, {**value, "load": {**value["load"], "rate": 20}}):
        with pytest.raises(jsonschema.ValidationError):
            validator("scenario").validate(wrong)


def test_the_command_prints_and_writes_them(gameday, empty):
    assert json.loads(gameday("schema", "service").out) == schema("service")
    assert gameday("schema", "--write", "here").code == 0
    assert sorted(path.name for path in (empty / "here").iterdir()) == ["experiment.json", "scenario.json", "service.json"]
    (empty / "file").touch()
    assert gameday("schema", "--write", "file/here").code == 5
