"""The PROXY header, for any octets cut at any place:

- a header, None, or NotProxy, never another error;
- more octets change nothing once it was read or refused, and the header's length is where it ends;
- the source is an address, and no IPv4 address is written as IPv6.
"""

import ipaddress

from fuzz.spelling import spelled
from gateway.proxy import NotProxy, ProxyHeader, parse

# Octets above 0x7F are needed as they are in version 2, so the first octet chooses.
WORDS = [
    *(
        b"PROXY ",
        b"TCP4 ",
        b"TCP6 ",
        b"UNKNOWN",
        b"192.0.2.1 ",
        b"198.51.100.7 ",
        b"2001:db8::1 ",
        b"::ffff:192.0.2.1 ",
        b"65535",
    ),
    *(
        b"\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24",
        b"\x20",
        b"\x21",
    ),
]


def one(octets: bytes) -> None:
    """The octets as they come or as words, once for each way to cut them in two."""
    wire = spelled(octets[1:], WORDS) if octets and octets[0] & 1 else octets[1:]
    whole = _judged(wire)
    for cut in range(len(wire)):
        part = _judged(wire[:cut])
        assert part is None or part == whole
    if isinstance(whole, ProxyHeader):
        assert 0 < whole.length <= len(wire)
        assert _judged(wire[: whole.length]) == whole == _judged(wire + b"\x16\x03\x01")
        assert _judged(wire[: whole.length - 1]) is None
        assert 0 <= whole.port <= 65535
        if whole.source is not None:
            source = ipaddress.ip_address(whole.source)
            assert not (isinstance(source, ipaddress.IPv6Address) and source.ipv4_mapped)


def _judged(octets: bytes) -> ProxyHeader | str | None:
    try:
        return parse(octets)
    except NotProxy:
        return "refused"
