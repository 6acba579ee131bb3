"""Why a request failed, in one or two words that add up: "503", "timeout", "refused", "wrong: ..."."""

from collections.abc import Iterator

_BY_TYPE = {
    "ConnectionRefusedError": "refused",
    "ConnectionResetError": "reset",
    "ConnectionAbortedError": "reset",
    "BrokenPipeError": "reset",
    "RemoteDisconnected": "reset",
    "HTTPConnectionClosed": "reset",
    "CutOff": "cut off",
    "IncompleteRead": "cut off",
    "HTTPParseError": "cut off",
    "gaierror": "name not resolved",
    "NameResolutionError": "name not resolved",
    "SSLError": "tls",
    "SSLCertVerificationError": "tls",
    "SSLEOFError": "tls",
    "TimeoutError": "timeout",
    "Timeout": "timeout",
    "ReadTimeout": "timeout",
    "ConnectTimeout": "timeout",
    "ReadTimeoutError": "timeout",
    "ConnectTimeoutError": "timeout",
    "TooManyRedirects": "too many redirects",
}
_UNREACHABLE = {101, 113}  # ENETUNREACH, EHOSTUNREACH
_LONGEST = 60


def reason_of(error: BaseException | None, status: int, *, judged: bool = False) -> str:
    """The reason of a failure. `judged`: the locustfile itself called an answer a failure.

    An error status says more than the locustfile's words about it, and no answer at all says more than both.
    """
    if status >= 400:
        return str(status)
    if judged and status > 0:
        words = " ".join(str(error).split())
        return f"wrong: {words[:_LONGEST]}".rstrip()
    for link in _chain(error):
        if known := _BY_TYPE.get(type(link).__name__):
            return known
        if isinstance(link, OSError) and link.errno in _UNREACHABLE:
            return "unreachable"
    return type(error).__name__ if error is not None else "no answer"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it was made of, the innermost first: libraries wrap what happened in layers."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or any(link is other for other in seen):
            continue
        seen.append(link)
        waiting += [
            link.__cause__,
            link.__context__,
            getattr(link, "reason", None),
            getattr(link, "original", None),
            *link.args,
        ]
    return reversed(seen)
