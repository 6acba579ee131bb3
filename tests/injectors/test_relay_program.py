"""The relay passes everything on both ways, and lets nobody wait for somebody else's address."""

import ast
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chaos.injectors import relay_program

LARGE = os.urandom(3 * 1024 * 1024)


class Upstream:
    """Sends back what it gets, as long as it gets it; keeps the first bytes of every connection."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.heard = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.heard.append(data[:20])
                connection.sendall(data)


@contextlib.contextmanager
def silent():
    """An address where nobody answers: its queue is full, so packets to it are dropped. Gives a way to begin answering."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        queued = [socket.socket() for _ in range(2)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}", listener
        for each in queued:
            each.close()


@pytest.fixture
def relay(loopback):
    """Starts a relay with these upstreams; gives the addresses at which it listens for them."""
    with contextlib.ExitStack() as stack:

        def start(*upstreams):
            host = f"{loopback}.87"
            ports = []
            for _ in range(len(upstreams) + 1):
                with socket.create_server((host, 0)) as free:
                    ports.append(free.getsockname()[1])
            routes = dict(zip(map(str, ports), upstreams, strict=False))
            env = {**os.environ, "HOST": host, "POD_IP": host, "HEALTH": str(ports[-1]), "ROUTES": json.dumps(routes)}
            process = subprocess.Popen([sys.executable, "-I", relay_program.__file__], env=env)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            until = time.monotonic() + 10
            while time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection((host, ports[-1]), 1):
                    break
            return [(host, port) for port in ports[:-1]]

        yield start


@pytest.fixture
def upstream():
    found = Upstream()
    yield found
    found.socket.close()


def ask(address, what=b"hello", timeout=3.0):
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(what)
        return connection.recv(20)


def test_everything_passes_both_ways_and_half_a_goodbye_is_half_a_goodbye(relay, upstream):
    (address,) = relay(upstream.address)
    with socket.create_connection(address, 10) as connection:
        threading.Thread(target=lambda: (connection.sendall(LARGE), connection.shutdown(socket.SHUT_WR)), daemon=True).start()
        back = b""
        while data := connection.recv(1 << 20):
            back += data
    assert back == LARGE


def test_a_slow_reader_does_not_fill_our_memory(relay, upstream):
    (address,) = relay(upstream.address)
    with socket.create_connection(address, 1) as connection:
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 32 * len(LARGE):
                sent += connection.send(LARGE)
        assert sent < 32 * len(LARGE), "nobody reads, so nothing more is taken"


def test_nobody_waits_for_somebody_elses_address(relay, upstream):
    with silent() as (nobody, _):
        dead, alive = relay(nobody, upstream.address)
        with socket.create_connection(dead, 3) as waiting:
            waiting.sendall(b"anybody?")
            assert ask(alive) == b"hello"
            waiting.settimeout(0.05)
            with pytest.raises(TimeoutError):
                waiting.recv(1)


def test_what_was_given_up_before_it_arrived_never_arrives(relay):
    """As without us: a client that was never connected has never asked."""
    with silent() as (nobody, listener):
        (address,) = relay(nobody)
        with socket.create_connection(address, 3) as impatient:
            impatient.sendall(b"charge 5 EUR")
        with socket.create_connection(address, 8) as patient:
            patient.sendall(b"charge 7 EUR")
            listener.settimeout(8)
            heard = set()
            while b"charge 7 EUR" not in heard:  # the kernel asks again after a second
                connection = listener.accept()[0]
                connection.settimeout(0.2)
                with connection, contextlib.suppress(TimeoutError):
                    heard.add(connection.recv(20))
    assert b"charge 5 EUR" not in heard


def test_an_upstream_that_refuses_or_goes_closes_the_connection(relay, upstream):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = f"127.0.0.1:{closed.getsockname()[1]}"
    nobody, somebody = relay(refusing, upstream.address)
    with contextlib.suppress(ConnectionError):
        assert ask(nobody) == b""
    with socket.create_connection(somebody, 3) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        upstream.socket.close()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_it_runs_on_old_pythons_with_nothing_but_the_standard_library():
    tree = ast.parse(Path(relay_program.__file__).read_text(), feature_version=(3, 9))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {each.partition(".")[0] for each in imported} <= sys.stdlib_module_names
