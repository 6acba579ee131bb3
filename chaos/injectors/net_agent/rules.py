"""The strike as an nftables table that the kernel removes when its maker ends, in whatever way (Linux 5.12 and later)."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from chaos.injectors.net_agent.netlink import (
    APPEND,
    CREATE,
    EXCL,
    NESTED,
    NFNL,
    NFTABLES,
    Message,
    Netlink,
    Refused,
    asked,
    attr,
    attrs,
    elements,
    number,
    text,
    word,
)

MARK = "gameday-"  # every table of ours begins so; then run and step
INWARD, OUTWARD = "inward", "outward"
_NEW_TABLE, _GET_TABLE, _DEL_TABLE, _NEW_CHAIN, _GET_CHAIN, _NEW_RULE, _GET_RULE = 0, 1, 2, 3, 4, 6, 7
_OWNER = 2  # flag of a table that ends with its maker
_HOOKS = {INWARD: 1, OUTWARD: 3}
_EARLY = -310  # before connections are tracked: what stands is hit like what is new
_INET, _ANY_FAMILY = struct.pack(">BBH", 1, 0, 0), struct.pack(">BBH", 0, 0, 0)
_EQUAL, _LESS = 0, 2
_NETWORK, _TRANSPORT = 1, 2  # where a payload is counted from
_TCP, _UDP = 6, 17
_WHOLE = 10_000  # shares are drawn in hundredths of a percent


# -- expressions: each leaves something in register 1, or compares it --------------------------------------------------


def _expression(name: str, *data: bytes) -> bytes:
    return attr(1 | NESTED, text(1, name), attr(2 | NESTED, *data))


def _value(kind: int, data: bytes) -> bytes:
    return attr(kind | NESTED, attr(1, data))


def _compare(how: int, data: bytes) -> bytes:
    return _expression("cmp", number(1, 1), number(2, how), _value(3, data))


def _meta(key: int) -> bytes:
    return _expression("meta", number(1, 1), number(2, key))


def _payload(base: int, offset: int, size: int) -> bytes:
    return _expression("payload", number(1, 1), number(2, base), number(3, offset), number(4, size))


def _verdict(code: int) -> bytes:
    return _expression("immediate", number(1, 0), attr(2 | NESTED, attr(2 | NESTED, number(1, code))))


_DROP, _ACCEPT = _verdict(0), _verdict(1)
_COUNT = _expression("counter")
_RESET = _expression("reject", number(1, 1))


def _on_loopback(chain: str) -> bytes:
    """The loopback device is always the first."""
    return _meta(4 if chain == INWARD else 5) + _compare(_EQUAL, struct.pack("=I", 1))


def _of_protocol(protocol: int) -> bytes:
    return _meta(16) + _compare(_EQUAL, bytes([protocol]))


def _at_port(chain: str, port: int) -> bytes:
    """Our own port: where packets go to inwards, and come from outwards."""
    return _payload(_TRANSPORT, 2 if chain == INWARD else 0, 2) + _compare(_EQUAL, struct.pack(">H", port))


def _with_peer(chain: str, network: str) -> bytes:
    """Sent by an address of the network inwards, or to one outwards."""
    net = ipaddress.ip_network(network)
    size = net.max_prefixlen // 8
    source = 12 if net.version == 4 else 8
    mask = _value(4, net.netmask.packed) + _value(5, bytes(size))
    return (
        _meta(15)
        + _compare(_EQUAL, bytes([2 if net.version == 4 else 10]))
        + _payload(_NETWORK, source if chain == INWARD else source + size, size)
        + _expression("bitwise", number(1, 1), number(2, 1), number(3, size), mask)
        + _compare(_EQUAL, net.network_address.packed)
    )


def _now_and_then(share: float) -> bytes:
    """True for a share of packets, drawn anew for each."""
    drawn = _expression("numgen", number(1, 1), number(2, _WHOLE), number(3, 1), number(4, 0))
    comparable = _expression("byteorder", number(1, 1), number(2, 1), number(3, 1), number(4, 4), number(5, 4))
    return drawn + comparable + _compare(_LESS, struct.pack(">I", round(share * _WHOLE)))


def _into_class(classid: int) -> bytes:
    """Name the packet for a class of our queue, which reads it from the packet's priority."""
    held = _expression("immediate", number(1, 1), _value(2, struct.pack("=I", classid)))
    return held + _expression("meta", number(2, 2), number(3, 1))


def _consequence(wanted: dict[str, Any]) -> bytes:
    if wanted["act"] == "delay":
        return _into_class(wanted["handle"] << 16 | 2)
    return _RESET if wanted["act"] == "reset" else _DROP


