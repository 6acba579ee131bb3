"""Watches every request of Locust's two HTTP clients: Locust has no event for the start of a request.

`request` of both sessions is wrapped, and so is the moment when a locustfile that uses `catch_response` has made up its mind.
A request that takes longer than a customer would wait is ended here, whatever the client's own time-outs are.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any

import gevent  # noqa: TID251
from gevent import GreenletExit  # noqa: TID251
from greenlet import getcurrent
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
        if request.overdue:
            self.recorder.failed(request, "timeout", "unanswered")
            return
        judged = isinstance(error, CatchResponseError | ResponseError)
        self.recorder.failed(request, reason_of(error, status, judged=judged), "refused" if status else "unanswered")

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
    begin, answered, good, decide, degraded = recorder.begin, recorder.answered, recorder.good, watch.decide, watch.degraded
    parameters = list(inspect.signature(original).parameters)[4:]
    custom_contexts: dict[type, bool] = {}

    def request(self: Any, method: str, url: str, name: str | None = None, *positional: Any, **options: Any) -> Any:
        if positional:
            options.update(zip(parameters, positional, strict=False))
        if client_timeout is not None and options.get("timeout") is None:
            options["timeout"] = client_timeout
        context = options.get("context")
        user = self.user
        if user is not None:
            kind = type(user)
            custom = custom_contexts.get(kind)
            if custom is None:
                custom = custom_contexts[kind] = kind.context is not User.context
            if custom:
                context = {**user.context(), **(context or {})}
        if context and "transaction" in context:
            watched = begin(str(context["transaction"]))
        else:
            watched = begin(name or self.request_name or _path(url))
        if context:
            recorder.identify(watched, context)
        watched.greenlet = getcurrent()
        try:
            response = original(self, method, url, name, **options)
        except BaseException as error:
            watch.abort(watched, error)
            raise
        answered(watched)
        if options.get("catch_response"):
            response._watched = watched
            recorder.undecided[watched] = response
        else:
            error = _error_of(response)
            if error is None and degraded is None:
                good(watched)
            else:
                decide(watched, response, error)
        return response

    return request


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
        return ConnectionResetError("the answer broke off")
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
