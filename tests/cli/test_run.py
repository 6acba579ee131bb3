import json
from types import SimpleNamespace

import pytest

from chaos.cli.run import Suite
from chaos.errors import BadInput, GamedayError, NotReady
from chaos.model.events import Event, Stop
from chaos.model.verdict import Verdict


def stopped_by(reason):
    payload = Stop(reason=reason, detail="").as_json()
    return Event(seq=1, mono=0, wall="", source="engine", kind="stop", payload=payload)


class Scripted(Suite):
    """A suite whose runs end as the script says: an exit code, an error to raise, or who stopped it."""

    def __init__(self, script):
        super().__init__(place=None, options=None)
        self.script = script

    def show(self, story):
        ending = self.script[story.id]
        if isinstance(ending, Exception):
            raise ending
        if isinstance(ending, str):
            self._noticing(lambda _: None)(stopped_by(ending))
            ending = 3
        outcome = {0: "held", 1: "breached"}.get(ending, "inconclusive")
        verdict = Verdict(run=f"run-{story.id}", scenario=story.id, service="s", outcome=outcome, exit_code=ending, rows=[])
        return SimpleNamespace(verdict=verdict, folder=f"reports/run-{story.id}", exit_code=ending)


def played(*, keep_going=False, **script):
    suite = Scripted(script)
    suite.play([SimpleNamespace(id=name, title="") for name in script], keep_going=keep_going)
    return suite


def outcomes(suite):
    return [row["outcome"] for row in suite.rows]


@pytest.mark.parametrize(
    ("script", "worst"),
    [
        ({"a": 0, "b": 0}, 0),
        ({"a": 0, "b": 3}, 3),
        ({"a": 3, "b": 1}, 1),
        ({"a": 1, "b": 3, "c": 0}, 1),
        ({"a": NotReady("x"), "b": 3}, 3),
        ({"a": NotReady("x"), "b": 0}, 5),
        ({"a": BadInput("x"), "b": NotReady("y")}, 2),
        ({"a": 1, "b": 4, "c": 0}, 4),
    ],
)
def test_the_worst_code_wins(script, worst):
    assert played(keep_going=True, **script).exit_code == worst


def test_it_stops_at_the_first_one_that_did_not_hold_unless_told_otherwise():
    assert outcomes(played(a=0, b=1, c=0)) == ["held", "breached", "not run"]
    assert outcomes(played(keep_going=True, a=0, b=1, c=0)) == ["held", "breached", "held"]


@pytest.mark.parametrize("why", ["signal", "kill-switch", "operator"])
def test_when_people_stop_it_the_next_one_does_not_start(why):
    assert outcomes(played(keep_going=True, a=why, b=0)) == ["inconclusive", "not run"]


def test_a_stop_condition_does_not_end_the_suite():
    assert outcomes(played(keep_going=True, a="stop-condition", b=0)) == ["inconclusive", "held"]


def test_nothing_starts_on_what_is_left_over():
    assert outcomes(played(keep_going=True, a=4, b=0))[1] == "not run"


def test_our_own_crash_ends_the_suite():
    with pytest.raises(GamedayError):
        played(keep_going=True, a=GamedayError("odd"), b=0)


def test_the_summary_counts_what_held():
    text = played(keep_going=True, a=0, b=1).summary()
    assert "1 of 2 held" in text
    assert "run-a" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing-known",), 2, "is no file, and no scenario or experiment known here"),
        (("flash-sal",), 2, "did you mean flash-sale?"),
        (("gone.yaml",), 2, "gone.yaml: there is no such file"),
        (("flash-sale", "--on", "none", "--url", "ftp://x"), 2, "begin with http:// or https://"),
        (("flash-sale", "--tag", "no-such-tag"), 2, "none of the files is tagged no-such-tag"),
        (("flash-sale", "--on", "sandbox"), 5, "there is no sandbox; start one: gameday sandbox up"),
    ],
)
def test_what_cannot_run_is_told_before_anything_is_touched(gameday, empty, monkeypatch, arguments, code, words):
    monkeypatch.setenv("GAMEDAY_STATE", str(empty / "state"))
    answer = gameday("run", *arguments)
    assert (answer.code, words in answer.err) == (code, True), answer.err
    assert not (empty / "reports").exists()


def test_json_is_one_array(gameday, empty, monkeypatch):
    monkeypatch.setattr(Suite, "play", lambda self, stories, keep_going: self.rows.append({"scenario": "x", "exit_code": 1}))
    monkeypatch.setattr("chaos.cli.run.connect", lambda *_: None)
    answer = gameday("run", "flash-sale", "--json")
    assert json.loads(answer.out) == [{"scenario": "x", "exit_code": 1}]
    assert answer.code == 1
