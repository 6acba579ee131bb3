"""Standing connections, cut as if the peer had hung up: both ends see a reset at once, also where nothing is being said."""

from __future__ import annotations

import socket
import struct

from chaos.injectors.net_agent.netlink import ACK, DUMP, Netlink, Refused

_DIAG = 4  # protocol
_LIST, _DESTROY = 20, 21
_ESTABLISHED = 1 << 1
_ID = slice(4, 52)  # of an answer: what names the connection
_NOBODY = struct.pack(">HH", 1, 1) + bytes(32) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)


def _about(family: int, identity: bytes) -> bytes:
    return struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _ESTABLISHED) + identity


def try_cut() -> None:
    """Refused where the kernel cannot; asks it for a connection that nobody has."""
    link = Netlink(_DIAG)
    try:
        link.ask(_DESTROY, ACK, _about(socket.AF_INET, _NOBODY))
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(f"the node's kernel cannot cut connections ({error}; it takes CONFIG_INET_DIAG_DESTROY)") from None
    finally:
        link.close()


def cut(ports: list[int]) -> int:
    """Cut all connections at these ports of ours; how many there were. One that ended meanwhile is as good."""
    link, count = Netlink(_DIAG), 0
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            for each in link.ask(_LIST, DUMP, _about(family, bytes(48))):
                if struct.unpack_from(">H", each, 4)[0] not in ports:
                    continue
                try:
                    link.ask(_DESTROY, ACK, _about(family, each[_ID]))
                except FileNotFoundError:
                    continue
                count += 1
    finally:
        link.close()
    return count
