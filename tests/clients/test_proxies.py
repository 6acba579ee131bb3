"""The adapter around toxiproxy-python: several servers and threads at once, time-outs, and errors of whoever is between."""

import contextlib
import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from chaos.clients.proxies import Admin, PodProxies, _traffic
from chaos.errors import ClusterError, NotReady, ProxyError


@contextlib.contextmanager
def running():
    process, send = None, None
    until = time.monotonic() + 10
    while process is None or (process.poll() is not None and time.monotonic() < until):  # ended: its port was taken meanwhile
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([sys.executable, "-m", "chaos.sandbox.toxiproxy", "-host", "127.0.0.1", "-port", str(port)])
        send = functools.partial(talk, port)
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError):
                send("GET", "/version")
                break
    yield send
    process.terminate()
    process.wait(10)


def talk(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def two_servers():
    with running() as one, running() as other:
        yield one, other


def test_two_servers_and_eight_threads_never_mix(two_servers):
    troubles = []
    listen = {}

    def work(number):
        admin = Admin(two_servers[number % 2])
        try:
            for _ in range(5):
                admin.create(f"w{number}", listen=listen.get(number, "127.0.0.1:0"), upstream="127.0.0.1:1")
                listen[number] = admin.proxies()[f"w{number}"]["listen"]
                admin.add_toxic(f"w{number}", "t", kind="latency", stream="downstream", attributes={"latency": number})
                assert admin.proxies()[f"w{number}"]["toxics"][0]["attributes"]["latency"] == number
        except Exception as error:  # handed to the test's own thread
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert [sorted(Admin(send).proxies()) for send in two_servers] == [["w0", "w2", "w4", "w6"], ["w1", "w3", "w5", "w7"]]


class Pods:
    """A cluster of which only `pod_request` answers, with what it was given."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def pod_request(self, *request):
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_pod_is_asked_through_the_api_server():
    pods = Pods((200, b'{"version": "2.12.0"}'))
    assert PodProxies(pods).of_pod("shop", "proxy", 8474).version() == "2.12.0"
    assert pods.asked == [("shop", "proxy", 8474, "GET", "/version", None)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ClusterError("the API server does not answer"), "does not answer"),
        ((404, b'{"kind": "Status", "code": 404, "message": "pods \\"p\\" not found"}'), 'pods "p" not found'),
        ((503, b'{"kind": "Status", "code": 503, "message": "connection refused"}'), "connection refused"),
        ((502, b"bad gateway"), "answered 502"),
        ((403, b"User agent not allowed\n"), "answered 403"),
        ((200, b"<html>"), "could not list proxies"),
    ],
)
def test_whatever_is_wrong_is_a_proxy_error(answer, words):
    with pytest.raises(ProxyError, match=words) as seen:
        PodProxies(Pods(answer)).of_pod("shop", "p").proxies()
    assert isinstance(seen.value, NotReady)


def test_traffic_is_summed_over_the_addresses_a_proxy_has_had():
    metrics = "\n".join(
        f'toxiproxy_proxy_{what}_bytes_total{{direction="{way}",listener="127.0.0.1:1",proxy="p",upstream="{upstream}"}} {count}'
        for what, way, upstream, count in [
            ("received", "upstream", "a:1", 5),
            ("received", "upstream", "b:1", 1.5e3),
            ("received", "downstream", "a:1", 99),
            ("sent", "downstream", "a:1", 7),
            ("sent", "upstream", "a:1", 88),
        ]
    )
    assert _traffic(f"# HELP x\n{metrics}\ngo_goroutines 7\n") == {"p": {"received": 1505.0, "sent": 7.0}}


def test_importing_the_adapter_brings_neither_requests_nor_toxiproxy():
    code = "import sys, chaos.clients.proxies; print([m for m in ('requests', 'toxiproxy', 'future') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert said.stdout.strip() == "[]"
