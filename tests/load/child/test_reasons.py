import errno
import socket

import pytest

from chaos.load.child.reasons import reason_of


class MaxRetryError(Exception):
    """As urllib3's: the real reason is an attribute."""

    def __init__(self, reason: Exception) -> None:
        super().__init__("max retries")
        self.reason = reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (ConnectionResetError(104, "reset"), "reset"),
        (TimeoutError("slow"), "timeout"),
        (socket.gaierror(-2, "unknown"), "name not resolved"),
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable"),
        (MaxRetryError(ConnectionRefusedError(111, "refused")), "refused"),
        (KeyError("id"), "KeyError"),
        (None, "no answer"),
    ],
)
def test_what_went_wrong_is_found_below_the_libraries(error, reason):
    assert reason_of(error, 0) == reason


def test_the_cause_of_a_wrapped_error_counts():
    error = RuntimeError("the client's own words")
    error.__cause__ = ConnectionResetError(104, "reset")
    assert reason_of(error, 0) == "reset"


def test_a_status_says_more_than_the_locustfile():
    assert reason_of(ValueError("expected 201"), 503, judged=True) == "503"


def test_a_wrong_answer_is_told_in_the_locustfiles_words_made_short():
    assert reason_of(ValueError("no id\n in it"), 200, judged=True) == "wrong: no id in it"
    assert len(reason_of(ValueError("x" * 500), 200, judged=True)) <= 70


def test_no_answer_at_all_is_no_wrong_answer():
    assert reason_of(ConnectionRefusedError(111, "refused"), 0, judged=True) == "refused"


def test_errors_that_name_each_other_end():
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert reason_of(first, 0) == "ValueError"
