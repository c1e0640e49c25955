"""The PROXY protocol: each form as proxies send it, cut everywhere, and what is no header."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import proxy
from gateway.proxy import NotProxy, ProxyHeader, parse

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
IPV4 = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + struct.pack(">HH", 56324, 587)
IPV6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + struct.pack(">HH", 1, 2)
MAPPED = bytes(10) + b"\xff\xff\xc0\x00\x02\x07" + bytes(16) + struct.pack(">HH", 3, 4)


def v2(command: int, family: int, rest: bytes = b"", size: int | None = None) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(rest) if size is None else size) + rest


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


CHECKSUM = bytes.fromhex("86158139")  # of exactly the header below

GOOD = [
    # what it shows, octets, source, port
    ("v1, IPv4", b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 587\r\n", "192.0.2.7", 56324),
    ("v1, IPv6", b"PROXY TCP6 2001:DB8::1 2001:db8::2 1 2\r\n", "2001:db8::1", 1),
    ("v1, IPv4 in IPv6", b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 1 2\r\n", "192.0.2.7", 1),
    ("v1, ports at their ends", b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0", 0),
    ("v1, unknown", b"PROXY UNKNOWN\r\n", None, 0),
    ("v1, unknown with words", b"PROXY UNKNOWN ffff::1 whatever \x80\r\n", None, 0),
    (
        "v1, the longest there is",
        b"PROXY UNKNOWN " + b" ".join([b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] * 2) + b" 65535 65535\r\n",
        None,
        0,
    ),
    ("v2, IPv4", v2(0x21, 0x11, IPV4), "192.0.2.7", 56324),
    ("v2, IPv6", v2(0x21, 0x21, IPV6), "2001:db8::1", 1),
    ("v2, IPv4 in IPv6", v2(0x21, 0x21, MAPPED), "192.0.2.7", 3),
    ("v2, a health check", v2(0x20, 0x00), None, 0),
    ("v2, a health check with addresses", v2(0x20, 0x11, IPV4), None, 0),
    ("v2, a health check of some other family", v2(0x20, 0x31, bytes(216)), None, 0),
    ("v2, unspecified", v2(0x21, 0x00, b"whatever"), None, 0),
    ("v2, with TLVs", v2(0x21, 0x11, IPV4 + tlv(4, b"") + tlv(0x20, b"abc")), "192.0.2.7", 56324),
    ("v2, the longest that is read", v2(0x21, 0x11, IPV4 + tlv(4, bytes(536 - 12 - 3))), "192.0.2.7", 56324),
    ("v2, a right checksum", v2(0x21, 0x11, IPV4 + tlv(3, CHECKSUM) + tlv(4, b"x")), "192.0.2.7", 56324),
]

BAD = [
    # what it shows, octets
    ("TLS", b"\x16\x03\x01\x02\x00"),
    ("SMTP", b"EHLO client.test\r\n"),
    ("HTTP", b"GET / HTTP/1.1\r\n"),
    ("one octet of something else", b"p"),
    ("lower case", b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n"),
    ("two blanks", b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n"),
    ("a blank at the end", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n"),
    ("a tab", b"PROXY\tTCP4 192.0.2.7 198.51.100.1 1 2\r\n"),
    ("bare LF", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n"),
    ("bare LF in what is ignored", b"PROXY UNKNOWN x\n"),
    ("bare CR", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\rx\r\n"),
    ("unknown with a tail", b"PROXY UNKNOWNS\r\n"),
    ("UDP", b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n"),
    ("no addresses", b"PROXY TCP4\r\n"),
    ("one port", b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n"),
    ("a fifth word", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n"),
    ("IPv6 in TCP4", b"PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n"),
    ("IPv4 in TCP6", b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n"),
    ("three numbers", b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n"),
    ("a leading zero", b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n"),
    ("256", b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n"),
    ("the destination counts, too", b"PROXY TCP4 192.0.2.7 198.51.100.256 1 2\r\n"),
    ("a zone", b"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n"),
    ("a port too big", b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n"),
    ("the other port too big", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n"),
    ("a port with a zero in front", b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n"),
    ("a port with a sign", b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n"),
    ("v1, too long", b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n"),
    ("v1, endless", b"PROXY UNKNOWN " + b"x" * 93),
    ("version 1 in binary", v2(0x11, 0x11, IPV4)),
    ("version 3", v2(0x31, 0x11, IPV4)),
    ("a command that is none", v2(0x22, 0x11, IPV4)),
    ("UDP over IPv4", v2(0x21, 0x12, IPV4)),
    ("a UNIX socket", v2(0x21, 0x31, bytes(216))),
    ("a family that is none", v2(0x21, 0x41, IPV4)),
    ("unspecified family over TCP", v2(0x21, 0x01, IPV4)),
    ("too short for IPv4", v2(0x21, 0x11, IPV4[:-1])),
    ("too short for IPv6", v2(0x21, 0x21, IPV4)),
    ("too long, said", v2(0x21, 0x11, IPV4, size=537)),
    ("a health check that is too long", v2(0x20, 0x00, b"", size=65535)),
    ("half a TLV", v2(0x21, 0x11, IPV4 + b"\x04\0")),
    ("a TLV that overruns", v2(0x21, 0x11, IPV4 + b"\x04\0\x05abcd")),
    ("a wrong checksum", v2(0x21, 0x11, IPV4 + tlv(3, b"\1\2\3\4"))),
    ("a checksum of three octets", v2(0x21, 0x11, IPV4 + tlv(3, bytes(3)))),
]


@pytest.mark.parametrize(("octets", "source", "port"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_headers(octets: bytes, source: str | None, port: int) -> None:
    """Whole, byte at a time, and with the client's own octets behind."""
    expected = ProxyHeader(len(octets), source, port, is_own=octets.startswith(SIGNATURE + b"\x20"))
    assert all(parse(octets[:count]) is None for count in range(len(octets)))
    assert parse(octets) == expected
    assert parse(octets + b"\x16\x03\x01") == parse(octets + octets) == expected


@pytest.mark.parametrize("octets", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_no_header(octets: bytes) -> None:
    """Dropped; whoever may speak for others must speak clearly."""
    with pytest.raises(NotProxy):
        parse(octets)


@pytest.mark.parametrize("octets", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_no_header_never_was_one(octets: bytes) -> None:
    """No beginning of it is taken for a header."""
    for count in range(len(octets)):
        try:
            assert parse(octets[:count]) is None
        except NotProxy:
            break


def test_the_checksum_is_the_one_of_the_books() -> None:
    """CRC-32C of "123456789", the check value that every catalogue of checksums has."""
    assert proxy._crc32c(b"123456789").hex() == "e3069283"


@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, v2(0x21, 0x11, b"", size=40)]), st.binary())
def test_no_octets_surprise_it(prefix: bytes, octets: bytes) -> None:
    """A header that lies within what was given, a wish for more, or NotProxy; never another error."""
    try:
        header = parse(prefix + octets)
    except NotProxy:
        return
    assert header is None or 0 < header.length <= len(prefix + octets)
