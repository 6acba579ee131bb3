"""Watches every request of Locust's two HTTP clients: Locust has no event for the start of a request.

`request` of both sessions is wrapped, and so is the moment when a locustfile that uses `catch_response` has made up its mind.
A request that takes longer than a customer would wait is ended here, whatever the client's own time-outs are.
"""

import inspect
import itertools
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import gevent  # noqa: TID251
from gevent import GreenletExit, getcurrent  # noqa: TID251
from locust import User, clients  # noqa: TID251
from locust.clients import HttpSession  # noqa: TID251
from locust.contrib import fasthttp  # noqa: TID251
from locust.contrib.fasthttp import FastHttpSession, FastHttpUser  # noqa: TID251
from locust.exception import CatchResponseError, ResponseError  # noqa: TID251

from chaos.load.child.reasons import reason_of
from chaos.load.child.recorder import Mark, Pending, Recorder

_REAP_EVERY = 0.05
_SESSIONS_A_SECOND = 10_000  # so many are looked at: with thousands of users, less often
_GRACE = 0.05  # the client's own time-out comes first; this is for answers that drip
_NEVER_QUICK: Mark = (0.0, "")
_VERBS = ("get", "options", "head", "post", "put", "patch", "delete")
_LARGEST_JSON = 1_000_000

Degraded = Callable[[Any], bool]


class CutOff(Exception):
    """An answer began, and broke off."""


class Watch:
    """Everything that the wrapped sessions need at hand."""

    def __init__(self, recorder: Recorder, timeout: float, degraded: Degraded | None) -> None:
        self.recorder = recorder
        self.timeout = timeout
        self.degraded = degraded
        self._overdue: set[Mark] = set()  # requests that were ended here
        self._look_at = 0.0
        self._reaper: Any = None

    def install(self, users: Iterable[type[User]]) -> None:
        """Watch both clients from now on, and end requests that are overdue."""
        original = FastHttpSession.request
        HttpSession.request = _careful(HttpSession.request, self, client_timeout=self.timeout)  # type: ignore[method-assign]
        FastHttpSession.request = _careful(original, self)  # type: ignore[method-assign]
        FastHttpUser.network_timeout = FastHttpUser.connection_timeout = self.timeout
        fasthttp.FastResponse.error = None  # type: ignore[attr-defined]  # so that asking for it is cheap
        if self.degraded is None and all(kind.context is User.context for kind in users):
            _carry(self.recorder)
            for verb in _VERBS:
                quick = _quick(original, verb.upper(), getattr(FastHttpSession, verb), self)
                setattr(FastHttpSession, verb, quick)
        for manager in (clients.ResponseContextManager, fasthttp.ResponseContextManager):
            _watch_verdict(manager, self)
        self._reaper = gevent.get_hub().loop.timer(_REAP_EVERY, _REAP_EVERY)
        self._reaper.start(self._reap)

    def hold(self) -> None:
        """Let nobody begin another request: the load is ending, and what is open may end by itself."""
        for session in (HttpSession, FastHttpSession):
            for door in ("request", *_VERBS):
                setattr(session, door, _held(getattr(session, door)))

    def _reap(self) -> None:
        """Count what was noted, and end what takes too long."""
        self.recorder.absorb()
        limit = self.recorder.now() - self.timeout - _GRACE
        late = list(itertools.takewhile(lambda item: item[1][0] <= limit, self.recorder.flying.items()))
        for greenlet, mark in late:
            if self.recorder.flying.get(greenlet) is mark:
                self._end(greenlet, mark)
        now = self.recorder.now()
        if now >= self._look_at:
            self._look_at = now + len(self.recorder.carriers) / _SESSIONS_A_SECOND
            for session in list(self.recorder.carriers):
                carried = session._under_way
                if carried is not None and carried[0] <= limit and (greenlet := _greenlet_in(session)) is not None:
                    self._end(greenlet, carried)

    def _end(self, greenlet: Any, mark: Mark) -> None:
        if mark not in self._overdue:
            self._overdue.add(mark)
            greenlet.throw(TimeoutError(f"no answer within {self.timeout:g} s"))

    def decide(self, pending: Pending, response: Any, error: BaseException | None) -> None:
        """Count an answered request."""
        mark, end, context = pending.mark, pending.end, pending.context
        overdue = self._is_overdue(mark)
        if error is None:
            self.recorder.good(mark, end, self.degraded is not None and self.degraded(response), context)
            return
        status = int(getattr(response, "status_code", 0) or 0)
        judged = isinstance(error, CatchResponseError | ResponseError)
        if pending.trouble is not None and status < 400:
            error, judged = pending.trouble, False  # what happened on the way, whatever the locustfile made of it
        told = status >= 400 or (judged and status > 0)
        if overdue or (not told and end - mark[0] >= self.timeout):
            self.recorder.failed(mark, end, "timeout", "unanswered", context)
        else:
            reason = reason_of(error, status, judged=judged)
            self.recorder.failed(mark, end, reason, "refused" if told else "unanswered", context)

    def decide_unread(self, pending: Pending, response: Any) -> None:
        """Count an answer that the locustfile never judged (a response kept without its `with` block) by its own merits."""
        error = response.request_meta.get("exception") or getattr(response, "error", None)
        if error is None and int(response.status_code or 0) >= 400:
            error = CatchResponseError("an error status")
        self.decide(pending, response, error)

    def abort(self, mark: Mark, error: BaseException, context: dict[str, Any] | None = None) -> None:
        """Count a request that ended by an exception no client explains."""
        self.recorder.flying.pop(getcurrent(), None)
        overdue, end = self._is_overdue(mark), self.recorder.now()
        if isinstance(error, GreenletExit):
            self.recorder.failed(mark, end, "open at end", "unanswered", context)
        else:
            self.recorder.failed(mark, end, "timeout" if overdue else reason_of(error, 0), "unanswered", context)

    def _is_overdue(self, mark: Mark) -> bool:
        if not self._overdue or mark not in self._overdue:
            return False
        self._overdue.remove(mark)
        return True


