"""The agent of the network faults, in network namespaces of its own: a pod, a caller, a wire between them. Needs root."""

import contextlib
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import pytest

from chaos.clock import RealClock, wait_until
from chaos.injectors.net_agent import netlink, queue, rules

POD, CALLER = "10.77.0.1", "10.77.0.2"
PORT, OTHER, ADMIN = 8080, 8081, 27001
PATIENCE = 1.0
WITH_NETEM = os.environ.get("GAMEDAY_WITH_NETEM", "")
"""A command that runs another one where the kernel has netem, for a kernel that lacks it."""

NETEM = ("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
TBF = ("tc", "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "tbf", "rate", "1mbit", "burst", "9k", "latency", "1s")

SERVER = """
import http.server, socket, socketserver, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, lane)
        super().setup()
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.HTTPServer.server_bind = socketserver.TCPServer.server_bind  # it would look up its own name, for 5 s
late, lane = map(int, sys.argv[2:])
for port in [late] if late else (8080, 8081):
    server = http.server.ThreadingHTTPServer((sys.argv[1], port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], late or 8080))
print("ready", flush=True)
while True:
    data, peer = udp.recvfrom(100)
    udp.sendto(data, peer)
"""


class Wire:
    """Two network namespaces with a wire between them."""

    def __init__(self):
        mark = uuid.uuid4().hex[:6]
        self.pod, self.caller = f"gd-pod-{mark}", f"gd-caller-{mark}"
        self.children = []

    def make(self):
        run("ip", "netns", "add", self.pod)
        run("ip", "netns", "add", self.caller)
        run("ip", "-n", self.pod, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.caller)
        for space, address in ((self.pod, POD), (self.caller, CALLER)):
            run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "link", "set", "eth0", "up")
        run("ip", "-n", self.pod, "route", "add", "default", "via", CALLER)

    def remove(self):
        for child in self.children:
            child.kill()
            child.wait()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
        for space in (self.pod, self.caller):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def start(self, *command, **options):
        child = subprocess.Popen(["ip", "netns", "exec", self.pod, *command], stdout=subprocess.PIPE, **options)
        self.children.append(child)
        return child


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def inside(space, act):
    """What a thread does in another network namespace; sockets that it opens stay there."""
    found = []

    def work():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{space}") as handle:
            assert libc.setns(handle.fileno(), 0x40000000) == 0, os.strerror(ctypes.get_errno())
        try:
            found.append((act(), None))
        except Exception as error:
            found.append((None, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    result, error = found[0]
    if error:
        raise error
    return result


@pytest.fixture
def wire():
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces take root and iproute2")
    wire = Wire()
    try:
        try:
            wire.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr}")
        serve(wire)
        yield wire
    finally:
        wire.remove()


def serve(wire, late=0, lane=0):
    """The pod's server; with `late` only at that port, its packets in a lane of their own."""
    server = wire.start(sys.executable, "-c", SERVER, POD, str(late), str(lane))
    assert server.stdout.readline() == b"ready\n"


class Agent:
    """The agent as it runs in a pod, and its orders."""

    def __init__(self, wire, tmp_path, act, **more):
        self.wire, self.report_file = wire, tmp_path / f"report-{uuid.uuid4().hex}"
        wanted = {"mark": "gameday-aaaaaaaaaa-bbbbbbbbbb", "key": "k", "admin_port": ADMIN, "act": act, "port": PORT}
        wanted |= {"share": 1.0, "peers": [], "handle": 0x7002, "latency": 0.15, "jitter": 0.0, "hold": 20.0, "life": 40.0}
        environment = {**os.environ, "POD_IP": POD, "GAMEDAY_REPORT": str(self.report_file)}
        environment["GAMEDAY_AGENT"] = json.dumps({**wanted, **more})
        self.process = wire.start(sys.executable, "-m", "chaos.injectors.net_agent.agent", env=environment)
        self.port = {**wanted, **more}["admin_port"]
        assert wait_until(self.answers, clock=RealClock(), within=20.0)

    def answers(self):
        with contextlib.suppress(OSError):
            return self.ask("GET", "status")[0] == 200
        return False

    def ask(self, method, order, key="k"):
        connection = inside(self.wire.caller, lambda: opened(POD, self.port, 3.0))
        try:
            connection.request(method, f"/{key}/{order}")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def order(self, order):
        status, answer = self.ask("POST", order)
        assert status == 200, answer
        return answer

    def strike(self):
        self.order("ready")
        self.order("strike")

    def report(self):
        assert self.process.wait(timeout=10) == 0
        return json.loads(self.report_file.read_text())


def opened(address, port, timeout):
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    connection.connect()
    return connection


class Caller:
    """Calls the pod's server: over new connections, or over one that it holds."""

    def __init__(self, wire, port=PORT):
        self.wire, self.port = wire, port
        self.held = self.open()
        self.again()

    def open(self):
        return inside(self.wire.caller, lambda: opened(POD, self.port, PATIENCE))

    def again(self):
        """Seconds that a call over the held connection takes."""
        return self.call(self.held)

    def anew(self):
        with contextlib.closing(self.open()) as connection:
            return self.call(connection)

    def call(self, connection):
        started = time.monotonic()
        connection.auto_open = 0
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
        return time.monotonic() - started


@pytest.fixture
def caller(wire):
    caller = Caller(wire)
    yield caller
    caller.held.close()


@pytest.fixture
def other(wire):
    other = Caller(wire, OTHER)
    yield other
    other.held.close()


def test_reset_cuts_what_is_new_and_what_stands_at_one_port_alone(wire, tmp_path, caller, other):
    agent = Agent(wire, tmp_path, "reset")
    agent.strike()
    with pytest.raises(ConnectionResetError):
        caller.again()
    with pytest.raises(ConnectionRefusedError):
        caller.anew()
    other.again()
    other.anew()
    assert agent.ask("GET", "status")[1]["packets"] >= 2
    agent.order("calm")
    caller.anew()


def test_dropped_packets_stall_what_stands_and_it_goes_on_afterwards(wire, tmp_path, caller, other):
    agent = Agent(wire, tmp_path, "drop")
    agent.strike()
    with pytest.raises(TimeoutError):
        caller.anew()
    standing = inside(wire.caller, lambda: opened(POD, OTHER, PATIENCE))
    assert other.call(standing) < PATIENCE
    standing.close()
    caller.held.sock.settimeout(10)
    caller.held.request("GET", "/")
    agent.order("calm")
    assert caller.held.getresponse().read() == b"ok", "what was sent meanwhile is sent again by TCP"


def test_a_whole_pod_is_cut_off_but_for_our_orders(wire, tmp_path, caller, other):
    agent = Agent(wire, tmp_path, "drop", port=None)
    agent.strike()
    for each in (caller, other):
        with pytest.raises(TimeoutError):
            each.anew()
    assert agent.ask("GET", "status")[1]["struck"]
    agent.order("calm")
    other.anew()


def test_only_the_peers_that_are_named_are_cut_off(wire, tmp_path, caller):
    agent = Agent(wire, tmp_path, "drop", peers=["10.99.0.0/16", "2001:db8::/32"])
    agent.strike()
    caller.anew()
    agent.order("end")
    assert agent.report()["left"] == []
    agent = Agent(wire, tmp_path, "drop", port=None, peers=["10.77.0.0/24"])
    agent.strike()
    with pytest.raises(TimeoutError):
        caller.anew()


def test_a_share_of_the_packets_is_lost(wire, tmp_path):
    agent = Agent(wire, tmp_path, "drop", share=0.3)
    agent.strike()
    sock = inside(wire.caller, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    back = 0
    with sock:
        for _ in range(40):
            sock.settimeout(2.0)  # what is on its way is waited for, what is lost never comes
            for each in range(10):
                sock.sendto(str(each).encode(), (POD, PORT))
            with contextlib.suppress(TimeoutError):
                for _ in range(10):
                    sock.recv(100)
                    sock.settimeout(0.05)
                    back += 1
    assert 220 < back < 340, "of 400 about 280"


def test_rules_end_with_the_agent_even_when_it_is_killed(wire, tmp_path, caller):
    agent = Agent(wire, tmp_path, "drop")
    agent.strike()
    with pytest.raises(TimeoutError):
        caller.anew()
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.process.wait()
    caller.anew()
    assert inside(wire.pod, rules.tables) == []


def test_a_strike_ends_by_its_own_timer(wire, tmp_path, caller):
    agent = Agent(wire, tmp_path, "reset", hold=0.4)
    agent.strike()
    assert agent.report() == {"ended": "its own timer", "left": []}
    caller.anew()


def test_an_agent_that_nobody_speaks_to_ends_by_itself(wire, tmp_path):
    assert Agent(wire, tmp_path, "reset", life=1.5).report() == {"ended": "its life was over", "left": []}


def test_standing_connections_are_cut_at_once_and_new_ones_are_not(wire, tmp_path, caller, other):
    agent = Agent(wire, tmp_path, "cut", ports=[PORT, 9])
    agent.order("ready")
    caller.again()
    for held in (1, 0):
        assert agent.order("strike") == {"cut": held}
    caller.held.sock.settimeout(1.0)
    with pytest.raises(ConnectionResetError):
        caller.held.sock.recv(1)  # nothing was said on it
    caller.anew()
    other.again()
    assert agent.order("end")["left"] == []
    assert agent.report()["left"] == []


def test_orders_may_be_repeated_and_need_the_key(wire, tmp_path, caller):
    agent = Agent(wire, tmp_path, "reset")
    agent.order("calm")
    for _ in range(2):
        agent.strike()
    assert agent.ask("POST", "calm", key="guess")[0] == 404
    with pytest.raises(ConnectionRefusedError):
        caller.anew()
    for _ in range(2):
        assert agent.order("calm")["left"] == []
    assert agent.order("end") == {"ended": "asked to", "left": []}
    assert agent.report()["left"] == []


def test_it_ends_when_its_container_is_told_to(wire, tmp_path, caller):
    agent = Agent(wire, tmp_path, "reset")
    agent.strike()
    agent.process.terminate()
    assert agent.report()["left"] == []
    caller.anew()


def test_another_run_in_the_same_pod_is_refused_and_another_step_is_not(wire, tmp_path, caller):
    Agent(wire, tmp_path, "reset").strike()
    again = Agent(wire, tmp_path, "drop", mark="gameday-aaaaaaaaaa-cccccccccc", admin_port=ADMIN + 1)
    again.order("ready")
    stranger = Agent(wire, tmp_path, "drop", mark="gameday-dddddddddd-bbbbbbbbbb", admin_port=ADMIN + 2)
    status, answer = stranger.ask("POST", "ready")
    assert (status, "another run strikes this pod already" in answer["error"]) == (409, True)


def test_a_pod_whose_addresses_something_rewrites_is_refused(wire, tmp_path):
    def redirect():
        link = netlink.Netlink(netlink.NFNL)
        table = rules._INET + netlink.text(1, "mesh")
        hook = netlink.attr(4 | netlink.NESTED, netlink.number(1, 0), netlink.number(2, -100))
        chain = table + netlink.text(3, "inbound") + hook + netlink.text(7, "nat")
        create = netlink.CREATE | netlink.EXCL
        link.batch([(rules._NEW_TABLE, create, table), (rules._NEW_CHAIN, create, chain)])
        link.close()

    inside(wire.pod, redirect)
    agent = Agent(wire, tmp_path, "reset")
    status, answer = agent.ask("POST", "ready")
    assert (status, "as a mesh does (nftables table mesh)" in answer["error"]) == (409, True)
    assert agent.order("end")["left"] == []
    assert inside(wire.pod, rules.tables) == ["mesh"]


def queue_of(space):
    return inside(space, lambda: queue._root_of(queue._device()))


@pytest.mark.skipif(not shutil.which("tc"), reason="takes tc to make somebody else's queue")
def test_somebody_elses_queue_is_not_touched(wire, tmp_path):
    run("ip", "netns", "exec", wire.pod, *TBF)
    agent = Agent(wire, tmp_path, "delay")
    status, answer = agent.ask("POST", "ready")
    assert (status, "somebody else's queue (tbf)" in answer["error"]) == (409, True)
    agent.order("end")
    assert queue_of(wire.pod) == (1 << 16, "tbf")


def has_netem(wire):
    return subprocess.run(["ip", "netns", "exec", wire.caller, *NETEM], check=False, capture_output=True).returncode == 0


def test_a_kernel_that_cannot_delay_says_so_before_anything_is_struck(wire, tmp_path, caller):
    if has_netem(wire):
        pytest.skip("this kernel can")
    before = queue_of(wire.pod)
    agent = Agent(wire, tmp_path, "delay")
    status, answer = agent.ask("POST", "ready")
    assert (status, "the node's kernel lacks" in answer["error"], "netem" in answer["error"]) == (409, True, True)
    assert agent.ask("POST", "strike")[0] == 409
    assert (queue_of(wire.pod), inside(wire.pod, rules.tables)) == (before, [])
    assert agent.order("end")["left"] == []


@pytest.mark.skipif(not shutil.which("tc"), reason="takes tc to stand in for a queue that this kernel may lack")
def test_the_rules_send_one_port_alone_into_the_lane_that_delays(wire, tmp_path, caller, other):
    for line in ("qdisc add dev eth0 root handle 7002: htb default 1", *(f"{LANE}:{lane} htb rate 1gbit" for lane in (1, 2))):
        run("ip", "netns", "exec", wire.pod, "tc", *line.split())
    agent = Agent(wire, tmp_path, "delay")
    agent.strike()
    other.anew()
    assert late_packets(wire) == 0
    caller.again()
    caller.anew()
    assert (sent := late_packets(wire)) >= 4
    agent.order("calm")
    caller.anew()
    assert late_packets(wire) == sent


LANE = "class add dev eth0 parent 7002: classid 7002"


def late_packets(wire):
    """As traffic control itself counts them."""
    classes = run("ip", "netns", "exec", wire.pod, "tc", "-s", "class", "show", "dev", "eth0")
    return int(re.search(r"htb 7002:2 .*?Sent \d+ bytes (\d+) pkt", classes, re.DOTALL)[1])


@pytest.mark.timeout(180)
def test_the_queue_delays_what_is_in_its_second_lane_alone(wire):
    """Packets are named by their sender here, since the kernel with netem may have no nftables."""
    if not has_netem(wire):
        if not WITH_NETEM:
            pytest.skip("this kernel lacks netem; GAMEDAY_WITH_NETEM names a command that runs another where there is one")
        this = f"{__file__}::test_the_queue_delays_what_is_in_its_second_lane_alone"
        command = [WITH_NETEM, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "100", this]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150)
        assert (ended.returncode, "1 passed" in ended.stdout) == (0, True), ended.stdout + ended.stderr
        return
    serve(wire, late=8082, lane=0x7002 << 16 | 2)
    late, usual = Caller(wire, 8082), Caller(wire)
    delays = queue.Queue(0x7002, latency=0.2, jitter=0.01)
    inside(wire.pod, delays.put)
    inside(wire.pod, delays.put)
    assert min(late.again(), late.anew()) > 0.17
    assert max(usual.again(), usual.anew()) < 0.15
    stranger = queue.Queue(0x7004, latency=0.2, jitter=0.0)
    with pytest.raises(netlink.Refused, match="somebody else's queue"):
        inside(wire.pod, stranger.put)
    inside(wire.pod, stranger.remove)
    assert late.again() > 0.17
    inside(wire.pod, delays.remove)
    inside(wire.pod, delays.remove)
    assert queue_of(wire.pod)[0] == 0
    assert max(late.again(), late.anew(), usual.again()) < 0.15
    late.held.close()
    usual.held.close()
