"""What can go wrong, and the exit code each kind of trouble maps to.

GamedayError                70  our own crash, nothing left behind
├── BadInput                 2  a file or an argument is wrong; nothing was touched
├── Stopped                  3  somebody stopped the run; everything was undone
├── Leftovers                4  something is not put back, or its state is unknown
└── NotReady                 5  unreachable or forbidden; nothing was touched, a retry may help
    ├── ClusterError            the API server said no, or said nothing
    │   ├── NotFound            the object is not there
    │   ├── Conflict            it changed meanwhile, or exists already
    │   ├── Forbidden           we may not do this
    │   └── Refused             the server understood and declined (a PodDisruptionBudget)
    ├── ProxyError              a Toxiproxy said no, or said nothing
    └── DockerError             the Docker daemon said no, or said nothing
"""

from collections.abc import Iterable
from dataclasses import dataclass


class GamedayError(Exception):
    """Any trouble that we foresaw. `exit_code` is what the command ends with."""

    exit_code = 70


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file: where it is, what is wrong and, where there is one, the nearest right word."""

    path: str
    line: int  # 1-based; 0 = the file as a whole
    column: int  # 1-based
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{where}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class BadInput(GamedayError):
    """All mistakes of an input at once, sorted by place."""

    exit_code = 2

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem | str, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "BadInput":
        return cls(*sorted(set(problems)))


class Stopped(GamedayError):
    """Somebody, or a stop condition, ended the run early; what was applied has been undone."""

    exit_code = 3


class Leftovers(GamedayError):
    """Something may still be broken. `commands` are the exact commands that put it right."""

    exit_code = 4

    def __init__(self, message: str, *, commands: tuple[str, ...] = ()) -> None:
        self.commands = commands
        super().__init__("\n".join([message, *(f"  {command}" for command in commands)]))


class NotReady(GamedayError):
    """The environment is not ready; nothing was touched."""

    exit_code = 5


class ClusterError(NotReady):
    """The API server refused, failed or did not answer in time. `status` is the HTTP status, 0 = no answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class NotFound(ClusterError):
    """The object is not there (404), or is another one than we knew (its UID differs)."""


class Conflict(ClusterError):
    """The object changed meanwhile, or exists already (409)."""


class Forbidden(ClusterError):
    """We may not do this (401, 403)."""


class Refused(ClusterError):
    """The server understood and declined, as a PodDisruptionBudget does (429)."""


class ProxyError(NotReady):
    """A Toxiproxy refused, failed or did not answer in time."""


class DockerError(NotReady):
    """The Docker daemon refused, failed or did not answer in time. `status` is the HTTP status, 0 = no answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)
