"""An API server that misbehaves: one verb, in one phase of a run, in one of fourteen ways; for a while, or for good.

A run must end clean, or say that it is not: an exit code that reads as clean while something is left is the failure.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.ground import FAULTS, Ground, Runner
from harness.traps import is_act, progress
from harness.wire import Exchange, Hangup, Request, Wire

VERBS = ("list", "get", "create", "patch", "delete", "watch", "renew", "review")
PHASES = ("plan", "inject", "hold", "undo", "verify")
_BELOW = re.compile(r"^/(api|apis/[^/]+)/v[0-9a-z]+/(namespaces/[^/]+/(?=.))?")
"""What comes before the resource's own name in a path."""
HOLD = 0.8  # seconds, as `FAULTS` say
FOR_A_WHILE = 3  # requests
RUN_WITHIN = 120.0
_STRUCK_BY = {"list": "pod-kill", "create": "latency", "delete": "latency"}
"""The fault with which a verb is met in most phases; `scale-to-zero` else."""


def _status(code: int, reason: str, **headers: str) -> Callable[[Exchange], None]:
    def answer(exchange: Exchange) -> None:
        exchange.say(code, reason, headers={key.replace("_", "-"): value for key, value in headers.items()})

    return answer


def _silent(seconds: float) -> Callable[[Exchange], None]:
    def wait(exchange: Exchange) -> None:
        time.sleep(seconds)
        raise Hangup

    return wait


def _slow(exchange: Exchange) -> None:
    answer = exchange.forward()
    time.sleep(30)  # its client has long given up; the server did it all the same
    exchange.answer(*answer)


def _reset_before(_: Exchange) -> None:
    raise Hangup


def _reset_after(exchange: Exchange) -> None:
    exchange.forward()
    raise Hangup


def _truncated(exchange: Exchange) -> None:
    status, headers, body = exchange.forward()
    exchange.answer(status, headers, body[: len(body) // 2])


def _not_http(exchange: Exchange) -> None:
    exchange.answer(0, {}, b"\x15\x03\x01\x00\x02\x02\x28")  # a TLS alert, where an answer was expected


WAYS: dict[str, Callable[[Exchange], None]] = {
    "429": _status(429, "TooManyRequests", Retry_After="1"),
    "500": _status(500, "InternalError"),
    "503": _status(503, "ServiceUnavailable"),
    "hang": _silent(5),
    "reset-before": _reset_before,
    "reset-after": _reset_after,
    "truncated": _truncated,
    "401": _status(401, "Unauthorized"),
    "403": _status(403, "Forbidden"),
    "404": _status(404, "NotFound"),
    "409": _status(409, "Conflict"),
    "410": _status(410, "Expired"),
    "tls": _not_http,
    "slow": _slow,
}


def verb_of(request: Request) -> str:
    path = request.path.partition("?")[0]
    if request.is_review:
        return "review"
    if "watch=" in request.path:
        return "watch"
    if "/leases" in path and request.method in ("PATCH", "PUT"):
        return "renew"
    whole = {"POST": "create", "PATCH": "patch", "PUT": "patch", "DELETE": "delete"}
    if request.method == "GET":
        below = _BELOW.sub("", path)
        return "get" if "/" in below or path == "/version" else "list"
    return whole[request.method]


@dataclass
class Phases:
    """Which phase a run is in, seen from outside: by its ledger, and by the clock while the fault holds."""

    runner: Runner
    kind: str
    undone: int
    _begun: bool = False

    def of(self, request: Request) -> str:
        if self.runner.ledger is None:
            return "verify" if self._begun else "plan"
        self._begun = True
        seen = progress(self.runner, self.kind)
        if seen.undone >= self.undone:
            return "verify"
        if not seen.applied:
            return "inject"
        holds = not (is_act(request) or seen.undone) and _age(self.runner.ledger) < HOLD / 2
        return "hold" if holds else "undo"


def _age(ledger: Path | None) -> float:
    """Seconds since its last line, which while a fault holds says that it is in effect."""
    try:
        return time.time() - ledger.stat().st_mtime if ledger else 0.0
    except FileNotFoundError:
        return 0.0


@dataclass
class Trouble:
    """One cell, and what came of it."""

    verb: str
    phase: str
    way: str
    for_good: bool
    kind: str
    reached: int = 0  # requests that were met
    code: int | None = None
    left: list[str] = field(default_factory=list)  # when the run had ended
    left_at_last: list[str] = field(default_factory=list)  # when the API was well again and `recover` had been run
    recover_code: int | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def false_clean(self) -> bool:
        return bool(self.left) and self.code != 4

    @property
    def stuck(self) -> bool:
        return self.code is None

    @property
    def good(self) -> bool:
        return not (self.false_clean or self.stuck or self.left_at_last)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def cells() -> list[tuple[str, str, str]]:
    return [(verb, phase, way) for verb in VERBS for phase in PHASES for way in WAYS]


def meet(ground: Ground, folder: Path, cell: tuple[str, str, str], *, undone: dict[str, int], for_good: bool) -> Trouble:
    """One run against an API server that misbehaves in this way."""
    verb, phase, way = cell
    kind = "pod-kill" if (verb, phase) == ("delete", "inject") else _STRUCK_BY.get(verb, "scale-to-zero")
    trouble = Trouble(verb, phase, way, for_good, kind)
    runner = Runner(ground, Wire(ground.server), folder)
    phases = Phases(runner, kind, undone[kind])

    def rule(exchange: Exchange) -> None:
        due = verb_of(exchange.request) == verb and phases.of(exchange.request) == phase
        if due and (for_good or trouble.reached < FOR_A_WHILE):
            trouble.reached += 1
            WAYS[way](exchange)
        else:
            exchange.answer(*exchange.forward())

    runner.wire.rule = rule
    started = time.monotonic()
    runner.start(FAULTS[kind])
    try:
        _wait(runner, trouble)
        trouble.seconds = round(time.monotonic() - started, 2)
        _judge(ground, runner, trouble)
    finally:
        runner.end()
    if trouble.good:
        shutil.rmtree(folder, ignore_errors=True)
    return trouble


def _wait(runner: Runner, trouble: Trouble) -> None:
    try:
        trouble.code = runner.process.wait(RUN_WITHIN)
    except subprocess.TimeoutExpired:
        trouble.note = "still at work"


def _judge(ground: Ground, runner: Runner, trouble: Trouble) -> None:
    trouble.left = ground.left(1.5 if trouble.code == 4 else 8.0)
    if trouble.left or trouble.code == 4:
        trouble.note = runner.said()[-1500:]
    runner.wire.rule = lambda exchange: exchange.answer(*exchange.forward())
    if trouble.code == 4:
        trouble.recover_code = runner.gameday("recover").wait(60)
    trouble.left_at_last = ground.left(10.0)
