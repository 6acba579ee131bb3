"""The queue that delays: idle before the pod's network device, until rules name packets for its second lane."""

from __future__ import annotations

import socket
import struct

from chaos.injectors.net_agent.netlink import ACK, CREATE, EXCL, ROUTE, Netlink, Refused, asked, attr, attrs, text, word

_NEW, _DEL, _GET = 36, 37, 38
_ROOT = 0xFFFFFFFF
_KEPT = 10_000  # packets that may be under way at once


def _device() -> int:
    """The device that leads out of the pod."""
    with open("/proc/net/route") as routes:
        names = [line.split()[0] for line in routes.read().splitlines()[1:] if line.split()[1] == "00000000"]
    return socket.if_nametoindex(names[0] if names else "eth0")


def _about(index: int, handle: int, parent: int) -> bytes:
    return struct.pack("=BxxxiIII", 0, index, handle, parent, 0)


def _root_of(index: int) -> tuple[int, str]:
    """Handle and kind of the queue before a device; the kernel's own have handle 0."""
    for each in asked(ROUTE, _GET, _about(0, 0, 0)):
        _, at, handle, parent, _ = struct.unpack_from("=BxxxiIII", each)
        if at == index and parent == _ROOT:
            return handle, word(attrs(each[20:]).get(1, b""))
    return 0, ""


class Queue:
    """Two lanes: all packets take the first; those that our rules name take the second, which delays. Our mark: its handle."""

    def __init__(self, handle: int, latency: float, jitter: float) -> None:
        self._handle, self._latency, self._jitter = handle << 16, latency, jitter

    @property
    def stands(self) -> bool:
        return _root_of(_device())[0] == self._handle

    def put(self) -> None:
        """In place, idle; Refused and nothing changed where it cannot be had. Again: no change."""
        index = _device()
        there, kind = _root_of(index)
        if there == self._handle:
            return
        if there:
            raise Refused(f"somebody else's queue ({kind}) stands before the pod's network device: it is not touched")
        lanes = struct.pack("=i16s", 2, bytes(16))
        delay = struct.pack("=IIIIII", 0, _KEPT, 0, 0, 0, 0)
        delay += attr(10, struct.pack("=q", round(self._latency * 1e9))) + attr(
            11, struct.pack("=q", round(self._jitter * 1e9))
        )
        link = Netlink(ROUTE)
        try:
            _add(link, _about(index, self._handle, _ROOT), "prio", lanes)
            try:
                _add(link, _about(index, self._handle + (1 << 16), self._handle | 2), "netem", delay)
            except Refused:
                self.remove()
                raise
        finally:
            link.close()

    def remove(self) -> None:
        """Out of the way, if it is ours."""
        if not self.stands:
            return
        link = Netlink(ROUTE)
        try:
            link.ask(_DEL, ACK, _about(_device(), self._handle, _ROOT))
        finally:
            link.close()


def _add(link: Netlink, where: bytes, kind: str, options: bytes) -> None:
    try:
        link.ask(_NEW, ACK | CREATE | EXCL, where + text(1, kind) + attr(2, options))
    except FileNotFoundError:
        why = f"the node's kernel lacks {kind} (module sch_{kind}), without which netem delays nothing"
        raise Refused(why) from None
