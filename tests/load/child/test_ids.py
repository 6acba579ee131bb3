import json

from hypothesis import given
from hypothesis import strategies as st

from chaos.load.child.ids import Ids


def read(lines: list[str]) -> list[dict]:
    return [json.loads(line) for line in lines]


def test_ids_are_told_when_sent_and_when_acknowledged_with_what_the_customer_was_told():
    ids = Ids()
    context = {"transaction": "buy", "id": "a1", "total": 4200, "note": None}
    ids.add(context, "buy", 100.5, "sent")
    ids.add(context, "buy", 100.75, "acknowledged")
    lines = ids.take()
    assert read(lines["attempted"]) == [{"id": "a1", "transaction": "buy", "mono": 100.5, "outcome": "sent"}]
    (acknowledged,) = read(lines["acknowledged"])
    assert (acknowledged["degraded"], acknowledged["told"], acknowledged["mono"]) == (False, {"total": 4200}, 100.75)
    assert ids.take() == {"acknowledged": [], "attempted": []}


def test_an_id_that_only_the_answer_knows_is_told_with_it():
    ids, context = Ids(), {"transaction": "buy"}
    ids.add(context, "buy", 100.5, "sent")
    context["id"] = "from the server"
    ids.add(context, "buy", 100.5, "acknowledged")
    lines = ids.take()
    assert lines["attempted"] == []
    assert read(lines["acknowledged"])[0]["id"] == "from the server"


@given(st.text(), st.text(), st.floats(min_value=0, max_value=1e9))
def test_any_name_and_id_make_one_line_of_json(key, name, moment):
    ids = Ids()
    ids.add({"id": key}, name, moment, "sent")
    (line,) = ids.take()["attempted"]
    assert line.count("\n") == 1
    entry = json.loads(line)
    assert (entry["id"], entry["transaction"]) == (key, name)
    assert abs(entry["mono"] - moment) < 1e-6
