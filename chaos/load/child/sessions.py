"""Watches every request of Locust's two HTTP clients: Locust has no event for the start of a request.

`request` of both sessions is wrapped, and so is the moment when a locustfile that uses `catch_response` has made up its mind.
A request that takes longer than a customer would wait is ended here, whatever the client's own time-outs are.
"""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

import gevent  # noqa: TID251
from gevent import GreenletExit, getcurrent  # noqa: TID251
from locust import User, clients  # noqa: TID251
from locust.clients import HttpSession  # noqa: TID251
from locust.contrib import fasthttp  # noqa: TID251
from locust.contrib.fasthttp import FastHttpSession, FastHttpUser  # noqa: TID251
from locust.exception import CatchResponseError, ResponseError  # noqa: TID251

from chaos.load.child.reasons import reason_of
from chaos.load.child.recorder import Recorder, Request

_REAP_EVERY = 0.05
_GRACE = 0.05  # the client's own time-out comes first; this is for answers that drip
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
        self._reaper: Any = None

    def install(self) -> None:
        """Watch both clients from now on, and end requests that are overdue."""
        HttpSession.request = _wrapped(HttpSession.request, self, client_timeout=self.timeout)  # type: ignore[method-assign]
        FastHttpSession.request = _wrapped(FastHttpSession.request, self)  # type: ignore[method-assign]
        FastHttpUser.network_timeout = FastHttpUser.connection_timeout = self.timeout
        for manager in (clients.ResponseContextManager, fasthttp.ResponseContextManager):
            _watch_verdict(manager, self)
        self._reaper = gevent.get_hub().loop.timer(_REAP_EVERY, _REAP_EVERY)
        self._reaper.start(self._reap)

    def hold(self) -> None:
        """Let nobody begin another request: the load is ending, and what is open may end by itself."""
        for session in (HttpSession, FastHttpSession):
            session.request = _held(session.request)  # type: ignore[method-assign]

    def _reap(self) -> None:
        limit = self.recorder.now() - self.timeout - _GRACE
        overdue = []
        for request in self.recorder.open:
            if request.start > limit:
                break
            if not request.overdue and request.greenlet is not None:
                overdue.append(request)
        for request in overdue:
            if request in self.recorder.open:
                request.overdue = True
                request.greenlet.throw(TimeoutError(f"no answer within {self.timeout:g} s"))

    def decide(self, request: Request, response: Any, error: BaseException | None) -> None:
        """Count an answered request."""
        if error is None:
            self.recorder.good(request, self.degraded is not None and self.degraded(response))
            return
        status = int(getattr(response, "status_code", 0) or 0)
        judged = isinstance(error, CatchResponseError | ResponseError)
        if request.trouble is not None and status < 400:
            error, judged = request.trouble, False  # what happened on the way, whatever the locustfile made of it
        told = status >= 400 or (judged and status > 0)
        if request.overdue or (not told and request.end - request.start >= self.timeout):
            self.recorder.failed(request, "timeout", "unanswered")
        else:
            self.recorder.failed(request, reason_of(error, status, judged=judged), "refused" if told else "unanswered")

    def decide_unread(self, request: Request, response: Any) -> None:
        """Count an answer that the locustfile never judged (a response kept without its `with` block) by its own merits."""
        error = response.request_meta.get("exception") or getattr(response, "error", None)
        if error is None and int(response.status_code or 0) >= 400:
            error = CatchResponseError("an error status")
        self.decide(request, response, error)

    def abort(self, request: Request, error: BaseException) -> None:
        """Count a request that ended by an exception no client explains."""
        self.recorder.answered(request)
        if isinstance(error, GreenletExit):
            self.recorder.failed(request, "open at end", "unanswered")
        else:
            self.recorder.failed(request, "timeout" if request.overdue else reason_of(error, 0), "unanswered")


def _wrapped(original: Callable[..., Any], watch: Watch, client_timeout: float | None = None) -> Callable[..., Any]:
    """`request` of a session, watched. The hot path: every line of it is paid on every request."""
    recorder = watch.recorder
    begin, answered, good, undecided = recorder.begin, recorder.answered, recorder.good, recorder.undecided
    is_plain = watch.degraded is None
    parameters = list(inspect.signature(original).parameters)[4:]

    def request(self: Any, method: str, url: str, name: str | None = None, *positional: Any, **options: Any) -> Any:
        if positional:
            options.update(zip(parameters, positional, strict=False))
        if client_timeout is not None and options.get("timeout") is None:
            options["timeout"] = client_timeout
        if "context" in options or _has_context(self.user.__class__):
            watched = _begin_with_context(recorder, self, name or self.request_name or _path(url), options)
        else:
            watched = begin(name or self.request_name or _path(url))
        watched.greenlet = getcurrent()
        try:
            response = original(self, method, url, name, **options)
        except BaseException as error:
            watch.abort(watched, error)
            raise
        answered(watched)
        if options.get("catch_response"):
            response._watched = watched
            watched.trouble = response.request_meta["exception"]
            undecided[watched] = response
        elif (failure := _error_of(response)) is None and is_plain:
            good(watched)
        else:
            watch.decide(watched, response, failure)
        return response

    return request


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


@functools.cache
def _has_context(kind: type) -> bool:
    """Whether users of this kind give every request a context."""
    return issubclass(kind, User) and kind.context is not User.context


def _begin_with_context(recorder: Recorder, session: Any, name: str, options: dict[str, Any]) -> Request:
    """Begin a request that the locustfile says something about: which transaction it is, and of which id."""
    context = options.get("context") or {}
    if session.user is not None and _has_context(session.user.__class__):
        context = {**session.user.context(), **context}
    watched = recorder.begin(str(context.get("transaction", name)))
    if context:
        recorder.identify(watched, context)
    return watched


def _path(url: str) -> str:
    """The name of a request that was given none: its path, as Locust has it."""
    if url[:4].lower() == "http" and "://" in url:
        return "/" + url.split("://", 1)[1].partition("/")[2]
    return url


def _error_of(response: Any) -> BaseException | None:
    """What Locust would report for an answer that the locustfile leaves to it."""
    fields = response.__dict__
    meta = fields.get("request_meta")
    if meta is not None:
        error: BaseException | None = meta["exception"]
        return error
    error = fields.get("error")
    if error is None and response.headers is not None and not hasattr(response, "_cached_content") and _is_broken(response):
        return CutOff("the answer broke off")
    return error


def _is_broken(response: Any) -> bool:
    """Whether a body that was not kept had been asked for: a streamed one is read later, by the locustfile."""
    held = getattr(response, "_response", None)
    return held is not None and getattr(held, "_sock", None) is None and not held.message_complete


def _watch_verdict(manager: Any, watch: Watch) -> None:
    """Learn what the locustfile says in its `with` block, and notice when it leaves the block by an exception."""
    original_report, original_exit = manager._report_request, manager.__exit__

    def report(self: Any, *rest: Any) -> None:
        watched = self.__dict__.pop("_watched", None)
        if watched is not None and watch.recorder.undecided.pop(watched, None) is not None:
            watch.decide(watched, self, self.request_meta["exception"])
        original_report(self, *rest)

    def leave(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        handled = original_exit(self, kind, error, trace)
        watched = self.__dict__.pop("_watched", None)
        if watched is not None and watch.recorder.undecided.pop(watched, None) is not None:
            crash = CatchResponseError(f"{kind.__name__}: {error}") if kind else self.request_meta["exception"]
            watch.decide(watched, self, crash)
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
