"""The only caller of the `kind` command: makes, deletes and loads clusters of local containers. Never through a shell."""

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos.errors import NotReady

_SHORT, _LONG = 20.0, 900.0  # seconds: to ask, and to pull a node image and boot four nodes
_TAIL = 12  # lines of kind's own words that an error repeats

Tell = Callable[[str], None]


class Kind:
    """kind, as installed on this machine."""

    def __init__(self, command: str = "kind") -> None:
        self._command = command

    def clusters(self) -> list[str]:
        """The names of all kind clusters of this machine."""
        return sorted(self._ask("get", "clusters", "--quiet").split())

    def create(self, name: str, *, config: Path, image: str = "", kubeconfig: str = "", tell: Tell) -> None:
        """Make the cluster and wait until its nodes are ready; what kind says on the way goes to `tell`."""
        options = [*_option("--image", image), *_option("--kubeconfig", kubeconfig)]
        self._watch(["create", "cluster", "--name", name, "--config", str(config), "--wait", "180s", *options], tell)

    def delete(self, name: str, *, kubeconfig: str = "", tell: Tell) -> None:
        """Delete the cluster; one that is not there is success."""
        self._watch(["delete", "cluster", "--name", name, *_option("--kubeconfig", kubeconfig)], tell)

    def export_kubeconfig(self, name: str, *, kubeconfig: str = "") -> None:
        """Write the cluster's credentials into the kubeconfig, as context `kind-NAME`."""
        self._ask("export", "kubeconfig", "--name", name, *_option("--kubeconfig", kubeconfig))

    def load(self, name: str, images: Sequence[str], *, tell: Tell) -> None:
        """Bring images from this machine's Docker onto every node."""
        self._watch(["load", "docker-image", *images, "--name", name], tell)

    def _ask(self, *arguments: str) -> str:
        try:
            ended = subprocess.run(  # noqa: S603 - a list; the command is the caller's choice
                [self._command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SHORT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotReady(f"kind {' '.join(arguments[:2])} gave no answer for {_SHORT:g} s") from None
        except OSError as error:
            raise self._missing(error) from error
        if ended.returncode != 0:
            raise _failed(arguments, ended.stderr.splitlines())
        return ended.stdout

    def _watch(self, arguments: Sequence[str], tell: Tell) -> None:
        """Run it for minutes, repeating what it says; killed when it takes too long, or when we are interrupted."""
        tail: deque[str] = deque(maxlen=_TAIL)
        try:
            process = subprocess.Popen(  # noqa: S603 - as above
                [self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except OSError as error:
            raise self._missing(error) from error
        late = threading.Timer(_LONG, process.kill)
        late.daemon = True
        late.start()
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if words := line.strip():
                        tail.append(words)
                        tell(words)
                code = process.wait()
            except BaseException:
                process.kill()
                raise
            finally:
                late.cancel()
        if code != 0:
            raise _failed(arguments, tail)

    def _missing(self, error: OSError) -> NotReady:
        return NotReady(f"cannot run {self._command} ({error.strerror}); how to install it: https://kind.sigs.k8s.io")


def _option(name: str, value: str) -> list[str]:
    return [name, value] if value else []


def _failed(arguments: Sequence[str], said: Sequence[str] | deque[str]) -> NotReady:
    lines = "".join(f"\n  {line}" for line in list(said)[-_TAIL:])
    return NotReady(f"kind {' '.join(arguments[:2])} failed{lines}")
