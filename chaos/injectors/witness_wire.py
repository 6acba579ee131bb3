"""What the witness reads off the wire: the answer to the look-up of a name, and the dates of a certificate.

Python 3.9 or later, nothing but the standard library: it lies beside the witness's program in the same ConfigMap.
"""

from __future__ import annotations

import calendar
import secrets
import select
import socket
import struct
import time

RESOLV_CONF = "/etc/resolv.conf"
_RESEND = 0.4  # seconds: a datagram may be lost
_CODES = {1: "formerr", 2: "servfail", 3: "nxdomain", 5: "refused"}
_A, _AAAA = 1, 28


class LookUpFailed(Exception):
    """A nameserver answered, but with no address: `nxdomain`, `servfail`, `refused`, or `nodata`."""


class Config:
    """What resolv.conf says: nameservers, search list, and from how many dots on a name is tried as it is first."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self.servers: list[str] = []
        self.search: list[str] = []
        self.ndots = 1
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.split() for line in file]
        except OSError:
            lines = []
        for words in lines:
            if words[:1] == ["nameserver"]:
                self.servers += words[1:2]
            elif words[:1] == ["search"]:
                self.search = words[1:]
            for option in words[1:] if words[:1] == ["options"] else []:
                if option.startswith("ndots:") and option[6:].isdigit():
                    self.ndots = int(option[6:])

    def candidates(self, name: str) -> list[str]:
        """The full names that stand for `name`, in the order in which a resolver tries them."""
        if name.endswith("."):
            return [name]
        longer = [f"{name}.{suffix.rstrip('.')}." for suffix in self.search]
        return [f"{name}.", *longer] if name.count(".") >= self.ndots else [*longer, f"{name}."]


def look_up(name: str, server: str, port: int, deadline: float, source: str = "") -> list[str]:
    """The addresses of a name, as `server` (default: the pod's own nameserver) answers before `deadline`."""
    config = Config()
    address = server or next(iter(config.servers), "")
    if not address:
        raise LookUpFailed("dns")
    asked = (address, port)
    for candidate in config.candidates(name):
        try:
            return _ask(candidate, asked, deadline, source)
        except LookUpFailed as failed:
            if str(failed) not in ("nxdomain", "nodata"):
                raise
    raise LookUpFailed("nxdomain")


def _ask(name: str, server: tuple[str, int], deadline: float, source: str) -> list[str]:
    """One question over UDP, repeated while nothing comes."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    number = secrets.randbelow(65536)
    kind = _AAAA if ":" in (source or server[0]) else _A
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))
        sock.connect(server)
        while (left := deadline - time.monotonic()) > 0:
            sock.send(question(name, number, kind))
            if not select.select([sock], [], [], min(left, _RESEND))[0]:
                continue
            answer = sock.recv(4096)
            if answer[:2] == struct.pack("!H", number):
                return addresses(answer, kind)
    raise TimeoutError("no answer from the nameserver")


def question(name: str, number: int, kind: int = _A) -> bytes:
    """A query for the addresses of a full name, recursion desired."""
    labels = [label.encode("idna") for label in name.rstrip(".").split(".") if label]
    body = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + body + struct.pack("!HH", kind, 1)


def addresses(answer: bytes, kind: int = _A) -> list[str]:
    """The addresses in an answer, sorted; LookUpFailed where there is none. Garbage raises ValueError."""
    try:
        _, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", answer)
        if code := flags & 0x000F:
            raise LookUpFailed(_CODES.get(code, f"rcode-{code}"))
        at = 12
        for _ in range(questions):
            at = _after_name(answer, at) + 4
        found = []
        for _ in range(answers):
            at = _after_name(answer, at)
            this, _, _, length = struct.unpack_from("!HHIH", answer, at)
            data = answer[at + 10 : at + 10 + length]
            at += 10 + length
            if this == kind:
                found.append(socket.inet_ntop(socket.AF_INET6 if kind == _AAAA else socket.AF_INET, data))
    except (struct.error, IndexError, OSError) as error:
        raise ValueError(f"not an answer of a nameserver: {error}") from error
    if not found:
        raise LookUpFailed("nodata")
    return sorted(found)


def _after_name(message: bytes, at: int) -> int:
    """Where a name ends: at its empty label, or after a pointer to an earlier one."""
    while (length := message[at]) != 0:
        if length >= 0xC0:
            return at + 2
        at += length + 1
    return at + 1


def validity(certificate: bytes) -> tuple[float, float]:
    """Not before, not after (seconds since 1970) of an X.509 certificate in DER; ValueError where it is none."""
    try:
        _, start, _ = _element(certificate, 0)  # Certificate
        _, at, _ = _element(certificate, start)  # TBSCertificate
        tag, _, end = _element(certificate, at)
        fields_before = 4 if tag == 0xA0 else 3  # version (optional), serial number, signature, issuer
        for _ in range(fields_before):
            _, _, at = _element(certificate, at)
        _, at, _ = _element(certificate, at)  # Validity
        first, start, end = _element(certificate, at)
        second, later_start, later_end = _element(certificate, end)
        return _moment(first, certificate[start:end]), _moment(second, certificate[later_start:later_end])
    except IndexError as error:
        raise ValueError("not a certificate") from error


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and end of the content of the DER element that begins at `at`."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return data[at], start, start + length


def _moment(tag: int, text: bytes) -> float:
    """UTCTime (two digits for the year, 1950 to 2049) or GeneralizedTime."""
    digits = text.decode("ascii").rstrip("Z")
    if tag == 0x17:
        digits = ("19" if digits >= "50" else "20") + digits
    return float(calendar.timegm(time.strptime(digits, "%Y%m%d%H%M%S")))
