"""Says in one line why Locust did not work, from what it printed: the exception and the line of the locustfile."""

import re
from pathlib import Path

_FRAME = re.compile(r'^\s*File "(?P<file>.+)", line (?P<line>\d+)', re.MULTILINE)
_ERROR = re.compile(r"^(?P<error>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|[A-Z]\w*)(?:: .*)?)$", re.MULTILINE)


def explain(locustfile: Path, log: str) -> str:
    """`FILE:LINE: the locustfile crashed: NameError: ...`, or the last line printed where there is no traceback."""
    if "No User class found" in log or "load_locustfile_pytest" in log:
        return f"{locustfile}: the locustfile has no user class (a subclass of HttpUser or FastHttpUser that is not abstract)"
    start = log.rfind("Traceback (most recent call last)")
    if start < 0:
        lines = [line for line in log.splitlines() if line.strip()]
        return f"{locustfile}: Locust ended: {lines[-1].strip()}" if lines else f"{locustfile}: Locust ended without a word"
    trace = log[start:]
    name = locustfile.resolve().name
    lines_of_it = [frame["line"] for frame in _FRAME.finditer(trace) if Path(frame["file"]).name == name]
    errors = [match["error"] for match in _ERROR.finditer(trace)]
    where = f"{locustfile}:{lines_of_it[-1]}" if lines_of_it else str(locustfile)
    return f"{where}: the locustfile crashed: {errors[-1] if errors else 'see load.log'}"
