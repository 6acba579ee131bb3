"""The kernel's own way in: netlink messages with their attributes, for nftables and for traffic control."""

from __future__ import annotations

import os
import socket
import struct

NFNL, ROUTE = 12, 0  # protocols
REQUEST, ACK, DUMP, EXCL, CREATE, APPEND = 1, 4, 0x300, 0x200, 0x400, 0x800
NESTED = 0x8000
NFTABLES = 10 << 8  # the part of a message's type that says so
_ERROR, _DONE = 2, 3
_BEGIN, _END = 0x10, 0x11

Message = tuple[int, int, bytes]


class Refused(Exception):
    """Why this pod or this kernel cannot be struck; nothing was changed."""


def attr(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def text(kind: int, value: str) -> bytes:
    return attr(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack(">I", value & 0xFFFFFFFF))


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """The attributes one after another, as (kind, content)."""
    found = []
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found.append((kind & 0x3FFF, data[4:size]))
        data = data[max(4, (size + 3) & ~3) :]
    return found


def attrs(data: bytes) -> dict[int, bytes]:
    return dict(elements(data))


def word(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


class Netlink:
    """One netlink socket. What the kernel ties to it, it removes when the socket is closed or its process ends."""

    def __init__(self, protocol: int) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._sock.bind((0, 0))
        self._sock.settimeout(2.0)
        self._seq = 0

    def close(self) -> None:
        self._sock.close()

    def ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """One request, and what it was answered; OSError is the kernel's own."""
        self._sock.send(self._message(kind, flags, body))
        found: list[bytes] = []
        while True:
            for answer, _, content in self._received():
                if answer == _DONE:
                    return found
                if answer == _ERROR:
                    _raise_for(content)
                    return found
                found.append(content)

    def batch(self, messages: list[Message]) -> None:
        """All of them or none, in one transaction of nftables; OSError is the kernel's first objection."""
        around = struct.pack(">BBH", 0, 0, 10)
        parts = [self._message(_BEGIN, 0, around)]
        first = self._seq
        parts += [self._message(NFTABLES | kind, flags | ACK, body) for kind, flags, body in messages]
        open_ = set(range(first + 1, self._seq + 1))
        parts.append(self._message(_END, 0, around))
        self._sock.send(b"".join(parts))
        objection = b""
        while open_:
            for answer, seq, content in self._received():
                if answer == _ERROR:
                    objection = objection or (content if any(content[:4]) else b"")
                    open_ = open_ - {seq} if seq != first else set()
        _raise_for(objection)

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._seq += 1
        return struct.pack("=IHHII", 16 + len(body), kind, flags | REQUEST, self._seq, 0) + body

    def _received(self) -> list[tuple[int, int, bytes]]:
        """(type, number, content) of the messages that came together."""
        data, found = self._sock.recv(1 << 18), []
        while len(data) >= 16:
            size, kind, _, seq, _ = struct.unpack_from("=IHHII", data)
            found.append((kind, seq, data[16:size]))
            data = data[(size + 3) & ~3 :]
        return found


def _raise_for(content: bytes) -> None:
    code = -struct.unpack_from("=i", content)[0] if content else 0
    if code:
        raise OSError(code, os.strerror(code))


def asked(protocol: int, kind: int, body: bytes) -> list[bytes]:
    """A list from the kernel, over a socket of its own."""
    link = Netlink(protocol)
    try:
        return link.ask(kind, DUMP, body)
    finally:
        link.close()
