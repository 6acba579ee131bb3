import pytest

from chaos.load.transactions import compare, read, value_at


def told(*ids: str, **fields):
    return [{"id": key, "transaction": "order", "mono": 1.0, **({"told": fields} if fields else {})} for key in ids]


def attempts(**outcomes: str):
    """id="sent refused" -> the lines of attempted.jsonl."""
    return [{"id": key, "outcome": word} for key, words in outcomes.items() for word in words.split()]


def kept(*ids: str, **fields):
    return [{"order": {"id": key}, **fields} for key in ids]


def test_all_that_was_acknowledged_and_kept_once_is_fine():
    count = compare(told("a", "b"), kept("a", "b"), "order.id")
    assert (count.acknowledged, count.stored, count.lost, count.wrong, count.unacknowledged) == (2, 2, 0, 0, 0)


def test_acknowledged_but_not_kept_is_lost():
    count = compare(told("a", "b"), kept("a"), "order.id")
    assert (count.lost, count.wrong, count.examples) == (1, 0, ["lost: b"])


def test_kept_twice_is_wrong_once():
    count = compare(told("a"), kept("a", "a"), "order.id")
    assert (count.wrong, count.duplicated, count.stored) == (1, 1, 1)


def test_kept_with_another_value_than_the_customer_was_told_is_wrong():
    assert compare(told("a", amount=42), kept("a", amount=42), "order.id").wrong == 0
    count = compare(told("a", amount=42), kept("a", amount=43), "order.id")
    assert (count.wrong, count.examples) == (1, ["kept otherwise: a: amount is 43, not 42"])
    assert compare(told("a", secret="x"), kept("a"), "order.id").wrong == 0


def test_kept_after_no_answer_is_in_doubt_and_not_wrong():
    count = compare(told(), kept("a", "b"), "order.id", attempted=attempts(a="sent unanswered", b="sent"))
    assert (count.wrong, count.unacknowledged) == (0, 2)


def test_kept_although_the_customer_was_told_no_is_wrong():
    count = compare(told(), kept("a"), "order.id", attempted=attempts(a="sent refused"))
    assert (count.wrong, count.unacknowledged) == (1, 0)


@pytest.mark.parametrize(
    ("outcomes", "wrong"), [("sent unanswered sent refused", 0), ("sent sent refused", 0), ("sent refused sent refused", 1)]
)
def test_one_attempt_without_an_answer_leaves_it_in_doubt(outcomes, wrong):
    assert compare(told(), kept("a"), "order.id", attempted=attempts(a=outcomes)).wrong == wrong


def test_refused_first_and_acknowledged_on_the_second_try_is_fine():
    count = compare(told("a"), kept("a"), "order.id", attempted=attempts(a="sent refused sent"))
    assert (count.lost, count.wrong, count.unacknowledged) == (0, 0, 0)


def test_other_peoples_transactions_do_not_count():
    count = compare(told("a"), kept("a", "from yesterday"), "order.id", attempted=attempts(a="sent"))
    assert (count.stored, count.wrong, count.unacknowledged) == (1, 0, 0)


def test_numbers_and_words_are_the_same_id():
    assert compare(told("7"), [{"id": 7}], "id").lost == 0


def test_examples_are_few():
    assert len(compare(told(*map(str, range(100))), [], "id").examples) == 10


def test_a_field_of_a_field():
    assert value_at({"order": {"id": 3}}, "order.id") == 3
    assert value_at({"order": 3}, "order.id") is None


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "acknowledged.jsonl"
    assert list(read(path)) == []
    path.write_text('{"id": "a"}\n{"id": "b')
    assert list(read(path)) == [{"id": "a"}]
