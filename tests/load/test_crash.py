from pathlib import Path

import pytest

from chaos.load.crash import explain

FILE = Path("scenarios/load/shop.py")
CRASH = """[2026-01-05] INFO: starting
Traceback (most recent call last):
  File "/x/locust/main.py", line 5, in main
    load()
  File "/y/scenarios/load/shop.py", line 12, in <module>
    import helpers
  File "/y/scenarios/load/helpers.py", line 3, in <module>
    nonsense
NameError: name 'nonsense' is not defined
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (CRASH, "scenarios/load/shop.py:12: the locustfile crashed: NameError: name 'nonsense' is not defined"),
        ("ERROR/locust.main: No User class found!\n", "has no user class"),
        ("something\nCould not bind\n\n", "Locust ended: Could not bind"),
        ("", "Locust ended without a word"),
    ],
)
def test_one_line_says_what_happened_and_where(log, words):
    assert words in explain(FILE, log)


def test_the_last_crash_counts():
    other = CRASH.replace("NameError: name 'nonsense' is not defined", "requests.exceptions.InvalidURL: bad")
    assert "InvalidURL: bad" in explain(FILE, CRASH + other)