def _carry(recorder: Recorder) -> None:
    """Have every FastHttpSession carry its request under way, and be known."""
    original = FastHttpSession.__init__
    FastHttpSession._under_way = None  # type: ignore[attr-defined]

    def begin(self: Any, *positional: Any, **options: Any) -> None:
        original(self, *positional, **options)
        if type(self).request is FastHttpSession.request:
            recorder.carriers.add(self)
        else:
            self._under_way = _NEVER_QUICK  # the locustfile has a session of its own, whose `request` must be asked

    FastHttpSession.__init__ = begin  # type: ignore[method-assign]


def _quick(original: Callable[..., Any], verb: str, careful: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    """A verb of FastHttpSession, watched. The hot path: every line of it is paid on every request.

    It calls `request` itself, which Locust's verb would do: the call saved there pays for a part of what is done here.
    """
    now, notes = watch.recorder.now, watch.recorder.notes
    started, ended, named = notes.starts.append, notes.ends.append, notes.names.append

    def visit(self: Any, url: str, *positional: Any, name: str | None = None, **options: Any) -> Any:
        if self._under_way or positional or (options and ("context" in options or "catch_response" in options)):
            return careful(self, url, *positional, name=name, **options)
        goes_by = name or self.request_name or url
        start = now()
        self._under_way = mark = (start, goes_by)
        try:
            response = original(self, verb, url, name, **options) if options else original(self, verb, url, name)
        except BaseException as error:
            self._under_way = None
            watch.abort(mark, error)
            raise
        end = now()
        self._under_way = None
        try:
            response._cached_content  # noqa: B018  (there, unless the answer broke off, or was never meant to be read here)
            if response.error is None:
                started(start)
                ended(end)
                named(goes_by)
                return response
        except AttributeError:
            pass
        watch.decide(Pending(mark, end, None, None), response, _error_of(response))
        return response

    return visit


def _greenlet_in(session: Any) -> Any:
    """The greenlet that waits in a request of this session: its user's, if that is where it stands."""
    greenlet = getattr(session.user, "_greenlet", None)
    frame = getattr(greenlet, "gr_frame", None)
    while frame is not None:
        if frame.f_code.co_name == "visit" and frame.f_locals.get("self") is session:
            return greenlet
        frame = frame.f_back
    return None  # a greenlet of the locustfile's own: the client's time-outs must do


def _careful(original: Callable[..., Any], watch: Watch, client_timeout: float | None = None) -> Callable[..., Any]:
    """`request` of a session, watched, with all that a locustfile may want: contexts, verdicts of its own, degraded answers."""
    recorder = watch.recorder
    now, flying, undecided, sent = recorder.now, recorder.flying, recorder.undecided, recorder.ids.add
    parameters = list(inspect.signature(original).parameters)[4:]

    def request(self: Any, method: str, url: str, name: str | None = None, *positional: Any, **options: Any) -> Any:
        if positional:
            options.update(zip(parameters, positional, strict=False))
        if client_timeout is not None and options.get("timeout") is None:
            options["timeout"] = client_timeout
        context = _context_of(self, options)
        goes_by = name or self.request_name or url
        start = now()
        if context:
            goes_by = str(context.get("transaction", goes_by))
            sent(context, goes_by, start, "sent")
        me = getcurrent()
        flying[me] = mark = (start, goes_by)
        try:
            response = original(self, method, url, name, **options)
        except BaseException as error:
            watch.abort(mark, error, context)
            raise
        end = now()
        flying.pop(me, None)
        if options.get("catch_response"):
            response._watched = pending = Pending(mark, end, context, response.request_meta["exception"])
            undecided[pending] = response
        else:
            watch.decide(Pending(mark, end, context, None), response, _error_of(response))
        return response

    return request


def _context_of(session: Any, options: dict[str, Any]) -> dict[str, Any] | None:
    """What the locustfile says about a request: which transaction it is, and of which id."""
    context: dict[str, Any] | None = options.get("context")
    user = session.user
    if user is not None and user.__class__.context is not User.context:
        context = {**user.context(), **(context or {})}
    return context


def _held(original: Callable[..., Any]) -> Callable[..., Any]:
    """Waits for the end of its user; only what users do when they leave (`on_stop`) still goes through."""

    def request(self: Any, *positional: Any, **options: Any) -> Any:
        frame: Any = sys._getframe()
        while frame is not None and frame.f_code.co_name != "on_stop":
            frame = frame.f_back
        while frame is None:
            gevent.sleep(60.0)
        return original(self, *positional, **options)

    return request


def _error_of(response: Any) -> BaseException | None:
    """What Locust would report for an answer that the locustfile leaves to it."""
    fields = response.__dict__
    meta = fields.get("request_meta")
    error: BaseException | None = fields.get("error") if meta is None else meta["exception"]
    if error is None and meta is None and not hasattr(response, "_cached_content") and _broke_off(response):
        return CutOff("the answer broke off")
    return error


def _broke_off(response: Any) -> bool:
    """Whether a body that was not kept had been asked for: a streamed one is read later, by the locustfile."""
    held = getattr(response, "_response", None)
    return held is not None and getattr(held, "_sock", None) is None and not held.message_complete


def _watch_verdict(manager: Any, watch: Watch) -> None:
    """Learn what the locustfile says in its `with` block, and notice when it leaves the block by an exception."""
    original_report, original_exit = manager._report_request, manager.__exit__
    undecided = watch.recorder.undecided

    def report(self: Any, *rest: Any) -> None:
        pending = self.__dict__.pop("_watched", None)
        if pending is not None and undecided.pop(pending, None) is not None:
            watch.decide(pending, self, self.request_meta["exception"])
        original_report(self, *rest)

    def leave(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        handled = original_exit(self, kind, error, trace)
        if "_watched" not in self.__dict__:
            return handled
        pending = self.__dict__.pop("_watched")
        if undecided.pop(pending, None) is not None:
            crash = CatchResponseError(f"{kind.__name__}: {error}") if kind else self.request_meta["exception"]
            watch.decide(pending, self, crash)
        return handled

    manager._report_request, manager.__exit__ = report, leave


def degraded_by(rule: dict[str, str] | None) -> Degraded | None:
    """How an answer says that it is a degraded one: by a header (`X-Degraded`, `X-Degraded: yes`) or by a field of its JSON."""
    if not rule:
        return None
    if header := rule.get("header"):
        name, _, wanted = (part.strip() for part in header.partition(":"))
        return lambda response: _has_header(response, name, wanted)
    path = rule["json"].split(".")
    return lambda response: _has_field(response, path)


def _has_header(response: Any, name: str, wanted: str) -> bool:
    value = (response.headers or {}).get(name)
    return value is not None and (not wanted or str(value).strip().lower() == wanted.lower())


def _has_field(response: Any, path: list[str]) -> bool:
    body = response.content
    if not body or len(body) > _LARGEST_JSON or body.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        value = json.loads(body)
    except ValueError:
        return False
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return bool(value)