Rule = tuple[str, bytes]


def rules_of(wanted: dict[str, Any]) -> list[Rule]:
    """(chain, expressions) in their order: first what is never touched, the loopback and our own orders; then the strike."""
    chains = {"reset": [INWARD], "delay": [OUTWARD]}.get(wanted["act"], [INWARD, OUTWARD])
    found: list[Rule] = []
    for chain in chains:
        spared = _of_protocol(_TCP) + _at_port(chain, wanted["admin_port"])
        found += [(chain, _on_loopback(chain) + _ACCEPT), (chain, spared + _ACCEPT)]
        found += [(chain, match + _COUNT + _consequence(wanted)) for match in _matches(chain, wanted)]
    return found


def _matches(chain: str, wanted: dict[str, Any]) -> list[bytes]:
    """What the strike is about. Outwards only TCP is dropped: a sender of datagrams would be told "not permitted", which no bad
    line says; what answers them is lost on its way in.
    """
    port, share, act = wanted["port"], wanted["share"], wanted["act"]
    which = [b""]
    if act == "reset" or (act == "drop" and chain == OUTWARD):
        which = [_of_protocol(_TCP)]
    elif port:
        which = [_of_protocol(_TCP), _of_protocol(_UDP)]
    if port:
        which = [each + _at_port(chain, port) for each in which]
    if wanted["peers"]:
        which = [each + _with_peer(chain, peer) for each in which for peer in wanted["peers"]]
    return [each + _now_and_then(share) for each in which] if share < 1 else which


class Table:
    """Our table of rules; its name is our mark."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._link: Netlink | None = None

    @property
    def stands(self) -> bool:
        return self._link is not None

    def put(self, rules: list[Rule]) -> None:
        """In one transaction; OSError and nothing changed when the kernel declines. Again: no change."""
        if self._link is not None:
            return
        table = _INET + text(1, self._mark)
        messages: list[Message] = [(_NEW_TABLE, CREATE | EXCL, table + number(2, _OWNER))]
        for chain in dict.fromkeys(chain for chain, _ in rules):
            hook = attr(4 | NESTED, number(1, _HOOKS[chain]), number(2, _EARLY))
            messages.append((_NEW_CHAIN, CREATE | EXCL, table + text(3, chain) + hook + text(7, "filter")))
        comment = attr(7, bytes([0, len(self._mark) + 1]), self._mark.encode() + b"\0")
        for chain, expressions in rules:
            rule = table + text(2, chain) + attr(4 | NESTED, expressions) + comment
            messages.append((_NEW_RULE, CREATE | APPEND, rule))
        link = Netlink(NFNL)
        try:
            link.batch(messages)
        except OSError:
            link.close()
            raise
        self._link = link

    def remove(self) -> None:
        """Closing the socket would do; asking first has it done before we go on."""
        if self._link is None:
            return
        try:
            self._link.batch([(_DEL_TABLE, 0, _INET + text(1, self._mark))])
        finally:
            self._link.close()
            self._link = None


def tables() -> list[str]:
    """The names of all tables in this network namespace."""
    return [word(attrs(each[4:])[1]) for each in asked(NFNL, NFTABLES | _GET_TABLE, _ANY_FAMILY)]


def packets(mark: str) -> int:
    """How many packets our rules have met: for people, never a proof."""
    rules = [attrs(each[4:]) for each in asked(NFNL, NFTABLES | _GET_RULE, _INET)]
    return sum(_counted(element) for rule in rules if word(rule[1]) == mark for _, element in elements(rule.get(4, b"")))


def _counted(element: bytes) -> int:
    found = attrs(element)
    return int.from_bytes(attrs(found.get(2, b"")).get(2, b""), "big") if word(found.get(1, b"")) == "counter" else 0


def refuse_strangers(mark: str) -> None:
    """Refused where another run strikes already, or where something makes a pod's ports others than callers see."""
    run = mark.rpartition("-")[0] + "-"
    if others := [each for each in tables() if each.startswith(MARK) and not each.startswith(run)]:
        raise Refused(f"another run strikes this pod already (nftables table {others[0]})")
    if found := _rewriting():
        raise Refused(f"something rewrites addresses in this pod, as a mesh does ({found}): the ports are not what callers see")


def _rewriting() -> str:
    for each in asked(NFNL, NFTABLES | _GET_CHAIN, _ANY_FAMILY):
        found = attrs(each[4:])
        if word(found.get(7, b"")) == "nat":
            return f"nftables table {word(found[1])}"
    for path in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"):
        try:
            with open(path) as names:
                if "nat" in names.read().split():
                    return "iptables table nat"
        except OSError:  # this kernel has none
            continue
    return ""
